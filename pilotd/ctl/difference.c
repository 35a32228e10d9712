#include "ctl/difference.h"

#include <string.h>

struct comparison {
    struct arena *a;
    const char *of; /* "", or the type of resource with a blank */
    string_list first;
    size_t count;
};

static const char *short_version(struct arena *a, const cJSON *version)
{
    const char *text = cJSON_GetStringValue(version);
    return text ? arena_printf(a, "%.8s…", text) : "none";
}

static void note(struct comparison *c, const char *name, const cJSON *here, const cJSON *there)
{
    if (c->count++ < DIFFERENCES_MAX)
        list_push(c->a,
            &c->first,
            arena_printf(c->a,
                "%s%s: %s here, %s there",
                c->of,
                name,
                short_version(c->a, here),
                short_version(c->a, there)));
}

static bool is_same(const cJSON *here, const cJSON *there)
{
    const char *ours = cJSON_GetStringValue(here), *theirs = cJSON_GetStringValue(there);
    return ours && theirs && strcmp(ours, theirs) == 0;
}

static int compare_names(const void *left, const void *right)
{
    const cJSON *const *a = left, *const *b = right;
    return strcmp((*a)->string, (*b)->string);
}

static const cJSON **sorted(struct arena *a, const cJSON *object, size_t *count)
{
    const cJSON *item,
        **items = ARENA_ARRAY(a, const cJSON *, (size_t)cJSON_GetArraySize(object) + 1);
    *count = 0;
    cJSON_ArrayForEach (item, object)
        items[(*count)++] = item;
    qsort(items, *count, sizeof *items, compare_names);
    return items;
}

/* Both in the order of names, side by side. */
static void compare(struct comparison *c, const cJSON *here, const cJSON *there)
{
    size_t here_count, there_count, i = 0, j = 0;
    const cJSON **ours = sorted(c->a, here, &here_count);
    const cJSON **theirs = sorted(c->a, there, &there_count);
    while (i < here_count || j < there_count) {
        int order = i == here_count    ? 1
                    : j == there_count ? -1
                                       : strcmp(ours[i]->string, theirs[j]->string);
        const char *name = order <= 0 ? ours[i]->string : theirs[j]->string;
        const cJSON *own = order <= 0 ? ours[i++] : NULL;
        const cJSON *other = order >= 0 ? theirs[j++] : NULL;
        if (!is_same(own, other))
            note(c, name, own, other);
    }
}

static const cJSON *part(const cJSON *json, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(json, name);
}

string_list differences(struct arena *a, const cJSON *here, const cJSON *there, size_t *count)
{
    static const char *const types[] = { "CDS", "EDS", "LDS", "RDS", "VHDS" };
    struct comparison c = { .a = a, .of = "" };
    compare(&c, part(here, "objects"), part(there, "objects"));
    for (size_t i = 0; i < ARRAY_COUNT(types); i++) {
        c.of = arena_printf(a, "%s ", types[i]);
        compare(
            &c, part(part(here, "resources"), types[i]), part(part(there, "resources"), types[i]));
    }
    *count = c.count;
    return c.first;
}
