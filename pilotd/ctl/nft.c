#include "ctl/nft.h"

#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CANNOT_START = 127, CANNOT_ENTER = 126 };

/* In memory, so that neither side waits for the other. */
static int memory_file(const char *content)
{
    int file = memfd_create("pilotctl-nft", MFD_CLOEXEC);
    size_t size = strlen(content);
    if (file >= 0 &&
        (write(file, content, size) != (ssize_t)size || lseek(file, 0, SEEK_SET) != 0)) {
        close(file);
        return -1;
    }
    return file;
}

static const char *content_of(struct arena *a, int file)
{
    struct buf content = { 0 };
    char piece[4096];
    lseek(file, 0, SEEK_SET);
    for (ssize_t size; (size = read(file, piece, sizeof piece)) > 0;)
        buf_append(&content, piece, (size_t)size);
    const char *text = arena_strndup(a, content.size ? content.data : "", content.size);
    buf_fini(&content);
    return text;
}

_Noreturn static void become(const char *const *args, int in, int out, bool is_quiet)
{
    char *words[16] = { NULL };
    for (size_t i = 0; args[i] && i + 1 < ARRAY_COUNT(words); i++)
        words[i] = xstrdup(args[i]);
    if (is_quiet)
        dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    execvp(words[0], words);
    _exit(CANNOT_START);
}

static int wait_for(pid_t child)
{
    int status = 0;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return CANNOT_START;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static int spawn(const char *const *args, int in, int out, bool is_quiet)
{
    pid_t child = fork();
    if (child == 0)
        become(args, in, out, is_quiet);
    return child < 0 ? CANNOT_START : wait_for(child);
}

static bool check(const char *program, int status, struct error *err)
{
    if (status == CANNOT_START)
        return error_set(err, ERROR_IO, "%s cannot be started: is it installed?", program);
    return status != CANNOT_ENTER ||
           error_set(err, ERROR_IO, "no network namespace can be made: root is needed");
}

bool nft_run(struct arena *a, const char *const *args, const char *input, bool is_quiet,
    struct nft_run *out, struct error *err)
{
    int in = memory_file(input), printed = memory_file("");
    bool is_good = in >= 0 && printed >= 0;
    fflush(stdout);
    *out =
        (struct nft_run){ .status = is_good ? spawn(args, in, printed, is_quiet) : CANNOT_START };
    if (is_good)
        out->text = content_of(a, printed);
    if (in >= 0)
        close(in);
    if (printed >= 0)
        close(printed);
    return check(args[0], out->status, err);
}

/* Both calls in one namespace: that of this child. */
_Noreturn static void list_apart(const char *table, int in, int out)
{
    const char *const load[] = { "nft", "-f", "-", NULL };
    const char *const list[] = { "nft", "-s", "list", "table", "inet", table, NULL };
    if (unshare(CLONE_NEWNET) != 0)
        _exit(CANNOT_ENTER);
    int status = spawn(load, in, STDERR_FILENO, false);
    if (status != 0)
        _exit(status);
    become(list, in, out, false);
}

bool nft_listing_of(
    struct arena *a, const char *rules, const char *table, const char **text, struct error *err)
{
    int in = memory_file(rules), printed = memory_file("");
    int status = CANNOT_START;
    if (in >= 0 && printed >= 0) {
        fflush(stdout);
        pid_t child = fork();
        if (child == 0)
            list_apart(table, in, printed);
        status = child < 0 ? CANNOT_START : wait_for(child);
        *text = content_of(a, printed);
    }
    if (in >= 0)
        close(in);
    if (printed >= 0)
        close(printed);
    return check("nft", status, err) &&
           (status == 0 || error_set(err, ERROR_IO, "nft refuses the rules"));
}
