#include "translate/http_match.h"

#include <string.h>

static pb_RegexMatcher *regex_matcher(struct arena *a, const char *regex)
{
    return pb_new_RegexMatcher(a, .regex = pb_str(regex));
}

/* {} asks only that the thing is there; so does the regular expression "*", which is none. */
static bool is_present_match(const struct string_match *match)
{
    if (match->regex)
        return strcmp(match->regex, "*") == 0;
    return !match->exact && !match->prefix;
}

pb_StringMatcher *string_matcher_build(struct arena *a, const struct string_match *match)
{
    INVARIANT(!is_present_match(match));
    if (match->exact)
        return pb_new_StringMatcher(a, pb_StringMatcher_exact(pb_str(match->exact)));
    if (match->prefix)
        return pb_new_StringMatcher(a, pb_StringMatcher_prefix(pb_str(match->prefix)));
    return pb_new_StringMatcher(a, pb_StringMatcher_safe_regex(regex_matcher(a, match->regex)));
}

/* ---- headers ---- */

typedef LIST(pb_HeaderMatcher *) header_matcher_list;

static pb_HeaderMatcher *header_matcher(
    struct arena *a, const char *name, const struct string_match *match)
{
    if (is_present_match(match))
        return pb_new_HeaderMatcher(a, .name = pb_str(name), pb_HeaderMatcher_present_match(true));
    return pb_new_HeaderMatcher(
        a, .name = pb_str(name), pb_HeaderMatcher_string_match(string_matcher_build(a, match)));
}

/* A header that is not there differs from every value. */
static pb_HeaderMatcher *without_header(
    struct arena *a, const char *name, const struct string_match *match)
{
    pb_HeaderMatcher *matcher = header_matcher(a, name, match);
    matcher->invert_match = true;
    matcher->treat_missing_header_as_empty = !is_present_match(match);
    return matcher;
}

/* Both maps are sorted by name; of one name, what must be there comes first. */
static void push_headers(struct arena *a, header_matcher_list *out, const struct http_match *match)
{
    const named_match_list *with = &match->headers, *without = &match->without_headers;
    for (size_t i = 0, j = 0; i < with->count || j < without->count;) {
        bool with_is_next =
            j == without->count ||
            (i < with->count && strcmp(with->items[i].key, without->items[j].key) <= 0);
        const struct named_match *next = with_is_next ? &with->items[i++] : &without->items[j++];
        list_push(a,
            out,
            with_is_next ? header_matcher(a, next->key, &next->value)
                         : without_header(a, next->key, &next->value));
    }
}

static header_matcher_list headers(struct arena *a, const struct http_match *match)
{
    const struct {
        const char *name;
        const struct string_match *match;
    } special[] = {
        { ":method", match->method },
        { ":authority", match->authority },
        { ":scheme", match->scheme },
    };
    header_matcher_list list = { 0 };
    push_headers(a, &list, match);
    for (size_t i = 0; i < ARRAY_COUNT(special); i++)
        if (special[i].match)
            list_push(a, &list, header_matcher(a, special[i].name, special[i].match));
    return list;
}

/* ---- the query, the path, the whole ---- */

typedef LIST(pb_QueryParameterMatcher *) query_matcher_list;

static query_matcher_list query_parameters(struct arena *a, const named_match_list *parameters)
{
    query_matcher_list list = { 0 };
    for (list_each (const struct named_match, p, parameters)) {
        pb_QueryParameterMatcher *matcher =
            is_present_match(&p->value)
                ? pb_new_QueryParameterMatcher(
                      a, .name = pb_str(p->key), pb_QueryParameterMatcher_present_match(true))
                : pb_new_QueryParameterMatcher(a,
                      .name = pb_str(p->key),
                      pb_QueryParameterMatcher_string_match(string_matcher_build(a, &p->value)));
        list_push(a, &list, matcher);
    }
    return list;
}

static pb_RouteMatch *path_match(struct arena *a, const struct string_match *uri)
{
    if (uri && uri->exact)
        return pb_new_RouteMatch(a, pb_RouteMatch_path(pb_str(uri->exact)));
    if (uri && uri->prefix)
        return pb_new_RouteMatch(a, pb_RouteMatch_prefix(pb_str(uri->prefix)));
    if (uri && uri->regex)
        return pb_new_RouteMatch(a, pb_RouteMatch_safe_regex(regex_matcher(a, uri->regex)));
    return pb_new_RouteMatch(a, pb_RouteMatch_prefix(pb_str("/")));
}

pb_RouteMatch *http_match_build(struct arena *a, const struct http_match *match)
{
    if (!match)
        return path_match(a, NULL);
    pb_RouteMatch *out = path_match(a, match->uri);
    if (match->ignore_uri_case)
        out->case_sensitive = pb_bool(a, false);
    header_matcher_list header_list = headers(a, match);
    out->n_headers = header_list.count;
    out->headers = header_list.items;
    query_matcher_list query_list = query_parameters(a, &match->query_params);
    out->n_query_parameters = query_list.count;
    out->query_parameters = query_list.items;
    return out;
}

static bool takes_every_path(const struct string_match *uri)
{
    return !uri || is_present_match(uri) || (uri->prefix && strcmp(uri->prefix, "/") == 0) ||
           (uri->regex && strcmp(uri->regex, ".*") == 0);
}

bool http_match_is_catch_all(const struct http_match *match)
{
    return !match || (takes_every_path(match->uri) && !match->method && !match->authority &&
                         !match->scheme && match->headers.count == 0 &&
                         match->without_headers.count == 0 && match->query_params.count == 0);
}
