#include "daemon/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Who is watched, where that is said at all, is the process that the manager started. */
static uint64_t watchdog_ms(void)
{
    const char *period = getenv("WATCHDOG_USEC"), *who = getenv("WATCHDOG_PID");
    if (!period || (who && strtol(who, NULL, 10) != getpid()))
        return 0;
    return strtoull(period, NULL, 10) / 1000;
}

/* "/run/…", or "@…": an abstract name. */
static bool parse_path(struct notify *n, const char *path, struct error *err)
{
    size_t size = strlen(path);
    if ((*path != '/' && *path != '@') || size >= sizeof n->to.sun_path)
        return error_set(err, ERROR_USAGE, "NOTIFY_SOCKET: must be a path, not \"%s\"", path);
    n->to.sun_family = AF_UNIX;
    memcpy(n->to.sun_path, path, size);
    n->to_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
    if (*path == '@')
        n->to.sun_path[0] = '\0';
    return true;
}

bool notify_open(struct notify *n, struct error *err)
{
    const char *path = getenv("NOTIFY_SOCKET");
    *n = (struct notify){ .fd = -1 };
    if (!path || !*path)
        return true;
    if (!parse_path(n, path, err))
        return false;
    n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (n->fd < 0)
        return error_set(err, ERROR_IO, "NOTIFY_SOCKET: %s", strerror(errno));
    n->watchdog_ms = watchdog_ms();
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    return true;
}

void notify_close(struct notify *n)
{
    if (n->fd >= 0)
        close(n->fd);
    n->fd = -1;
}

void notify_send(const struct notify *n, const char *text)
{
    if (n->fd < 0)
        return;
    ssize_t ignored = sendto(n->fd,
        text,
        strlen(text),
        MSG_NOSIGNAL,
        (const struct sockaddr *)(const void *)&n->to,
        n->to_size);
    (void)ignored;
}
