/* What a proxy answers itself, and how it changes a request's path. */
#include "translate/walk_parts.h"
#include "translate/walk_path.h"

#include "model/re2.h"

#include <string.h>

/* ---- paths ---- */

/* How much of the path the route's match took. */
static size_t matched_size(const struct walking *w, const pb_RouteMatch *match)
{
    switch (match->path_specifier_case) {
    case CASE_OF_ROUTE(ROUTE_MATCH__PATH_SPECIFIER_PREFIX):
        return strlen(match->prefix);
    case CASE_OF_ROUTE(ROUTE_MATCH__PATH_SPECIFIER_PATH_SEPARATED_PREFIX):
        return strlen(match->path_separated_prefix);
    default:
        return walk_path_size(w->walk->path);
    }
}

const char *walk_rewrite_prefix(
    const struct walking *w, const pb_RouteMatch *match, const char *replacement)
{
    return arena_printf(w->a, "%s%s", replacement, w->walk->path + matched_size(w, match));
}

const char *walk_rewrite_regex(const struct walking *w, const pb_RegexMatchAndSubstitute *rewrite)
{
    enum { PATH_LIMIT_BYTES = 64 * 1024 };
    size_t size = walk_path_size(w->walk->path);
    const char *path = arena_strndup(w->a, w->walk->path, size);
    char *out = arena_alloc(w->a, PATH_LIMIT_BYTES, 1);
    re2_replace(rewrite->pattern->regex, rewrite->substitution, path, out, PATH_LIMIT_BYTES);
    return arena_printf(w->a, "%s%s", out, w->walk->path + size);
}

/* ---- redirects ---- */

static const char *redirect_scheme(const struct walking *w, const pb_RedirectAction *r)
{
    switch (r->scheme_rewrite_specifier_case) {
    case CASE_OF_ROUTE(REDIRECT_ACTION__SCHEME_REWRITE_SPECIFIER_HTTPS_REDIRECT):
        return r->https_redirect ? "https" : walk_header(w, ":scheme");
    case CASE_OF_ROUTE(REDIRECT_ACTION__SCHEME_REWRITE_SPECIFIER_SCHEME_REDIRECT):
        return *r->scheme_redirect ? r->scheme_redirect : walk_header(w, ":scheme");
    default:
        return walk_header(w, ":scheme");
    }
}

/* The request's port goes when another is said, and when it goes without saying with the scheme
 * that is left. */
static const char *redirect_host(
    const struct walking *w, const pb_RedirectAction *r, const char *scheme)
{
    if (*r->host_redirect)
        return r->host_redirect;
    const char *authority = w->walk->authority, *old = walk_header(w, ":scheme");
    const char *port = strrchr(authority, ':');
    if (!port || strchr(port, ']'))
        return authority;
    bool goes_without_saying = strcmp(port, strcmp(old, "https") == 0 ? ":443" : ":80") == 0;
    if (r->port_redirect || (strcmp(scheme, old) != 0 && goes_without_saying))
        return arena_strndup(w->a, authority, (size_t)(port - authority));
    return authority;
}

static const char *redirect_path(
    const struct walking *w, const pb_RouteMatch *match, const pb_RedirectAction *r)
{
    const char *path = w->walk->path, *query = path + walk_path_size(path);
    switch (r->path_rewrite_specifier_case) {
    case CASE_OF_ROUTE(REDIRECT_ACTION__PATH_REWRITE_SPECIFIER_PREFIX_REWRITE):
        path = walk_rewrite_prefix(w, match, r->prefix_rewrite);
        break;
    case CASE_OF_ROUTE(REDIRECT_ACTION__PATH_REWRITE_SPECIFIER_PATH_REDIRECT):
        if (*r->path_redirect)
            return strchr(r->path_redirect, '?') || r->strip_query
                       ? r->path_redirect
                       : arena_printf(w->a, "%s%s", r->path_redirect, query);
        break;
    default:
        break;
    }
    return r->strip_query ? arena_strndup(w->a, path, walk_path_size(path)) : path;
}

static uint32_t redirect_status(const pb_RedirectAction *r)
{
    static const uint32_t statuses[] = { 301, 302, 303, 307, 308 }; /* by RedirectResponseCode */
    return (size_t)r->response_code < ARRAY_COUNT(statuses) ? statuses[r->response_code] : 0;
}

void walk_redirect(struct walking *w, const pb_Route *route)
{
    const pb_RedirectAction *r = route->redirect;
    const char *scheme = redirect_scheme(w, r);
    const char *port = r->port_redirect ? arena_printf(w->a, ":%u", r->port_redirect) : "";
    w->walk->status = redirect_status(r);
    walk_note(w->a,
        &w->walk->action,
        "location",
        "%s://%s%s%s",
        scheme,
        redirect_host(w, r, scheme),
        port,
        redirect_path(w, route->match, r));
    walk_stop(w, WALK_ANSWERED, "a redirect");
}

/* ---- fixed responses ---- */

void walk_respond(struct walking *w, const pb_DirectResponseAction *response)
{
    const pb_DataSource *body = response->body;
    w->walk->status = response->status;
    if (body &&
        body->specifier_case == ENVOY__CONFIG__CORE__V3__DATA_SOURCE__SPECIFIER_INLINE_STRING)
        walk_note(w->a, &w->walk->action, "body", "%s", body->inline_string);
    else if (body)
        walk_note(w->a, &w->walk->action, "body", "%zu bytes", body->inline_bytes.len);
    walk_stop(w, WALK_ANSWERED, "a fixed response");
}
