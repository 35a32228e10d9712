#include "mesh/covers.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static bool has(const string_list *list, const char *text)
{
    for (list_each (const char *const, item, list))
        if (strcmp(*item, text) == 0)
            return true;
    return false;
}

/* ---- texts ---- */

/* {} asks only that something is there. */
static bool is_present(const struct string_match *m)
{
    return !m->exact && !m->prefix && !m->regex;
}

static bool is_anything(const struct string_match *m)
{
    return is_present(m) || (m->prefix && !*m->prefix) || (m->regex && strcmp(m->regex, ".*") == 0);
}

/* Is every text that `narrow` takes one that `wide` takes? */
static bool text_covers(const struct string_match *wide, const struct string_match *narrow)
{
    if (is_anything(wide))
        return true;
    if (wide->regex)
        return narrow->regex && strcmp(wide->regex, narrow->regex) == 0;
    if (wide->exact)
        return narrow->exact && strcmp(wide->exact, narrow->exact) == 0;
    const char *text = narrow->exact ? narrow->exact : narrow->prefix;
    return text && begins_with(text, wide->prefix);
}

/* NULL takes everything, even what is not there; the method, scheme and authority always are. */
static bool field_covers(const struct string_match *wide, const struct string_match *narrow)
{
    return !wide || is_anything(wide) || (narrow && text_covers(wide, narrow));
}

static bool has_letters(const char *text)
{
    for (; *text; text++)
        if (isalpha((unsigned char)*text))
            return true;
    return false;
}

/* Every path begins with a slash. */
static bool takes_every_path(const struct string_match *uri)
{
    return !uri || is_anything(uri) || (uri->prefix && strcmp(uri->prefix, "/") == 0);
}

/* Its exact text or prefix; NULL: neither. */
static const char *literal(const struct string_match *m)
{
    return m->exact ? m->exact : m->prefix;
}

static bool literal_covers(const struct http_match *wide, const struct http_match *narrow)
{
    const char *path = literal(wide->uri), *other = literal(narrow->uri);
    if (!other || (wide->uri->exact && !narrow->uri->exact))
        return false;
    if (narrow->ignore_uri_case && !wide->ignore_uri_case && has_letters(path))
        return false;
    size_t size = strlen(path) + (wide->uri->exact != NULL);
    return (wide->ignore_uri_case ? strncasecmp : strncmp)(path, other, size) == 0;
}

static bool path_covers(const struct http_match *wide, const struct http_match *narrow)
{
    if (takes_every_path(wide->uri))
        return true;
    if (!narrow->uri)
        return false;
    return wide->uri->regex ? text_covers(wide->uri, narrow->uri) : literal_covers(wide, narrow);
}

/* ---- headers and parameters ---- */

typedef int compare_names(const char *a, const char *b);

static const struct string_match *find_match(
    const named_match_list *list, const char *key, compare_names *compare)
{
    for (list_each (const struct named_match, m, list))
        if (compare(m->key, key) == 0)
            return &m->value;
    return NULL;
}

static bool names_cover(
    const named_match_list *wide, const named_match_list *narrow, compare_names *compare)
{
    for (list_each (const struct named_match, w, wide)) {
        const struct string_match *n = find_match(narrow, w->key, compare);
        if (!n || !text_covers(&w->value, n))
            return false;
    }
    return true;
}

/* What must not be there: whoever excludes more is narrower. */
static bool exclusions_cover(const named_match_list *wide, const named_match_list *narrow)
{
    for (list_each (const struct named_match, w, wide)) {
        const struct string_match *n = find_match(narrow, w->key, strcasecmp);
        if (!n || is_present(&w->value) != is_present(n) || !text_covers(n, &w->value))
            return false;
    }
    return true;
}

/* ---- callers ---- */

struct callers {
    const string_list *gateways;
    const label_list *labels;
    const char *ns;
    uint32_t port;
};

/* A match's gateways, else those of the VirtualService, which are the sidecars where it has none.
 */
static bool gateways_cover(
    const string_list *wide, const string_list *narrow, const string_list *whole)
{
    const string_list *asked = narrow->count > 0 ? narrow : whole;
    if (wide->count == 0)
        return true;
    for (list_each (const char *const, gateway, asked))
        if (!has(wide, *gateway))
            return false;
    return asked->count > 0 || has(wide, "mesh");
}

static bool callers_cover(
    const struct callers *wide, const struct callers *narrow, const string_list *gateways)
{
    return gateways_cover(wide->gateways, narrow->gateways, gateways) &&
           (wide->port == 0 || wide->port == narrow->port) &&
           labels_match(narrow->labels, wide->labels) &&
           (!wide->ns || (narrow->ns && strcmp(wide->ns, narrow->ns) == 0));
}

/* Of a match with gateways, source labels and namespace do not count. */
static struct callers http_callers(const struct http_match *m)
{
    static const label_list none;
    bool is_by_gateway = m->gateways.count > 0;
    return (struct callers){
        .gateways = &m->gateways,
        .labels = is_by_gateway ? &none : &m->source_labels,
        .ns = is_by_gateway ? NULL : m->source_namespace,
        .port = m->port,
    };
}

/* ---- http ---- */

bool http_match_covers(
    const struct http_match *wide, const struct http_match *narrow, const string_list *gateways)
{
    struct callers w = http_callers(wide), n = http_callers(narrow);
    return path_covers(wide, narrow) && callers_cover(&w, &n, gateways) &&
           field_covers(wide->method, narrow->method) &&
           field_covers(wide->scheme, narrow->scheme) &&
           field_covers(wide->authority, narrow->authority) &&
           names_cover(&wide->headers, &narrow->headers, strcasecmp) &&
           names_cover(&wide->query_params, &narrow->query_params, strcmp) &&
           exclusions_cover(&wide->without_headers, &narrow->without_headers);
}

/* Bits 0 to 7 are single fields; names share the others. */
static uint64_t name_bits(const named_match_list *list, unsigned seed)
{
    uint64_t bits = 0;
    for (list_each (const struct named_match, m, list)) {
        unsigned hash = seed;
        for (const char *c = m->key; *c; c++)
            hash = hash * 31 + (unsigned)tolower((unsigned char)*c);
        bits |= (uint64_t)1 << (8 + hash % 56);
    }
    return bits;
}

uint64_t http_match_asks(const struct http_match *m)
{
    const struct callers callers = http_callers(m);
    const bool asked[] = {
        !takes_every_path(m->uri),
        m->method && !is_anything(m->method),
        m->scheme && !is_anything(m->scheme),
        m->authority && !is_anything(m->authority),
        callers.port != 0,
        callers.ns != NULL,
        callers.labels->count > 0,
    };
    uint64_t bits = name_bits(&m->headers, 1) | name_bits(&m->without_headers, 2) |
                    name_bits(&m->query_params, 3);
    for (size_t i = 0; i < ARRAY_COUNT(asked); i++)
        bits |= (uint64_t)asked[i] << i;
    return bits;
}

/* ---- tls and tcp ---- */

struct l4_match_ranges l4_match_read(struct arena *a, const struct l4_match *match)
{
    const string_list *written = &match->destination_subnets;
    struct l4_match_ranges read = { match, ARENA_ARRAY(a, struct cidr, written->count + 1), 0 };
    for (list_each (const char *const, text, written)) {
        struct cidr *range = &read.ranges[read.count];
        if (!cidr_parse(*text, range))
            continue;
        if (cidr_is_everything(range)) {
            read.count = 0;
            return read;
        }
        read.count++;
    }
    return read;
}

static bool has_range(const struct l4_match_ranges *m, const struct cidr *range)
{
    for (size_t i = 0; i < m->count; i++)
        if (cidr_compare(&m->ranges[i], range) == 0)
            return true;
    return false;
}

static bool ranges_cover(const struct l4_match_ranges *wide, const struct l4_match_ranges *narrow)
{
    for (size_t i = 0; i < narrow->count; i++)
        if (!has_range(wide, &narrow->ranges[i]))
            return false;
    return narrow->count > 0 || wide->count == 0;
}

static bool has_server_name(const string_list *list, const char *name)
{
    for (list_each (const char *const, item, list))
        if (strcasecmp(*item, name) == 0)
            return true;
    return false;
}

static bool server_names_cover(const string_list *wide, const string_list *narrow)
{
    for (list_each (const char *const, name, narrow))
        if (!has_server_name(wide, *name))
            return false;
    return narrow->count > 0;
}

static bool l4_callers_cover(
    const struct l4_match *wide, const struct l4_match *narrow, const string_list *gateways)
{
    struct callers w = {
        &wide->gateways, &wide->source_labels, wide->source_namespace, wide->port
    };
    struct callers n = {
        &narrow->gateways, &narrow->source_labels, narrow->source_namespace, narrow->port
    };
    return callers_cover(&w, &n, gateways);
}

bool tls_match_covers(const struct l4_match_ranges *wide, const struct l4_match_ranges *narrow,
    const string_list *gateways)
{
    return l4_callers_cover(wide->match, narrow->match, gateways) && ranges_cover(wide, narrow) &&
           server_names_cover(&wide->match->sni_hosts, &narrow->match->sni_hosts);
}

bool tcp_match_covers(const struct l4_match_ranges *wide, const struct l4_match_ranges *narrow,
    const string_list *gateways)
{
    return l4_callers_cover(wide->match, narrow->match, gateways) &&
           (wide->count == 0 || ranges_cover(wide, narrow));
}
