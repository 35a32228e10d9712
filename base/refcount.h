/*
 * refcount: the count inside the four shared immutables (object, snapshot, xds_resource,
 * xds_view). Atomic: any thread may retain and release.
 */
#ifndef BASE_REFCOUNT_H
#define BASE_REFCOUNT_H

#include "base/base.h"

#include <stdatomic.h>

struct refcount {
    _Atomic uint32_t count;
};

static inline void refcount_init(struct refcount *r)
{
    atomic_init(&r->count, 1);
}

static inline void refcount_retain(struct refcount *r)
{
    uint32_t before = atomic_fetch_add_explicit(&r->count, 1, memory_order_relaxed);
    INVARIANT(before > 0 && before < UINT32_MAX);
}

/* True when that was the last one: the caller frees. */
static inline bool refcount_release(struct refcount *r)
{
    uint32_t before = atomic_fetch_sub_explicit(&r->count, 1, memory_order_acq_rel);
    INVARIANT(before > 0);
    return before == 1;
}

#endif
