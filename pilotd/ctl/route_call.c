/* The call that a command line of pilotctl route describes. */
#include "ctl/route.h"
#include "mesh/policy.h"
#include "model/format.h"
#include "translate/domains.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

const struct flag flag_call_inbound = {
    .name = "--inbound",
    .help = "the call comes to the proxy's own workload; else it leaves it",
};
const struct flag flag_call_address = {
    .name = "--address",
    .value_name = "IP",
    .help = "where the connection goes; else the URL's address, or the service's virtual one",
};
const struct flag flag_call_tls = {
    .name = "--tls",
    .value_name = "HOW",
    .help = "plaintext, tls, or mtls: with a certificate of the mesh; else as the URL says",
};
const struct flag flag_call_sni = {
    .name = "--sni",
    .value_name = "NAME",
    .help = "the server name that TLS asks for; else the URL's host",
};
const struct flag flag_call_alpn = {
    .name = "--alpn",
    .value_name = "PROTOCOL",
    .is_list = true,
    .help = "what TLS offers, in order; else as curl, or for mtls as a proxy of the mesh",
};
const struct flag flag_call_http2 = {
    .name = "--http2",
    .help = "HTTP/2 from the first byte",
};
const struct flag flag_call_method = {
    .name = "--method",
    .letter = 'X',
    .value_name = "METHOD",
    .help = "the request's method; else GET, or POST for grpc",
};
const struct flag flag_call_header = {
    .name = "--header",
    .letter = 'H',
    .value_name = "LINE",
    .is_list = true,
    .help = "'name: value'; Host stands for the URL's host",
};

/* ---- URLs ---- */

static const struct scheme {
    const char *name;
    enum call_tls tls;
    enum call_http http;
    uint32_t port;      /* 0: to be given */
    const char *method; /* NULL: GET */
} schemes[] = {
    { "http", CALL_PLAINTEXT, CALL_HTTP1, 80, NULL },
    { "https", CALL_TLS, CALL_HTTP1, 443, NULL },
    { "grpc", CALL_PLAINTEXT, CALL_HTTP2, 0, "POST" },
    { "tcp", CALL_PLAINTEXT, CALL_BYTES, 0, NULL },
    { "tls", CALL_TLS, CALL_BYTES, 443, NULL },
};

struct url {
    const struct scheme *scheme;
    const char *host;      /* without brackets */
    const char *authority; /* as written */
    const char *path;      /* with its query */
    uint32_t port;
};

/* Without one it is http, as for curl. `*rest` is behind it. */
static const struct scheme *parse_scheme(const char *text, const char **rest)
{
    const char *mark = strstr(text, "://"), *names[ARRAY_COUNT(schemes)];
    *rest = mark ? mark + strlen("://") : text;
    for (size_t i = 0; i < ARRAY_COUNT(schemes); i++) {
        names[i] = schemes[i].name;
        if (!mark || (strlen(names[i]) == (size_t)(mark - text) &&
                         strncasecmp(names[i], text, strlen(names[i])) == 0))
            return &schemes[i];
    }
    const char *hint = "http, https, grpc, tcp or tls";
    ctl_fail(EXIT_USAGE, "%.*s: must be %s", (int)(mark - text), text, hint);
    return NULL;
}

static bool parse_port(const char *text, uint32_t *out)
{
    char *end = NULL;
    errno = 0;
    unsigned long number = strtoul(text, &end, 10);
    if (!isdigit((unsigned char)*text) || *end || errno || number == 0 || number > UINT16_MAX) {
        ctl_fail(EXIT_USAGE, "port %s: must be a number from 1 to 65535", text);
        return false;
    }
    *out = (uint32_t)number;
    return true;
}

/* HOST, HOST:PORT, [IPV6]:PORT */
static bool parse_authority(struct arena *a, struct url *url)
{
    const char *text = url->authority, *bracket = *text == '[' ? strchr(text, ']') : NULL;
    const char *colon = strrchr(bracket ? bracket : text, ':');
    size_t size = colon ? (size_t)(colon - text) : strlen(text);
    url->port = url->scheme->port;
    if (colon && !parse_port(colon + 1, &url->port))
        return false;
    url->host = bracket ? arena_strndup(a, text + 1, (size_t)(bracket - text) - 1)
                        : arena_strndup(a, text, size);
    if (!*url->host)
        ctl_fail(EXIT_USAGE, "the URL has no host");
    else if (!url->port)
        ctl_fail(EXIT_USAGE, "%s://%s: a port is needed", url->scheme->name, text);
    return *url->host && url->port;
}

static bool parse_url(struct ctl *ctl, const char *text, struct url *url)
{
    const char *rest;
    url->scheme = parse_scheme(text, &rest);
    if (!url->scheme)
        return false;
    size_t size = strcspn(rest, "/?#");
    url->authority = arena_strndup(ctl->a, rest, size);
    const char *path = rest + size;
    url->path =
        arena_printf(ctl->a, "%s%.*s", *path == '/' ? "" : "/", (int)strcspn(path, "#"), path);
    return parse_authority(ctl->a, url);
}

/* ---- where it goes ---- */

static bool is_called(
    struct arena *a, const struct service *service, const struct scope *scope, const char *host)
{
    string_list domains = domains_of_service(a, service, scope);
    for (list_each (const char *const, domain, &domains))
        if (strcasecmp(*domain, host) == 0)
            return true;
    return false;
}

/* The first virtual address that is no range; NULL: it has none. */
static const char *virtual_address(struct arena *a, const struct dry_run *run, const char *host)
{
    service_list visible = visible_services(a, run->snapshot, &run->scope);
    for (list_each (const struct service *const, service, &visible)) {
        if (!is_called(a, *service, &run->scope, host))
            continue;
        string_list addresses = service_addresses(a, *service, &run->scope);
        for (list_each (const char *const, address, &addresses))
            if (!strchr(*address, '/'))
                return *address;
    }
    return NULL;
}

static bool settle_address(
    struct ctl *ctl, const struct dry_run *run, const struct url *url, struct call *call)
{
    const char *given = ctl_value(ctl, &flag_call_address);
    if (given && !format_is_ip(given)) {
        ctl_fail(EXIT_USAGE, "--address: must be an IP address, not \"%s\"", given);
        return false;
    }
    if (given)
        call->address = given;
    else if (format_is_ip(url->host))
        call->address = url->host;
    else if (call->is_inbound)
        call->address = run->scope.addresses.items[0];
    else if (run->scope.interception == INTERCEPTION_NONE)
        call->address = run->scope.bind_address;
    else
        call->address = virtual_address(ctl->a, run, url->host);
    return true;
}

/* ---- TLS ---- */

static bool parse_tls(struct ctl *ctl, enum call_tls *tls)
{
    static const char *const names[] = {
        [CALL_PLAINTEXT] = "plaintext",
        [CALL_TLS] = "tls",
        [CALL_MTLS] = "mtls",
    };
    const char *given = ctl_value(ctl, &flag_call_tls);
    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        if (given && strcmp(given, names[i]) == 0)
            *tls = (enum call_tls)i;
    if (!given || strcmp(given, names[*tls]) == 0)
        return true;
    ctl_fail(EXIT_USAGE, "--tls: must be plaintext, tls or mtls, not \"%s\"", given);
    return false;
}

/* A browser's or curl's offer; a proxy's of the mesh. */
static string_list usual_alpn(struct arena *a, const struct call *call)
{
    static const char *const of_mesh[] = { "istio-peer-exchange", "istio" };
    static const char *const of_http[] = { "h2", "http/1.1" };
    string_list list = { 0 };
    for (size_t i = 0; call->tls == CALL_MTLS && i < ARRAY_COUNT(of_mesh); i++)
        list_push(a, &list, of_mesh[i]);
    for (size_t i = 0; call->tls == CALL_TLS && call->http && i < ARRAY_COUNT(of_http); i++)
        list_push(a, &list, of_http[i]);
    return list;
}

static bool settle_tls(struct ctl *ctl, const struct url *url, struct call *call)
{
    const char *name = ctl_value(ctl, &flag_call_sni);
    bool has_settings = name || ctl_is_set(ctl, &flag_call_alpn);
    call->tls = url->scheme->tls;
    if (call->tls == CALL_PLAINTEXT && has_settings && !ctl_is_set(ctl, &flag_call_tls))
        call->tls = CALL_TLS;
    if (!parse_tls(ctl, &call->tls))
        return false;
    if (call->tls == CALL_PLAINTEXT && has_settings) {
        ctl_fail(EXIT_USAGE, "--sni and --alpn are of TLS, and the call is plaintext");
        return false;
    }
    if (call->tls == CALL_PLAINTEXT)
        return true;
    call->server_name = name ? name : format_is_ip(url->host) ? NULL : url->host;
    call->alpn = ctl_is_set(ctl, &flag_call_alpn) ? ctl_values(ctl, &flag_call_alpn)
                                                  : usual_alpn(ctl->a, call);
    return true;
}

/* ---- the request ---- */

static bool add_header(struct ctl *ctl, const char *line, struct call *call)
{
    const char *colon = strchr(line, ':');
    if (!colon || colon == line) {
        ctl_fail(EXIT_USAGE, "-H: must be 'name: value', not \"%s\"", line);
        return false;
    }
    char *name = arena_strndup(ctl->a, line, (size_t)(colon - line));
    for (char *c = name; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    const char *value = colon + 1 + strspn(colon + 1, " \t");
    struct label header = { name, value };
    if (strcmp(name, "host") == 0)
        call->authority = value;
    else
        list_push(ctl->a, &call->headers, header);
    return true;
}

static bool settle_request(struct ctl *ctl, const struct url *url, struct call *call)
{
    static const struct label grpc = { "content-type", "application/grpc" };
    const char *method = ctl_value(ctl, &flag_call_method), *usual = url->scheme->method;
    call->method = method ? method : usual ? usual : "GET";
    call->path = url->path;
    call->authority = url->authority;
    if (usual)
        list_push(ctl->a, &call->headers, grpc);
    string_list lines = ctl_values(ctl, &flag_call_header);
    for (list_each (const char *const, line, &lines))
        if (!add_header(ctl, *line, call))
            return false;
    return true;
}

bool route_call_parse(struct ctl *ctl, const struct dry_run *run, struct call *call)
{
    struct url url;
    if (ctl->args.count != 1) {
        ctl_fail(EXIT_USAGE, "route: one URL is needed");
        return false;
    }
    if (!parse_url(ctl, ctl->args.items[0], &url))
        return false;
    call->is_inbound = ctl_is_set(ctl, &flag_call_inbound);
    call->port = url.port;
    call->http = url.scheme->http;
    if (ctl_is_set(ctl, &flag_call_http2) && call->http != CALL_BYTES)
        call->http = CALL_HTTP2;
    return settle_address(ctl, run, &url, call) && settle_tls(ctl, &url, call) &&
           settle_request(ctl, &url, call);
}
