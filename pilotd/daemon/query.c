#include "daemon/query.h"

#include "daemon/json_out.h"

#include <ctype.h>
#include <string.h>

static int hex_value(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c ? strchr(digits, tolower((unsigned char)c)) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* In place; what is no escape stays as it is. */
static char *unescape(char *text)
{
    char *out = text;
    for (const char *in = text; *in; in++) {
        int high = *in == '%' ? hex_value(in[1]) : -1;
        int low = high >= 0 ? hex_value(in[2]) : -1;
        *out++ = (char)(low >= 0 ? high << 4 | low : *in);
        in += low >= 0 ? 2 : 0;
    }
    *out = 0;
    return text;
}

/* As it is written behind the "=". */
static char *raw_parameter(struct arena *a, const char *query, const char *name)
{
    char *rest = arena_strdup(a, query);
    for (char *pair; (pair = strsep(&rest, "&"));) {
        char *value = strchr(pair, '=');
        if (!value)
            continue;
        *value = 0;
        if (strcmp(pair, name) == 0)
            return value + 1;
    }
    return NULL;
}

const char *query_parameter(struct arena *a, const char *query, const char *name)
{
    char *value = raw_parameter(a, query, name);
    return value ? unescape(value) : NULL;
}

/* As forms write it: a space is a plus. */
static const char *form_text(struct arena *a, const char *query, const char *name)
{
    char *value = raw_parameter(a, query, name);
    for (char *c = value; c && *c; c++)
        if (*c == '+')
            *c = ' ';
    return value ? unescape(value) : "";
}

static bool take_number(const char *text, size_t least, size_t most, size_t *out)
{
    char *end;
    if (!*text)
        return true;
    if (!isdigit((unsigned char)*text))
        return false;
    unsigned long value = strtoul(text, &end, 10);
    *out = value;
    return *end == 0 && value >= least && value <= most;
}

const char *range_parse(struct arena *a, const char *query, struct range *out)
{
    const char *order = form_text(a, query, "order");
    *out = (struct range){
        .limit = RANGE_LIMIT_DEFAULT,
        .search = form_text(a, query, "search"),
        .sort = form_text(a, query, "sort"),
        .is_descending = strcmp(order, "desc") == 0,
    };
    if (!take_number(form_text(a, query, "from"), 0, INT32_MAX, &out->from))
        return "from must be a number";
    if (!take_number(form_text(a, query, "limit"), 1, RANGE_LIMIT_MAX, &out->limit))
        return arena_printf(a, "limit must be between 1 and %d", RANGE_LIMIT_MAX);
    if (*order && strcmp(order, "asc") != 0 && strcmp(order, "desc") != 0)
        return "order must be asc or desc";
    return NULL;
}

bool range_matches(const struct range *r, const char *const *texts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (texts[i] && strcasestr(texts[i], r->search))
            return true;
    return !*r->search;
}

void range_tell(const struct range *r, cJSON *json, size_t total, size_t matching)
{
    json_add_int(json, "total", (int64_t)total);
    json_add_int(json, "matching", (int64_t)matching);
    json_add_int(json, "from", (int64_t)r->from);
    json_add_int(json, "limit", (int64_t)r->limit);
    json_add_text(json, "search", r->search);
    json_add_text(json, "sort", r->sort);
    json_add_text(json, "order", r->is_descending ? "desc" : "asc");
}
