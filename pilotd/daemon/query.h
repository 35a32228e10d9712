/*
 * query: the question behind a path of the admin port: "?search=web&from=50&limit=50".
 *
 * Pure.
 */
#ifndef DAEMON_QUERY_H
#define DAEMON_QUERY_H

#include "base/arena.h"
#include "base/json.h"

enum {
    RANGE_LIMIT_DEFAULT = 50,
    RANGE_LIMIT_MAX = 200, /* items of one answer */
};

/* The parameter's value in `a`, unescaped, or NULL. */
const char *query_parameter(struct arena *a, const char *query, const char *name);

/* Part of a long list: those that match `search`, sorted, from number `from` on. */
struct range {
    size_t from, limit;
    const char *search, *sort; /* "": all; the list's own order */
    bool is_descending;
};

/* NULL, or what is wrong with from, limit or order, in `a`. Whoever has the list knows what it can
 * be sorted by. */
const char *range_parse(struct arena *a, const char *query, struct range *out);

/* Does one of the texts contain what is searched for? Letters of ASCII match in either case. */
bool range_matches(const struct range *r, const char *const *texts, size_t count);

/* "total", "matching", "from", "limit", "search", "sort", "order" of an answer. */
void range_tell(const struct range *r, cJSON *json, size_t total, size_t matching);

#endif
