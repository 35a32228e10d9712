#include "daemon/dev.h"

#include "daemon/options.h"
#include "model/load.h"
#include "replication/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const char folder[] = "pilot.d";
enum { TXN_WRITES = 100, RETRY_US = 50000 };

struct dev {
    struct arena *a;
    char *data; /* etcd's folder */
    const char *store_url, *log;
    pid_t etcd;
    size_t loaded, refused;
};

/* ---- etcd ---- */

/* A port that is free now; etcd is quick to take it. */
static int free_port(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_good = fd >= 0 && bind(fd, (struct sockaddr *)&address, size) == 0 &&
                   getsockname(fd, (struct sockaddr *)&address, &size) == 0;
    if (fd >= 0)
        close(fd);
    return is_good ? ntohs(address.sin_port) : 0;
}

/* In the child. It dies with its parent, however that dies. */
_Noreturn static void become_etcd(const struct dev *d, const char *client, const char *peer)
{
    int log = open(d->log, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpgid(0, 0); /* Ctrl-C is pilotd's, which drains first */
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    execlp("etcd",
        "etcd",
        "--name",
        "dev",
        "--data-dir",
        d->data,
        "--listen-client-urls",
        client,
        "--advertise-client-urls",
        client,
        "--listen-peer-urls",
        peer,
        "--initial-advertise-peer-urls",
        peer,
        "--initial-cluster",
        arena_printf(d->a, "dev=%s", peer),
        (char *)NULL);
    _exit(127);
}

static bool start_etcd(struct dev *d, struct error *err)
{
    const char *temporaries = getenv("TMPDIR");
    char *template = arena_printf(
        d->a, "%s/pilotd-dev-XXXXXX", temporaries && *temporaries ? temporaries : "/tmp");
    int client = free_port(), peer = free_port();
    while (peer && peer == client)
        peer = free_port();
    if (!client || !peer || !mkdtemp(template))
        return error_set(err, ERROR_IO, "--dev: %s", strerror(errno));
    d->data = template;
    d->log = arena_printf(d->a, "%s/etcd.log", template);
    d->store_url = arena_printf(d->a, "etcd://127.0.0.1:%d/pilot", client);
    d->etcd = fork();
    if (d->etcd < 0)
        return error_set(err, ERROR_IO, "--dev: fork: %s", strerror(errno));
    if (d->etcd == 0)
        become_etcd(d,
            arena_printf(d->a, "http://127.0.0.1:%d", client),
            arena_printf(d->a, "http://127.0.0.1:%d", peer));
    return true;
}

/* ---- writing, one call after the other ---- */

struct writing {
    struct store_call call;
    struct error err;
    bool is_done;
};

static void on_reply(struct store_call *call, const struct store_reply *reply)
{
    struct writing *w = container_of(call, struct writing, call);
    if (reply->err)
        w->err = *reply->err;
    w->is_done = true;
}

static bool write_all(uv_loop_t *loop, struct store *store, const struct store_write *writes,
    size_t count, struct error *err)
{
    for (size_t at = 0; at < count; at += TXN_WRITES) {
        struct writing w = { .call.on_reply = on_reply };
        size_t some = count - at < TXN_WRITES ? count - at : TXN_WRITES;
        store_txn(store, writes + at, some, &w.call);
        while (!w.is_done)
            uv_run(loop, UV_RUN_ONCE);
        if (w.err.code != ERROR_NONE) {
            *err = w.err;
            return false;
        }
    }
    return true;
}

/* Each call waits for its answer or a time-out; a few of those are an etcd that does not start. */
static bool wait_and_write(
    struct dev *d, const struct store_write *writes, size_t count, struct error *err)
{
    static const struct log_scope quiet = { .level = LOG_LEVEL_ERROR };
    const struct store_options options = { .url = d->store_url, .log = &quiet, .is_oneshot = true };
    struct store *store;
    uv_loop_t loop;
    INVARIANT(uv_loop_init(&loop) == 0);
    bool is_good = store_open(&loop, &options, NULL, &store, err);
    if (is_good) {
        uint64_t deadline = uv_now(&loop) + DEV_ETCD_READY_MS;
        while (!(is_good = write_all(&loop, store, writes, count, err)) &&
               uv_now(&loop) < deadline && waitpid(d->etcd, NULL, WNOHANG) == 0) {
            usleep(RETRY_US);
            uv_update_time(&loop);
        }
        store_close(store);
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    INVARIANT(uv_loop_close(&loop) == 0);
    return is_good || error_context(err, "--dev: etcd does not answer (is it in PATH?)");
}

/* ---- ./pilot.d ---- */

static int is_resource_file(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');
    return entry->d_name[0] != '.' && dot &&
           (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0 || strcmp(dot, ".json") == 0);
}

static void read_folder(struct dev *d, struct loader *loader)
{
    struct dirent **entries;
    int count = scandir(folder, &entries, is_resource_file, alphasort);
    for (int i = 0; i < count; i++) {
        const char *path = arena_printf(d->a, "%s/%s", folder, entries[i]->d_name), *text;
        size_t size;
        struct error err;
        if (options_read_file(d->a, path, &text, &size, &err))
            loader_add(loader, path, text, size);
        else
            fprintf(stderr, "pilotd: %s\n", err.text);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    loader_finish(loader);
}

static bool load_folder(struct dev *d, struct error *err)
{
    struct loader loader;
    loader_init(&loader, d->a);
    read_folder(d, &loader);
    struct store_write *writes = ARENA_ARRAY(d->a, struct store_write, loader.items.count + 1);
    size_t count = 0;
    for (list_each (const struct load_item, item, &loader.items)) {
        for (list_each (const struct diag, diag, &item->diags.list))
            fprintf(stderr, "%s\n", load_diag_text(d->a, item, diag));
        if (!item->object) {
            d->refused++;
            continue;
        }
        writes[count++] = (struct store_write){ .key = item->key,
            .value = item->value,
            .size = item->size,
            .expected_mod_revision = STORE_ANY_REVISION };
    }
    d->loaded = count;
    /* With nothing to load, a deletion of nothing tells that etcd is there. */
    if (!count)
        writes[count++] = (struct store_write){ .key = "config/none",
            .expected_mod_revision = STORE_ANY_REVISION };
    bool is_good = wait_and_write(d, writes, count, err);
    loader_fini(&loader);
    return is_good;
}

/* ---- beginning and end ---- */

bool dev_start(struct dev **out, struct error *err)
{
    if (getenv("NOTIFY_SOCKET") || getenv("INVOCATION_ID"))
        return error_set(err,
            ERROR_USAGE,
            "--dev is for a laptop, not for a service: its etcd dies with it; use --store");
    struct dev *d = xcalloc(1, sizeof *d);
    d->a = arena_new();
    if (start_etcd(d, err) && load_folder(d, err)) {
        *out = d;
        return true;
    }
    dev_stop(d);
    return false;
}

const char *dev_store_url(const struct dev *d)
{
    return d->store_url;
}

void dev_print_hints(const struct dev *d, const char *xds, const char *admin)
{
    printf("pilotd --dev: etcd at %s, %zu resources from ./%s", d->store_url, d->loaded, folder);
    if (d->refused)
        printf(" (%zu refused)", d->refused);
    printf(
        "\n\n    export PILOTD_STORE=%s PILOTD_SERVER=%s PILOTD_XDS=%s\n"
        "    pilotctl status\n"
        "    pilotctl register web --address 127.0.0.1 --port http=8080 -- python3 -m http.server "
        "8080\n"
        "    pilotctl bootstrap 'sidecar~127.0.0.2~web-1.default~default.svc.cluster.local' "
        "--interception NONE > bootstrap.json\n\n",
        d->store_url,
        admin,
        xds);
    fflush(stdout);
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *place)
{
    (void)info, (void)type, (void)place;
    return remove(path);
}

void dev_stop(struct dev *d)
{
    if (!d)
        return;
    if (d->etcd > 0) {
        kill(d->etcd, SIGKILL);
        waitpid(d->etcd, NULL, 0);
    }
    if (d->data)
        nftw(d->data, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    arena_free(d->a);
    free(d);
}
