#include "replication/etcd_client.h"

#include <ctype.h>
#include <string.h>

static const char default_port[] = "2379";
static const char default_prefix[] = "/pilot/";
enum { HOST_MAX = 253, PORT_MAX = 65535 };

static bool is_port(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    long port = digits > 0 && digits <= 5 && !text[digits] ? strtol(text, NULL, 10) : 0;
    return port >= 1 && port <= PORT_MAX;
}

/* Letters, digits, '-', '.', '_'; or an IPv6 address in brackets. */
static bool is_host(const char *host, size_t size)
{
    bool is_ipv6 = size > 2 && host[0] == '[' && host[size - 1] == ']';
    if (size == 0 || size > HOST_MAX)
        return false;
    for (size_t i = is_ipv6; i < size - is_ipv6; i++) {
        unsigned char c = (unsigned char)host[i];
        if (is_ipv6 ? !isxdigit(c) && c != ':' && c != '.' : !isalnum(c) && !strchr("-._", c))
            return false;
    }
    return true;
}

static bool add_member(struct arena *a, char *text, string_list *members, struct error *err)
{
    char *bracket = strchr(text, ']'), *colon = strrchr(bracket ? bracket : text, ':');
    const char *port = colon ? colon + 1 : default_port;
    size_t host_size = colon ? (size_t)(colon - text) : strlen(text);
    if (strchr(text, '@'))
        return error_set(err, ERROR_USAGE, "users and passwords are not a part of the URL");
    if (!is_host(text, host_size) || !is_port(port))
        return error_set(err, ERROR_USAGE, "\"%s\" is no HOST:PORT", text);
    list_push(a, members, arena_printf(a, "%.*s:%s", (int)host_size, text, port));
    return true;
}

bool etcd_url_parse(struct arena *a, const char *rest, struct etcd_url *url, struct error *err)
{
    *url = (struct etcd_url){ .prefix = default_prefix };
    if (!begins_with(rest, "//"))
        return error_set(err, ERROR_USAGE, "must be etcd://HOST:PORT,…/PREFIX");
    size_t size = strcspn(rest + 2, "/");
    const char *path = rest + 2 + size;
    if (strpbrk(path, "?#%"))
        return error_set(err, ERROR_USAGE, "the prefix must be plain text, without ? # %%");
    if (path[0] && path[1])
        url->prefix = arena_printf(a, "%s%s", path, path[strlen(path) - 1] == '/' ? "" : "/");
    for (char *text = arena_strndup(a, rest + 2, size), *next; text; text = next) {
        next = strchr(text, ',');
        if (next)
            *next++ = '\0';
        if (!add_member(a, text, &url->members, err))
            return false;
    }
    return true;
}
