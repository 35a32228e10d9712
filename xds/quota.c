#include "xds/quota.h"

#include "base/hash.h"

#include <string.h>

static bool take_room(struct quota *q)
{
    int64_t room = atomic_load_explicit(&q->room, memory_order_relaxed);
    while (room > 0)
        if (atomic_compare_exchange_weak(&q->room, &room, room - 1))
            return true;
    return false;
}

bool quota_refuses(struct quota *q, int64_t streams, const char *who)
{
    int64_t cap = atomic_load_explicit(&q->cap, memory_order_relaxed);
    uint64_t hash = hash64_of(who, strlen(who));
    _Atomic uint64_t *place = &q->refused_last[hash % QUOTA_REMEMBERED];
    if (cap == 0 || streams < cap)
        return false;
    uint64_t expected = hash;
    if (atomic_compare_exchange_strong(place, &expected, 0) || !take_room(q))
        return false;
    atomic_store_explicit(place, hash, memory_order_relaxed);
    metric_add(&q->refused, 1);
    return true;
}
