#include "daemon/inherited.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FIRST_FD = 3, INHERITED_MAX = 64 };

static const struct {
    const char *name;
    size_t offset;
} places[] = {
    { "xds", offsetof(struct inherited, xds) },
    { "xds-tls", offsetof(struct inherited, xds_tls) },
    { "admin", offsetof(struct inherited, admin) },
};

static int *find_place(struct inherited *i, const char *name, size_t size)
{
    for (size_t p = 0; p < ARRAY_COUNT(places); p++)
        if (strlen(places[p].name) == size && strncmp(places[p].name, name, size) == 0)
            return (int *)(void *)((char *)i + places[p].offset);
    return NULL;
}

static bool is_listening(int fd)
{
    int family = 0, is_on = 0;
    socklen_t size = sizeof family;
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size) != 0)
        return false;
    size = sizeof is_on;
    return (family == AF_INET || family == AF_INET6) &&
           getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_on, &size) == 0 && is_on;
}

static bool take_socket(
    struct inherited *i, int fd, const char *name, size_t size, struct error *err)
{
    int *place = find_place(i, name, size);
    if (!place)
        return error_set(
            err, ERROR_USAGE, "must be xds, xds-tls or admin, not \"%.*s\"", (int)size, name);
    if (*place)
        return error_set(err, ERROR_USAGE, "two sockets are named %.*s", (int)size, name);
    if (!is_listening(fd))
        return error_set(err,
            ERROR_USAGE,
            "%.*s: descriptor %d is no listening TCP socket",
            (int)size,
            name,
            fd);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    *place = fd;
    return true;
}

static bool take_all(struct inherited *i, long count, const char *names, struct error *err)
{
    for (int n = 0; n < count; n++) {
        size_t size = strcspn(names, ":");
        if (!take_socket(i, FIRST_FD + n, names, size, err))
            return error_context(err, "LISTEN_FDNAMES");
        names += size + (names[size] == ':');
    }
    return true;
}

bool inherited_open(struct inherited *i, struct error *err)
{
    const char *who = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
    const char *names = getenv("LISTEN_FDNAMES");
    *i = (struct inherited){ 0 };
    if (!who || !fds || strtol(who, NULL, 10) != getpid())
        return true;
    char *end;
    long count = strtol(fds, &end, 10);
    if (*end || count < 0 || count > INHERITED_MAX)
        return error_set(err, ERROR_USAGE, "LISTEN_FDS: must be a small number, not \"%s\"", fds);
    if (!take_all(i, count, names ? names : "", err))
        return false;
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return true;
}
