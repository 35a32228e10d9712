#include "model/virtual_service_rules.h"

#include "model/re2.h"
#include "model/shared.h"
#include "model/virtual_service.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* ---- formats ---- */

static bool is_one_of(const char *text, size_t size, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(words[i]) == size && strncmp(words[i], text, size) == 0)
            return true;
    return false;
}

/* The status codes that HTTP names. */
static bool is_named_status(const char *text, size_t size)
{
    static const struct {
        int first, last;
    } ranges[] = { { 100, 103 },
        { 200, 208 },
        { 226, 226 },
        { 300, 305 },
        { 307, 308 },
        { 400, 418 },
        { 421, 426 },
        { 428, 429 },
        { 431, 431 },
        { 451, 451 },
        { 500, 508 },
        { 510, 511 } };
    if (size != 3 || strspn(text, "0123456789") < 3)
        return false;
    int status = atoi(text);
    for (size_t i = 0; i < ARRAY_COUNT(ranges); i++)
        if (status >= ranges[i].first && status <= ranges[i].last)
            return true;
    return false;
}

/* The first item of the comma list that is neither a condition nor a status; NULL: all are good. */
static const char *bad_retry_condition(const char *text, size_t *size)
{
    static const char *const conditions[] = { "5xx",
        "gateway-error",
        "reset",
        "reset-before-request",
        "connect-failure",
        "retriable-4xx",
        "refused-stream",
        "retriable-status-codes",
        "retriable-headers",
        "envoy-ratelimited",
        "http3-post-connect-failure",
        "cancelled",
        "deadline-exceeded",
        "internal",
        "resource-exhausted",
        "unavailable" };
    for (;;) {
        *size = strcspn(text, ",");
        if (!is_one_of(text, *size, conditions, ARRAY_COUNT(conditions)) &&
            !is_named_status(text, *size))
            return text;
        if (!text[*size])
            return NULL;
        text += *size + 1;
    }
}

static bool is_retry_on(const char *text)
{
    size_t size;
    return !bad_retry_condition(text, &size);
}

static const char *explain_retry_on(struct arena *a, const char *text)
{
    size_t size;
    const char *bad = bad_retry_condition(text, &size);
    if (bad && size > 0 &&
        (isspace((unsigned char)bad[0]) || isspace((unsigned char)bad[size - 1])))
        return "no spaces around the commas";
    return bad ? arena_printf(a, "\"%.*s\" is not known", (int)(size < 40 ? size : 40), bad) : "";
}

const struct format format_retry_on = {
    "conditions such as 5xx,reset,connect-failure or status codes, joined by commas",
    is_retry_on,
    explain_retry_on,
};

static bool is_redirect_scheme(const char *text)
{
    return strcmp(text, "http") == 0 || strcmp(text, "https") == 0;
}

const struct format format_redirect_scheme = { "http or https", is_redirect_scheme, NULL };

static bool is_grpc_status(const char *text)
{
    static const char *const names[] = { "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED" };
    return is_one_of(text, strlen(text), names, ARRAY_COUNT(names));
}

const struct format format_grpc_status = {
    "the name of a gRPC status, such as NOT_FOUND", is_grpc_status, NULL
};

static bool is_cors_method(const char *text)
{
    static const char *const names[] = {
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE", "*"
    };
    return is_one_of(text, strlen(text), names, ARRAY_COUNT(names));
}

const struct format format_cors_method = { "an HTTP method, or *", is_cors_method, NULL };

static bool is_regex_or_star(const char *text)
{
    return strcmp(text, "*") == 0 || format_regex.accepts(text);
}

static const char *explain_regex_or_star(struct arena *a, const char *text)
{
    return format_regex.explain(a, text);
}

static const char *doubt_regex_or_star(struct arena *a, const char *text)
{
    return format_regex.doubt(a, text);
}

const struct format format_regex_or_star = {
    "a regular expression (RE2)", is_regex_or_star, explain_regex_or_star, doubt_regex_or_star
};

/* ---- parts of a route ---- */

void check_without_match(struct decoder *d, void *object)
{
    struct string_match *match = object;
    (void)d;
    if (match->regex && strcmp(match->regex, "*") == 0)
        match->regex = NULL;
}

void check_http_redirect(struct decoder *d, void *object)
{
    static const uint32_t codes[] = { 0, 301, 302, 303, 307, 308 };
    const struct http_redirect *r = object;
    bool is_known = false;
    for (size_t i = 0; i < ARRAY_COUNT(codes); i++)
        is_known |= r->redirect_code == codes[i];
    if (!is_known)
        schema_fault(d,
            DIAG_OUT_OF_RANGE,
            "redirectCode",
            NULL,
            "must be 301, 302, 303, 307 or 308, not %u",
            r->redirect_code);
    if (!r->uri && !r->authority && !r->scheme && !r->port && !r->derive_port && !r->prefix_rewrite)
        schema_fault(d, DIAG_REQUIRED, "", NULL, "must say uri, authority, scheme or port");
}

/* RE2 leaves the text as it is when the substitution asks for a group that is not there. */
static void check_substitution(struct decoder *d, const struct regex_rewrite *r)
{
    char why[200];
    if (!re2_rewrites(r->match, r->rewrite, why, sizeof why))
        schema_warn(d,
            DIAG_RULE,
            "uriRegexRewrite.rewrite",
            NULL,
            "cannot be applied, so paths stay as they are: %s",
            why);
}

void check_http_rewrite(struct decoder *d, void *object)
{
    const struct http_rewrite *r = object;
    if (!r->uri && !r->authority && !r->uri_regex_rewrite)
        schema_fault(d, DIAG_REQUIRED, "", NULL, "must say uri, uriRegexRewrite or authority");
    if (r->uri && r->uri_regex_rewrite)
        schema_fault(
            d, DIAG_CONFLICT, "uriRegexRewrite", NULL, "cannot be given together with uri");
    if (r->uri_regex_rewrite)
        check_substitution(d, r->uri_regex_rewrite);
}

void check_http_retry(struct decoder *d, void *object)
{
    const struct http_retry *r = object;
    if (r->attempts == 0 &&
        (r->per_try_timeout.is_set || r->retry_on || r->retry_remote_localities.is_set))
        schema_fault(d,
            DIAG_RULE,
            "",
            "say how many attempts",
            "has a retry policy, but attempts is 0, which means none");
}

/* Envoy counts in millionths: less would be never. */
static void check_fault_percentage(struct decoder *d, const char *at, const struct percent *p)
{
    const double least = 0.0001;
    if (p && p->value > 0 && p->value < least)
        schema_fault(d, DIAG_OUT_OF_RANGE, at, NULL, "must be 0, or from 0.0001 to 100");
}

void check_fault_abort(struct decoder *d, void *object)
{
    const struct fault_abort *abort = object;
    if (!abort->http_status && !abort->grpc_status)
        schema_fault(d, DIAG_REQUIRED, "", NULL, "must say httpStatus or grpcStatus");
}

void check_http_fault(struct decoder *d, void *object)
{
    const struct http_fault *fault = object;
    if (!fault->delay && !fault->abort)
        schema_fault(d, DIAG_REQUIRED, "", NULL, "must say delay or abort");
    if (fault->delay)
        check_fault_percentage(d, "delay.percentage.value", fault->delay->percentage);
    if (fault->abort)
        check_fault_percentage(d, "abort.percentage.value", fault->abort->percentage);
}

void check_cors_policy(struct decoder *d, void *object)
{
    enum { MS_PER_S = 1000 };
    const struct cors_policy *cors = object;
    for (size_t i = 0; i < cors->allow_origins.count; i++) {
        const struct string_match *m = &cors->allow_origins.items[i];
        if (!(m->exact && *m->exact) && !m->prefix && !m->regex)
            schema_fault(d,
                DIAG_REQUIRED,
                schema_text(d, "allowOrigins[%zu]", i),
                NULL,
                "must say exact, prefix or regex");
    }
    if (cors->max_age.ms % MS_PER_S != 0)
        schema_fault(d, DIAG_OUT_OF_RANGE, "maxAge", NULL, "must be whole seconds");
}

/* ---- a route ---- */

/* A redirect or a direct response is the whole answer: nothing that needs an upstream goes with
 * it. */
static void check_action(struct decoder *d, const struct http_route *r)
{
    const char *action = r->redirect ? "redirect" : r->direct_response ? "directResponse" : NULL;
    if (!action && r->route.count == 0) {
        schema_fault(
            d, DIAG_REQUIRED, "", NULL, "must say route, redirect, directResponse or delegate");
        return;
    }
    const struct {
        const char *name;
        bool is_given;
    } others[] = {
        { "route", r->route.count > 0 },
        { "directResponse", r->redirect && r->direct_response },
        { "fault", r->fault },
        { "rewrite", r->rewrite },
    };
    for (size_t i = 0; action && i < ARRAY_COUNT(others); i++)
        if (others[i].is_given)
            schema_fault(
                d, DIAG_CONFLICT, others[i].name, NULL, "cannot be given together with %s", action);
}

static void check_total(struct decoder *d, size_t count, uint64_t total)
{
    if (count > 1 && total == 0)
        schema_fault(
            d, DIAG_RULE, "route", "give each destination its weight", "the weights add up to 0");
    if (total > UINT32_MAX)
        schema_fault(d,
            DIAG_RULE,
            "route",
            NULL,
            "the weights add up to more than %u",
            (unsigned)UINT32_MAX);
}

static void check_weights(struct decoder *d, const struct http_route *r)
{
    uint64_t total = 0;
    for (list_each (const struct http_route_destination, to, &r->route))
        total += to->weight;
    check_total(d, r->route.count, total);
}

void check_l4_route(struct decoder *d, void *object)
{
    const struct l4_route *r = object;
    uint64_t total = 0;
    for (list_each (const struct route_destination, to, &r->route))
        total += to->weight;
    check_total(d, r->route.count, total);
}

static void check_authority(struct decoder *d, const struct http_route *r)
{
    if (!r->rewrite || !r->rewrite->authority || !r->headers || !r->headers->request)
        return;
    for (list_each (const struct label, header, &r->headers->request->set))
        if (format_is_authority_header(header->key))
            schema_fault(d,
                DIAG_CONFLICT,
                "rewrite.authority",
                NULL,
                "cannot be given together with headers.request.set of %s",
                header->key);
}

/* The delegate's routes have the action, and only they. */
static void check_delegation(struct decoder *d, const struct http_route *r)
{
    const struct {
        const char *name;
        bool is_given;
    } actions[] = {
        { "route", r->route.count > 0 },
        { "redirect", r->redirect },
        { "directResponse", r->direct_response },
    };
    for (size_t i = 0; i < ARRAY_COUNT(actions); i++)
        if (actions[i].is_given)
            schema_fault(
                d, DIAG_CONFLICT, actions[i].name, NULL, "cannot be given together with delegate");
}

/* It takes the place of the prefix that was matched: there must be one. */
static void check_prefix_rewrite(struct decoder *d, const struct http_route *r)
{
    for (size_t i = 0; r->redirect && r->redirect->prefix_rewrite && i < r->match.count; i++)
        if (r->match.items[i].uri && !r->match.items[i].uri->prefix)
            schema_fault(d,
                DIAG_RULE,
                schema_text(d, "match[%zu].uri", i),
                NULL,
                "must be a prefix, for redirect.prefixRewrite to replace");
}

void check_http_route(struct decoder *d, void *object)
{
    const struct http_route *r = object;
    if (r->delegate)
        check_delegation(d, r);
    else
        check_action(d, r);
    check_weights(d, r);
    check_authority(d, r);
    check_prefix_rewrite(d, r);
    if (r->mirror && r->mirrors.count > 0)
        schema_fault(d, DIAG_CONFLICT, "mirrors", NULL, "cannot be given together with mirror");
}

/* ---- the whole ---- */

/* A host by the text behind its wildcard, read from its end: hosts that cover each other become
 * neighbours when these are sorted. */
struct host_tail {
    const char *host, *tail;
    size_t index, size;
    bool is_wildcard;
};

static int tail_char(const struct host_tail *t, size_t from_end)
{
    return from_end < t->size ? tolower((unsigned char)t->tail[t->size - 1 - from_end]) : -1;
}

static size_t common_end(const struct host_tail *a, const struct host_tail *b)
{
    size_t i = 0;
    while (i < a->size && tail_char(a, i) == tail_char(b, i))
        i++;
    return i;
}

static int compare_tails(const void *left, const void *right)
{
    const struct host_tail *a = left, *b = right;
    size_t i = common_end(a, b);
    int order = tail_char(a, i) - tail_char(b, i);
    if (order != 0)
        return order;
    if (a->is_wildcard != b->is_wildcard)
        return a->is_wildcard ? -1 : 1;
    return a->index < b->index ? -1 : 1;
}

static bool covers(const struct host_tail *a, const struct host_tail *b)
{
    bool is_end_of_b = common_end(a, b) == a->size;
    return is_end_of_b && (a->is_wildcard || a->size == b->size);
}

static void check_hosts(struct decoder *d, const string_list *hosts)
{
    struct host_tail *tails = ARENA_ARRAY(schema_scratch(d), struct host_tail, hosts->count + 1);
    for (size_t i = 0; i < hosts->count; i++) {
        const char *host = hosts->items[i];
        bool is_wildcard = *host == '*';
        tails[i] = (struct host_tail){
            host, host + is_wildcard, i, strlen(host + is_wildcard), is_wildcard
        };
    }
    qsort(tails, hosts->count, sizeof *tails, compare_tails);
    for (size_t i = 1; i < hosts->count; i++)
        if (covers(&tails[i - 1], &tails[i]))
            schema_fault(d,
                DIAG_CONFLICT,
                schema_text(d, "hosts[%zu]", tails[i].index),
                NULL,
                "%s is covered by %s already",
                tails[i].host,
                tails[i - 1].host);
}

static bool applies_to_mesh(const struct virtual_service *vs)
{
    bool does = vs->gateways.count == 0;
    for (list_each (const char *, gateway, &vs->gateways))
        does |= strcmp(*gateway, "mesh") == 0;
    return does;
}

static void check_gateways(struct decoder *d, const struct virtual_service *vs)
{
    if (!applies_to_mesh(vs)) {
        schema_warn(d,
            DIAG_NO_EFFECT,
            "gateways",
            "add \"mesh\" to use it in sidecars",
            "gateways are not supported yet, so this virtual service has no effect");
        return;
    }
    for (size_t i = 0; i < vs->hosts.count; i++)
        if (strcmp(vs->hosts.items[i], "*") == 0)
            schema_fault(d,
                DIAG_RULE,
                schema_text(d, "hosts[%zu]", i),
                NULL,
                "\"*\" is for gateways only; sidecars need a host");
}

/* ---- delegation: what both sides match is put together, and only of plain texts can it be said
 * whether one is inside the other ---- */

static void warn_of_regex(struct decoder *d, const char *at, const struct string_match *m)
{
    if (m && m->regex)
        schema_warn(d,
            DIAG_RULE,
            at,
            "use exact or prefix",
            "is a regular expression: routes for which the other side of the delegation says this "
            "too are left out");
}

static void warn_of_regexes(
    struct decoder *d, const char *at, const char *field, const named_match_list *matches)
{
    for (list_each (const struct named_match, m, matches))
        warn_of_regex(d, schema_key(d, schema_text(d, "%s.%s", at, field), m->key), &m->value);
}

static void check_delegated_match(struct decoder *d, const char *at, const struct http_match *m)
{
    const struct {
        const char *name;
        const struct string_match *match;
    } texts[] = {
        { "uri", m->uri },
        { "scheme", m->scheme },
        { "method", m->method },
        { "authority", m->authority },
    };
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++)
        warn_of_regex(d, schema_text(d, "%s.%s", at, texts[i].name), texts[i].match);
    warn_of_regexes(d, at, "headers", &m->headers);
    warn_of_regexes(d, at, "withoutHeaders", &m->without_headers);
    warn_of_regexes(d, at, "queryParams", &m->query_params);
}

static void check_delegations(struct decoder *d, const struct virtual_service *vs)
{
    bool is_delegate = vs->hosts.count == 0;
    for (size_t i = 0; i < vs->http.count; i++) {
        const struct http_route *r = &vs->http.items[i];
        const char *at = schema_text(d, "http[%zu]", i);
        if (is_delegate && r->delegate)
            schema_fault(d,
                DIAG_RULE,
                schema_text(d, "%s.delegate", at),
                NULL,
                "a delegate (without hosts) cannot delegate further");
        for (size_t j = 0; (is_delegate || r->delegate) && j < r->match.count; j++)
            check_delegated_match(d, schema_text(d, "%s.match[%zu]", at, j), &r->match.items[j]);
    }
}

static void check_delegate(struct decoder *d, const struct virtual_service *vs)
{
    const struct {
        const char *name;
        size_t count;
    } others[] = {
        { "gateways", vs->gateways.count },
        { "tls", vs->tls.count },
        { "tcp", vs->tcp.count },
    };
    for (size_t i = 0; i < ARRAY_COUNT(others); i++)
        if (others[i].count > 0)
            schema_fault(d,
                DIAG_RULE,
                others[i].name,
                NULL,
                "must be empty where there are no hosts (a delegate)");
}

/* ---- server names ---- */

/* Every name of the pattern `part` is one of `whole`. */
static bool is_part_of(const char *part, const char *whole)
{
    bool is_wildcard = *whole == '*';
    size_t part_size = strlen(part), tail = strlen(whole + is_wildcard);
    if (!is_wildcard)
        return strcasecmp(part, whole) == 0;
    return part_size >= tail && strcasecmp(part + part_size - tail, whole + 1) == 0;
}

static void check_server_name(
    struct decoder *d, const char *at, const char *name, const string_list *hosts)
{
    if (format_is_ip(name)) {
        schema_warn(
            d, DIAG_RULE, at, NULL, "is an IP address, which clients do not send as server name");
        return;
    }
    check_tls_name(d, at, name);
    for (list_each (const char *const, host, hosts))
        if (is_part_of(name, *host))
            return;
    schema_fault(d,
        DIAG_RULE,
        at,
        "name it in hosts, or one that covers it",
        "%s is not among the hosts of this virtual service",
        name);
}

static void check_server_names(struct decoder *d, const struct virtual_service *vs)
{
    for (size_t i = 0; i < vs->tls.count; i++)
        for (size_t j = 0; j < vs->tls.items[i].match.count; j++) {
            const string_list *names = &vs->tls.items[i].match.items[j].sni_hosts;
            for (size_t k = 0; k < names->count; k++)
                check_server_name(d,
                    schema_text(d, "tls[%zu].match[%zu].sniHosts[%zu]", i, j, k),
                    names->items[k],
                    &vs->hosts);
        }
}

void check_virtual_service(struct decoder *d, void *object)
{
    const struct virtual_service *vs = object;
    check_hosts(d, &vs->hosts);
    if (vs->hosts.count == 0)
        check_delegate(d, vs);
    else
        check_gateways(d, vs);
    check_delegations(d, vs);
    check_server_names(d, vs);
    if (vs->http.count == 0 && vs->tls.count == 0 && vs->tcp.count == 0)
        schema_fault(
            d, DIAG_REQUIRED, "http", NULL, "must have at least one route: http, tls or tcp");
    check_export_to(d, "exportTo", &vs->export_to, false);
}
