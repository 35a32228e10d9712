#include "daemon/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <uv.h>

static bool parse_port(const char *text, int *port)
{
    char *end;
    errno = 0;
    long number = strtol(text, &end, 10);
    *port = (int)number;
    return *text >= '0' && *text <= '9' && !*end && !errno && number <= 65535;
}

static bool parse_host(const char *host, int port, struct sockaddr_storage *out)
{
    size_t size = strlen(host);
    char inner[64] = "";
    if (size > 2 && size < sizeof inner && host[0] == '[' && host[size - 1] == ']') {
        memcpy(inner, host + 1, size - 2);
        return uv_ip6_addr(inner, port, (struct sockaddr_in6 *)(void *)out) == 0;
    }
    return uv_ip4_addr(host, port, (struct sockaddr_in *)(void *)out) == 0;
}

bool address_parse(const char *text, struct sockaddr_storage *out, struct error *err)
{
    const char *colon = strrchr(text, ':');
    char host[64] = "";
    int port = 0;
    memset(out, 0, sizeof *out);
    bool is_cut = colon && (size_t)(colon - text) < sizeof host;
    if (is_cut)
        memcpy(host, text, (size_t)(colon - text));
    if (is_cut && parse_port(colon + 1, &port) && parse_host(host, port, out))
        return true;
    return error_set(err,
        ERROR_USAGE,
        "must be ADDRESS:PORT, as 127.0.0.1:15010 or [::1]:15010, not \"%s\"",
        text);
}

bool address_is_loopback(const char *text)
{
    struct sockaddr_storage address;
    struct error err;
    if (!address_parse(text, &address, &err))
        return false;
    if (address.ss_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&((struct sockaddr_in6 *)&address)->sin6_addr);
    return ntohl(((struct sockaddr_in *)&address)->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}

const char *address_of_socket(struct arena *a, int fd)
{
    struct sockaddr_storage address = { 0 };
    socklen_t size = sizeof address;
    char host[INET6_ADDRSTRLEN] = "";
    if (getsockname(fd, (struct sockaddr *)(void *)&address, &size) != 0)
        return "unknown:0";
    bool is_v6 = address.ss_family == AF_INET6;
    const struct sockaddr_in6 *v6 = (const void *)&address;
    const struct sockaddr_in *v4 = (const void *)&address;
    inet_ntop(address.ss_family,
        is_v6 ? (const void *)&v6->sin6_addr : (const void *)&v4->sin_addr,
        host,
        sizeof host);
    return arena_printf(
        a, is_v6 ? "[%s]:%d" : "%s:%d", host, ntohs(is_v6 ? v6->sin6_port : v4->sin_port));
}

const char *address_with_port(struct arena *a, const char *text, int port)
{
    const char *colon = strrchr(text, ':');
    INVARIANT(colon);
    return arena_printf(a, "%.*s:%d", (int)(colon - text), text, port);
}
