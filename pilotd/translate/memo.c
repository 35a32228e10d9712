#include "translate/memo.h"

#include <string.h>

#define HASH_FUNCTION(key, size, out) ((out) = (unsigned)hash64_of((key), (size)))
#include <uthash.h>

/* How many generations a resource that nobody asks for is kept. */
enum { KEPT_GENERATIONS = 2 };

struct entry {
    UT_hash_handle hh;
    struct xds_resource *resource;
    uint64_t used; /* the generation that last asked for it */
    char key[];
};

struct memo {
    struct entry *entries;
    uint64_t generation;
    struct buf key; /* of the call under way */
    metric_value *rendered, *reused;
};

struct memo *memo_new(metric_value *rendered, metric_value *reused)
{
    struct memo *m = xcalloc(1, sizeof *m);
    m->rendered = rendered;
    m->reused = reused;
    return m;
}

static void entry_free(struct entry *e)
{
    xds_resource_release(e->resource);
    free(e);
}

void memo_free(struct memo *m)
{
    if (!m)
        return;
    struct entry *e = m->entries;
    HASH_CLEAR(hh, m->entries);
    for (struct entry *next; e; e = next) {
        next = e->hh.next;
        entry_free(e);
    }
    buf_fini(&m->key);
    free(m);
}

void memo_sweep(struct memo *m)
{
    m->generation++;
    struct entry *e, *next;
    HASH_ITER(hh, m->entries, e, next)
    {
        if (e->used + KEPT_GENERATIONS < m->generation) {
            /* The analyzer takes each deletion for that of the last entry, with the table. */
            HASH_DEL(m->entries, e); /* NOLINT(clang-analyzer-unix.Malloc) */
            entry_free(e);
        }
    }
}

/* ---- the key: the renderer's name, then every argument, each of which says where it ends ---- */

static void key_u64(struct buf *key, uint64_t value)
{
    buf_append(key, &value, sizeof value);
}

static void key_text(struct buf *key, const char *text)
{
    size_t size = text ? strlen(text) : 0;
    key_u64(key, text ? size : UINT64_MAX);
    buf_append(key, text, size);
}

static void key_texts(struct buf *key, const string_list *list)
{
    key_u64(key, list->count);
    for (list_each (const char *, text, list))
        key_text(key, *text);
}

static void key_refs(struct buf *key, const arg_ref_list *list)
{
    key_u64(key, list->count);
    for (list_each (struct arg_ref, ref, list))
        buf_append(key, ref->digest.bytes, HASH128_BYTES);
}

static void key_arg(struct buf *key, enum arg_kind kind, const void *value)
{
    switch (kind) {
    case ARG_TEXT:
        key_text(key, *(const char *const *)value);
        return;
    case ARG_U64:
        key_u64(key, *(const uint64_t *)value);
        return;
    case ARG_REF:
        buf_append(key, ((const struct arg_ref *)value)->digest.bytes, HASH128_BYTES);
        return;
    case ARG_REFS:
        key_refs(key, value);
        return;
    case ARG_TEXTS:
        key_texts(key, value);
        return;
    }
    INVARIANT(!"a kind of argument");
}

static const size_t kind_bytes[] = {
    [ARG_TEXT] = sizeof(const char *),
    [ARG_U64] = sizeof(uint64_t),
    [ARG_REF] = sizeof(struct arg_ref),
    [ARG_REFS] = sizeof(arg_ref_list),
    [ARG_TEXTS] = sizeof(string_list),
};

/* The rows must tile the struct, in its order: then nothing in it can miss the key. */
static void key_build(struct buf *key, const struct renderer *r, const void *args)
{
    buf_clear(key);
    key_text(key, r->name);
    size_t covered = 0;
    for (const struct arg *arg = r->args; arg < r->args + r->arg_count; arg++) {
        INVARIANT(arg->offset == covered);
        INVARIANT(arg->size == kind_bytes[arg->kind]);
        key_arg(key, arg->kind, (const char *)args + arg->offset);
        covered += arg->size;
    }
    INVARIANT(covered == r->args_bytes);
}

/* ---- rendering ---- */

static struct xds_resource *render(const struct renderer *r, const void *args)
{
    struct arena *a = arena_new();
    struct buf bytes = { 0 };
    if (r->finish)
        r->finish(a, args, &bytes);
    else
        pb_pack_append(&bytes, r->render(a, args));
    struct xds_resource *resource =
        xds_resource_new(r->type, r->name_of(a, args), (const uint8_t *)bytes.data, bytes.size);
    buf_fini(&bytes);
    arena_free(a);
    return resource;
}

static struct entry *entry_new(const struct buf *key)
{
    struct entry *e = xcalloc(1, sizeof *e + key->size);
    memcpy(e->key, key->data, key->size);
    return e;
}

static void count(metric_value *counter)
{
    if (counter)
        metric_add(counter, 1);
}

struct xds_resource *memo_render(struct memo *m, const struct renderer *r, const void *args)
{
    key_build(&m->key, r, args);
    size_t key_bytes = m->key.size;
    struct entry *e;
    HASH_FIND(hh, m->entries, m->key.data, key_bytes, e);
    count(e ? m->reused : m->rendered);
    if (!e) {
        e = entry_new(&m->key);
        e->resource = render(r, args);
        HASH_ADD_KEYPTR(hh, m->entries, e->key, key_bytes, e);
    }
    e->used = m->generation;
    return xds_resource_retain(e->resource);
}
