/*
 * memo: every resource is rendered once for each argument list.
 *
 * A renderer is a pure function of one struct of arguments, and a table describes that struct field
 * by field. The cache key is made from the table, and memo_render checks that the table covers the
 * struct byte for byte, so an argument that is not part of the key cannot be passed.
 */
#ifndef TRANSLATE_MEMO_H
#define TRANSLATE_MEMO_H

#include "base/arena.h"
#include "base/hash.h"
#include "base/metrics.h"
#include "proto/pb.h"
#include "xds/resource.h"

/* A pointer that travels with the hash of what it points to. Equal digests: equal content. */
struct arg_ref {
    const void *value;
    struct hash128 digest;
};
typedef LIST(struct arg_ref) arg_ref_list;

enum arg_kind {
    ARG_TEXT, /* const char *; NULL and "" differ */
    ARG_U64,  /* uint64_t: numbers, booleans and enums are passed as this, so structs have no holes
               */
    ARG_REF,  /* struct arg_ref: only the digest is in the key */
    ARG_REFS, /* arg_ref_list */
    ARG_TEXTS /* string_list */
};
struct arg {
    enum arg_kind kind;
    size_t offset, size;
};
#define ARG(T, member, kind_)                                                                      \
    {                                                                                              \
        .kind = (kind_), .offset = offsetof(T, member), .size = sizeof(((T *)0)->member)           \
    }

struct renderer {
    const char *name; /* of the renderer, part of the key */
    enum xds_type type;
    size_t args_bytes;
    const struct arg *args;
    size_t arg_count;
    /* The resource's name and message, in `a`; from the arguments alone. `finish`, when set,
     * replaces `render` and appends serialised bytes itself (route tables are put together from
     * parts). */
    const char *(*name_of)(struct arena *a, const void *args);
    ProtobufCMessage *(*render)(struct arena *a, const void *args);
    void (*finish)(struct arena *a, const void *args, struct buf *bytes);
};

struct memo;
struct memo *memo_new(metric_value *rendered, metric_value *reused); /* counters may be NULL */
void memo_free(struct memo *m);

/* A new reference; rendered now or taken from memory. Also used for fragments (virtual hosts): a
 * fragment is an xds_resource that no view lists, and its version is its digest. */
struct xds_resource *memo_render(struct memo *m, const struct renderer *r, const void *args);

/* Begins a generation: what the last two did not use is forgotten. */
void memo_sweep(struct memo *m);

#endif
