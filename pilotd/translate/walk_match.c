/* Does a request match a route? If not, why not. */
#include "translate/walk_parts.h"
#include "translate/walk_path.h"

#include "model/re2.h"

#include <string.h>

/* ---- what a request has ---- */

static const char *pseudo_header(const struct walking *w, const char *name)
{
    if (strcmp(name, ":method") == 0)
        return w->call->method;
    if (strcmp(name, ":path") == 0)
        return w->walk->path;
    if (strcmp(name, ":authority") == 0 || strcmp(name, "host") == 0)
        return w->walk->authority;
    if (strcmp(name, ":scheme") == 0)
        return w->walk->ends_tls ? "https" : "http";
    return NULL;
}

const char *walk_header(const struct walking *w, const char *name)
{
    const char *joined = pseudo_header(w, name);
    if (joined)
        return joined;
    for (list_each (const struct label, header, &w->call->headers))
        if (strcasecmp(header->key, name) == 0)
            joined = joined ? arena_printf(w->a, "%s,%s", joined, header->value) : header->value;
    return joined;
}

/* The first of that name, as it is written; NULL: there is none. */
static const char *query_parameter(const struct walking *w, const char *name)
{
    const char *mark = strchr(w->walk->path, '?');
    char *rest = mark ? arena_strdup(w->a, mark + 1) : NULL;
    for (char *pair; rest && (pair = strsep(&rest, "&"));) {
        char *equals = strchr(pair, '=');
        if (equals)
            *equals = '\0';
        if (strcmp(pair, name) == 0)
            return equals ? equals + 1 : "";
    }
    return NULL;
}

/* ---- texts ---- */

static bool equal(const char *a, const char *b, size_t size, bool ignores_case)
{
    return (ignores_case ? strncasecmp(a, b, size) : strncmp(a, b, size)) == 0;
}

static bool has_prefix(const char *text, const char *prefix, bool ignores_case)
{
    return equal(text, prefix, strlen(prefix), ignores_case);
}

static bool has_suffix(const char *text, const char *suffix, bool ignores_case)
{
    size_t size = strlen(text), suffix_size = strlen(suffix);
    return size >= suffix_size &&
           equal(text + size - suffix_size, suffix, suffix_size, ignores_case);
}

static bool is_same(const char *a, const char *b, bool ignores_case)
{
    return equal(a, b, strlen(a) + 1, ignores_case);
}

enum how { HOW_EXACT, HOW_PREFIX, HOW_SUFFIX, HOW_REGEX, HOW_BELOW };

/* A way to compare, and how it is said when it fails and when it should have. */
static const struct {
    const char *is_not, *is;
} words[] = {
    [HOW_EXACT] = { "is not", "is" },
    [HOW_PREFIX] = { "does not begin with", "begins with" },
    [HOW_SUFFIX] = { "does not end with", "ends with" },
    [HOW_REGEX] = { "does not match", "matches" },
    [HOW_BELOW] = { "is not below", "is below" },
};

/* /api takes /api and /api/x, not /apis. */
static bool is_below(const char *path, const char *prefix, bool ignores_case)
{
    size_t size = strlen(prefix);
    return has_prefix(path, prefix, ignores_case) && (path[size] == '\0' || path[size] == '/');
}

struct pattern {
    enum how how;
    const char *text;
    bool ignores_case;
};

static bool matches(const struct pattern *p, const char *text)
{
    switch (p->how) {
    case HOW_EXACT:
        return is_same(text, p->text, p->ignores_case);
    case HOW_PREFIX:
        return has_prefix(text, p->text, p->ignores_case);
    case HOW_SUFFIX:
        return has_suffix(text, p->text, p->ignores_case);
    case HOW_REGEX:
        return re2_matches(p->text, text);
    case HOW_BELOW:
        return is_below(text, p->text, p->ignores_case);
    }
    return false;
}

static struct pattern pattern_of(const pb_StringMatcher *m)
{
    struct pattern p = { .text = "", .ignores_case = m->ignore_case };
    switch (m->match_pattern_case) {
    case ENVOY__TYPE__MATCHER__V3__STRING_MATCHER__MATCH_PATTERN_PREFIX:
        p.how = HOW_PREFIX, p.text = m->prefix;
        break;
    case ENVOY__TYPE__MATCHER__V3__STRING_MATCHER__MATCH_PATTERN_SUFFIX:
        p.how = HOW_SUFFIX, p.text = m->suffix;
        break;
    case ENVOY__TYPE__MATCHER__V3__STRING_MATCHER__MATCH_PATTERN_SAFE_REGEX:
        p.how = HOW_REGEX, p.text = m->safe_regex->regex;
        break;
    default:
        p.text = m->exact;
        break;
    }
    return p;
}

/* ---- paths ---- */

static struct pattern pattern_of_path(const pb_RouteMatch *m)
{
    struct pattern p = { .text = "",
        .ignores_case = m->case_sensitive && !m->case_sensitive->value };
    switch (m->path_specifier_case) {
    case CASE_OF_ROUTE(ROUTE_MATCH__PATH_SPECIFIER_PREFIX):
        p.how = HOW_PREFIX, p.text = m->prefix;
        break;
    case CASE_OF_ROUTE(ROUTE_MATCH__PATH_SPECIFIER_SAFE_REGEX):
        p.how = HOW_REGEX, p.text = m->safe_regex->regex;
        break;
    case CASE_OF_ROUTE(ROUTE_MATCH__PATH_SPECIFIER_PATH_SEPARATED_PREFIX):
        p.how = HOW_BELOW, p.text = m->path_separated_prefix;
        break;
    default:
        p.text = m->path;
        break;
    }
    return p;
}

static const char *path_mismatch(const struct walking *w, const pb_RouteMatch *m)
{
    const char *path = arena_strndup(w->a, w->walk->path, walk_path_size(w->walk->path));
    struct pattern p = pattern_of_path(m);
    if (matches(&p, path))
        return NULL;
    return arena_printf(w->a, "path %s %s \"%s\"", path, words[p.how].is_not, p.text);
}

/* ---- headers and parameters ---- */

static const char *presence_mismatch(
    const struct walking *w, const char *what, const char *name, bool is_there, bool is_wanted)
{
    if (is_there == is_wanted)
        return NULL;
    return arena_printf(
        w->a, "%s %s is %s", what, name, is_there ? "there, and must not be" : "missing");
}

static const char *value_mismatch(const struct walking *w, const char *what, const char *name,
    const char *value, const pb_StringMatcher *matcher, bool is_inverted)
{
    struct pattern p = pattern_of(matcher);
    if (matches(&p, value) != is_inverted)
        return NULL;
    return arena_printf(w->a,
        is_inverted ? "%s %s: \"%s\" %s \"%s\", and must not" : "%s %s: \"%s\" %s \"%s\"",
        what,
        name,
        value,
        is_inverted ? words[p.how].is : words[p.how].is_not,
        p.text);
}

/* A header that is missing matches no value, not even inverted, unless it counts as empty. */
static const char *header_mismatch(const struct walking *w, const pb_HeaderMatcher *m)
{
    const char *value = walk_header(w, m->name);
    if (m->header_match_specifier_case !=
        CASE_OF_ROUTE(HEADER_MATCHER__HEADER_MATCH_SPECIFIER_STRING_MATCH)) {
        bool is_wanted = m->header_match_specifier_case ==
                                 CASE_OF_ROUTE(HEADER_MATCHER__HEADER_MATCH_SPECIFIER_PRESENT_MATCH)
                             ? m->present_match
                             : true;
        return presence_mismatch(w, "header", m->name, value, is_wanted != (bool)m->invert_match);
    }
    if (!value && !m->treat_missing_header_as_empty)
        return presence_mismatch(w, "header", m->name, false, true);
    return value_mismatch(
        w, "header", m->name, value ? value : "", m->string_match, m->invert_match);
}

static const char *parameter_mismatch(const struct walking *w, const pb_QueryParameterMatcher *m)
{
    const char *value = query_parameter(w, m->name);
    if (m->query_parameter_match_specifier_case !=
        CASE_OF_ROUTE(QUERY_PARAMETER_MATCHER__QUERY_PARAMETER_MATCH_SPECIFIER_STRING_MATCH))
        return presence_mismatch(w, "query parameter", m->name, value, true);
    if (!value)
        return presence_mismatch(w, "query parameter", m->name, false, true);
    return value_mismatch(w, "query parameter", m->name, value, m->string_match, false);
}

const char *walk_mismatch(const struct walking *w, const pb_RouteMatch *match)
{
    const char *reason = path_mismatch(w, match);
    for (size_t i = 0; !reason && i < match->n_headers; i++)
        reason = header_mismatch(w, match->headers[i]);
    for (size_t i = 0; !reason && i < match->n_query_parameters; i++)
        reason = parameter_mismatch(w, match->query_parameters[i]);
    return reason;
}
