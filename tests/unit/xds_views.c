#include "xds_views.h"

#include <string.h>

static const char letters[XDS_TYPE_COUNT] = { 'C', 'E', 'L', 'R', 'V' };

bool xds_letter_type(char letter, enum xds_type *type)
{
    for (enum xds_type t = 0; t < XDS_TYPE_COUNT; t++)
        if (letters[t] == letter) {
            *type = t;
            return true;
        }
    return false;
}

char xds_type_letter(enum xds_type type)
{
    return letters[type];
}

struct xds_resource *xds_resource_of(enum xds_type type, const char *text)
{
    struct arena *a = arena_new();
    const char *name = arena_strndup(a, text, strcspn(text, "="));
    struct xds_resource *r = xds_resource_new(type, name, (const uint8_t *)text, strlen(text));
    arena_free(a);
    return r;
}

const char *xds_version_of(struct arena *a, const char *text)
{
    size_t name = strcspn(text, "=");
    size_t size = name + strcspn(text + name, "/");
    const char *cluster = text[size] ? text + size + 1 : NULL;
    char *out = arena_alloc(a, HASH128_TEXT_BYTES, 1);
    struct hash128 version = hash128_of(text, size);
    if (cluster) {
        struct hash128 of_cluster = hash128_of(cluster, strlen(cluster));
        version = xds_version_with(&version, &of_cluster);
    }
    hash128_text(&version, out);
    return out;
}

struct xds_view *xds_view_of(int64_t revision, struct xds_view *base, const char *text)
{
    struct arena *a = arena_new();
    LIST(struct xds_resource *) found[XDS_TYPE_COUNT] = { 0 };
    char *rest = NULL;
    for (char *word = strtok_r(arena_strdup(a, text), " ", &rest); word;
         word = strtok_r(NULL, " ", &rest)) {
        enum xds_type type;
        INVARIANT(xds_letter_type(word[0], &type) && word[1] == ':');
        list_push(a, &found[type], xds_resource_of(type, word + 2));
    }
    struct xds_resource **lists[XDS_TYPE_COUNT];
    size_t counts[XDS_TYPE_COUNT];
    for (enum xds_type type = 0; type < XDS_TYPE_COUNT; type++) {
        lists[type] = found[type].items;
        counts[type] = found[type].count;
    }
    struct xds_view *view = xds_view_new(revision, base, lists, counts);
    arena_free(a);
    return view;
}
