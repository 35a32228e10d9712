/*
 * pilotctl dev: runs `pilotd --dev`, and carries over what changes in ./pilot.d: what is written
 * there is written to its store, what is taken away is deleted. Faults are told, and what was in
 * force before stays. Ends with pilotd, and pilotd with it.
 */
#include "base/map.h"
#include "ctl/files.h"
#include "ctl/session.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const struct flag flag_interval_ms = {
    .name = "--interval",
    .value_name = "MILLISECONDS",
    .fallback = "300",
    .help = "how often it looks at ./pilot.d",
};
const struct flag *const dev_flags[] = { &flag_interval_ms, NULL };

static const char folder[] = "pilot.d";
enum { CANNOT_START = 127, AT_ONCE_MAX = 100 };

struct dev {
    struct ctl *ctl;
    pid_t pilotd;
    FILE *hints; /* what it prints */
    const char *store_url;
    struct map known; /* key → its value, as it is in the store; on the heap */
    char *seen;       /* of the folder: each file with its size and time; on the heap */
};

/* ---- pilotd ---- */

/* That beside this program, or else that of PATH. */
static const char *find_pilotd(struct arena *a)
{
    char self[PATH_MAX] = "";
    ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);
    const char *beside = size > 0 ? arena_printf(a, "%s/pilotd", dirname(self)) : "";
    return access(beside, X_OK) == 0 ? beside : "pilotd";
}

_Noreturn static void become_pilotd(const struct dev *d, int out)
{
    size_t count = 0;
    while (d->ctl->command && d->ctl->command[count])
        count++;
    char **words = ARENA_ARRAY(d->ctl->a, char *, count + 3);
    words[0] = arena_strdup(d->ctl->a, find_pilotd(d->ctl->a));
    words[1] = arena_strdup(d->ctl->a, "--dev");
    for (size_t i = 0; i <= count; i++)
        words[2 + i] = i < count ? d->ctl->command[i] : NULL;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    signal(SIGPIPE, SIG_DFL);
    dup2(out, STDOUT_FILENO);
    execvp(words[0], words);
    fprintf(stderr, "pilotctl: %s: %s\n", words[0], strerror(errno));
    _exit(CANNOT_START);
}

static bool start_pilotd(struct dev *d)
{
    int ends[2];
    fflush(stdout);
    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    d->pilotd = fork();
    if (d->pilotd == 0)
        become_pilotd(d, ends[1]);
    close(ends[1]);
    d->hints = fdopen(ends[0], "r");
    return d->pilotd > 0 && d->hints;
}

/* Passes on what it prints, up to the hints' last line; the store's address is among that. */
static bool read_hints(struct dev *d)
{
    static const char mark[] = "PILOTD_STORE=";
    char line[1024];
    while (fgets(line, sizeof line, d->hints)) {
        const char *at = strstr(line, mark);
        fputs(line, stdout);
        if (at)
            d->store_url =
                arena_strndup(d->ctl->a, at + strlen(mark), strcspn(at + strlen(mark), " \n"));
        if (d->store_url && strstr(line, "pilotctl bootstrap"))
            break;
    }
    fflush(stdout);
    return d->store_url;
}

static int status_of(int waited)
{
    return WIFEXITED(waited) ? WEXITSTATUS(waited) : EXIT_FINDINGS;
}

/* ---- ./pilot.d ---- */

static int is_resource_file(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');
    return entry->d_name[0] != '.' && dot &&
           (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0 || strcmp(dot, ".json") == 0);
}

static string_list list_files(struct arena *a)
{
    struct dirent **entries;
    string_list paths = { 0 };
    int count = scandir(folder, &entries, is_resource_file, alphasort);
    for (int i = 0; i < count; i++) {
        list_push(a, &paths, arena_printf(a, "%s/%s", folder, entries[i]->d_name));
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    return paths;
}

static const char *look(struct arena *a, const string_list *paths)
{
    const char *text = "";
    struct stat info;
    for (list_each (const char *const, path, paths))
        if (stat(*path, &info) == 0)
            text = arena_printf(a,
                "%s%s %lld %lld.%09ld\n",
                text,
                *path,
                (long long)info.st_size,
                (long long)info.st_mtim.tv_sec,
                info.st_mtim.tv_nsec);
    return text;
}

/* ---- what changes is written ---- */

struct round {
    struct dev *dev;
    struct ctl ctl; /* as of a verb that has a store; with an arena for this round */
    struct loader loader;
    LIST(struct store_write) writes;
    bool is_first;
};

static void tell(const struct round *r, const char *word, const char *key)
{
    if (!r->is_first)
        printf("%s %s\n", word, key);
}

static void plan_puts(struct round *r)
{
    for (list_each (const struct load_item, item, &r->loader.items)) {
        const char *former = item->object ? map_find(&r->dev->known, item->key) : NULL;
        if (!item->object || (former && strcmp(former, item->value) == 0))
            continue;
        struct store_write write = { .key = item->key,
            .value = item->value,
            .size = item->size,
            .expected_mod_revision = STORE_ANY_REVISION };
        list_push(r->ctl.a, &r->writes, write);
    }
}

static void plan_removal(const char *key, void *value, void *context)
{
    struct round *r = context;
    (void)value;
    for (list_each (const struct load_item, item, &r->loader.items))
        if (item->key && strcmp(item->key, key) == 0)
            return;
    struct store_write write = { .key = arena_strdup(r->ctl.a, key),
        .expected_mod_revision = STORE_ANY_REVISION };
    list_push(r->ctl.a, &r->writes, write);
}

static void remember(struct round *r, const struct store_write *write)
{
    tell(r, write->value ? "applied" : "deleted", write->key);
    if (write->value)
        free(map_put(&r->dev->known, write->key, xstrdup(write->value)));
    else
        free(map_remove(&r->dev->known, write->key));
}

static bool write_all(struct round *r)
{
    struct session session;
    struct session_answer answer = { 0 };
    bool is_good = session_open(&session, &r->ctl) == EXIT_GOOD;
    if (!is_good)
        return false;
    for (size_t at = 0; is_good && at < r->writes.count; at += AT_ONCE_MAX) {
        size_t some = r->writes.count - at < AT_ONCE_MAX ? r->writes.count - at : AT_ONCE_MAX;
        is_good = session_txn(&session, r->writes.items + at, some, &answer);
        for (size_t i = at; is_good && i < at + some; i++)
            remember(r, &r->writes.items[i]);
    }
    session_close(&session);
    if (!is_good)
        ctl_fail_error(&answer.err);
    return is_good;
}

/* Where a file has faults nobody knows what else is meant to be in it: nothing is deleted. */
static bool carry_over(struct round *r, const string_list *paths)
{
    for (list_each (const char *const, path, paths)) {
        const char *text;
        size_t size;
        struct error err;
        if (files_read(r->ctl.a, *path, &text, &size, &err))
            loader_add(&r->loader, *path, text, size);
        else
            ctl_fail_error(&err);
    }
    loader_finish(&r->loader);
    if (!r->is_first)
        files_print_faults(&r->ctl, &r->loader, stderr);
    plan_puts(r);
    if (r->loader.errors == 0)
        map_each (&r->dev->known, plan_removal, r)
            ;
    bool is_good = !r->writes.count || write_all(r);
    fflush(stdout);
    return is_good;
}

/* A round that failed is tried again. */
static void look_once(struct dev *d, struct arena *a)
{
    struct round r = {
        .dev = d, .ctl = { .a = a, .verb = verb_find("get") }, .is_first = !d->seen
    };
    char *words[] = { arena_strdup(a, "--store"), arena_strdup(a, d->store_url) };
    string_list paths = list_files(a);
    const char *seen = look(a, &paths);
    if (d->seen && strcmp(d->seen, seen) == 0)
        return;
    INVARIANT(ctl_parse(&r.ctl, ARRAY_COUNT(words), words));
    loader_init(&r.loader, a);
    if (carry_over(&r, &paths)) {
        free(d->seen);
        d->seen = xstrdup(seen);
    }
    loader_fini(&r.loader);
}

/* ---- until pilotd ends ---- */

static int watch(struct dev *d, long interval_ms)
{
    const struct timespec rest = { .tv_sec = interval_ms / 1000,
        .tv_nsec = interval_ms % 1000 * 1000000 };
    int waited;
    while (waitpid(d->pilotd, &waited, WNOHANG) == 0) {
        struct arena *a = arena_new();
        look_once(d, a);
        arena_free(a);
        nanosleep(&rest, NULL);
    }
    return status_of(waited);
}

/* Ctrl-C goes to pilotd as well, which drains; this one waits for it. */
static void pass_on(int number)
{
    (void)number;
}

int verb_dev(struct ctl *ctl)
{
    struct dev d = { .ctl = ctl };
    long interval_ms;
    if (ctl->args.count)
        return ctl_fail(EXIT_USAGE, "dev: flags of pilotd go behind --");
    if (!ctl_number(ctl, &flag_interval_ms, 50, 60000, &interval_ms))
        return EXIT_USAGE;
    signal(SIGINT, pass_on);
    if (!start_pilotd(&d))
        return ctl_fail(EXIT_FINDINGS, "dev: pilotd cannot be started: %s", strerror(errno));
    int status = EXIT_FINDINGS, waited = 0;
    if (read_hints(&d))
        status = watch(&d, interval_ms);
    else if (waitpid(d.pilotd, &waited, 0) == d.pilotd)
        status = status_of(waited);
    fclose(d.hints);
    map_fini(&d.known, free);
    free(d.seen);
    return status;
}
