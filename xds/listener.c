#include "xds/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* "10.0.0.1" or "[::1]" */
static bool parse_ip(char *host, int port, struct sockaddr_storage *address)
{
    size_t size = strlen(host);
    bool is_v6 = size > 2 && host[0] == '[' && host[size - 1] == ']';
    if (!is_v6)
        return uv_ip4_addr(host, port, (struct sockaddr_in *)address) == 0;
    host[size - 1] = '\0';
    return uv_ip6_addr(host + 1, port, (struct sockaddr_in6 *)address) == 0;
}

static bool parse_address(const char *text, struct sockaddr_storage *address, struct error *err)
{
    char host[INET6_ADDRSTRLEN + 2] = "";
    const char *colon = strrchr(text, ':');
    char *end = NULL;
    long port = colon && colon[1] ? strtol(colon + 1, &end, 10) : -1;
    size_t size = colon ? (size_t)(colon - text) : 0;
    if (port < 0 || port > 65535 || *end || size >= sizeof host)
        return error_set(err, ERROR_USAGE, "\"%s\" is no ADDRESS:PORT", text);
    memcpy(host, text, size);
    return parse_ip(host, (int)port, address) ||
           error_set(err, ERROR_USAGE, "\"%s\": the address must be an IP", text);
}

/* libuv 1.44 has no flag for it: several loops listen on one address, and the kernel shares out. */
static int reuse_port(uv_tcp_t *tcp)
{
    int fd, on = 1;
    if (uv_fileno((uv_handle_t *)tcp, &fd) != 0)
        return UV_EBADF;
    return setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0 ? 0 : UV_EINVAL;
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct xds_listener *l = container_of((uv_tcp_t *)stream, struct xds_listener, tcp);
    if (status >= 0)
        l->on_connection(l);
}

static int bind_there(struct xds_listener *l, const struct sockaddr_storage *address)
{
    int problem = reuse_port(&l->tcp);
    return problem ? problem : uv_tcp_bind(&l->tcp, (const struct sockaddr *)address, 0);
}

/* Each loop has a descriptor of its own for the one socket: whoever is first accepts. */
static int share(struct xds_listener *l, int socket)
{
    int fd = fcntl(socket, F_DUPFD_CLOEXEC, 0);
    int problem = fd < 0 ? uv_translate_sys_error(errno) : uv_tcp_open(&l->tcp, fd);
    if (problem && fd >= 0)
        close(fd);
    return problem;
}

bool xds_listener_open(
    struct xds_listener *l, uv_loop_t *loop, const char *text, int socket, struct error *err)
{
    struct sockaddr_storage address = { 0 };
    uv_tcp_init_ex(loop, &l->tcp, socket ? AF_UNSPEC : text[0] == '[' ? AF_INET6 : AF_INET);
    if (!parse_address(text, &address, err))
        return false;
    int problem = socket ? share(l, socket) : bind_there(l, &address);
    if (!problem)
        problem = uv_listen((uv_stream_t *)&l->tcp, SOMAXCONN, on_connection);
    return !problem || error_set(err, ERROR_IO, "listening on %s: %s", text, uv_strerror(problem));
}

int xds_listener_port(const struct xds_listener *l)
{
    struct sockaddr_storage address;
    int size = sizeof address;
    if (uv_tcp_getsockname(&l->tcp, (struct sockaddr *)&address, &size) != 0)
        return 0;
    return ntohs(address.ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)&address)->sin6_port
                                               : ((const struct sockaddr_in *)&address)->sin_port);
}

void xds_listener_refuse(struct xds_listener *l)
{
    uv_tcp_t *tcp = xcalloc(1, sizeof *tcp);
    uv_tcp_init(l->tcp.loop, tcp);
    uv_accept((uv_stream_t *)&l->tcp, (uv_stream_t *)tcp);
    uv_close((uv_handle_t *)tcp, (uv_close_cb)(void (*)(void))free);
}

static void on_close(uv_handle_t *handle)
{
    struct xds_listener *l = container_of((uv_tcp_t *)handle, struct xds_listener, tcp);
    l->on_closed(l);
}

void xds_listener_close(struct xds_listener *l)
{
    if (l->is_closing)
        return;
    l->is_closing = true;
    uv_close((uv_handle_t *)&l->tcp, on_close);
}
