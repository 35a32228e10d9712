#include "xds/quota.h"

bool quota_refuses(struct quota *q, int64_t streams)
{
    int64_t cap = atomic_load_explicit(&q->cap, memory_order_relaxed);
    int64_t room = atomic_load_explicit(&q->room, memory_order_relaxed);
    if (cap == 0 || streams < cap)
        return false;
    while (room > 0)
        if (atomic_compare_exchange_weak(&q->room, &room, room - 1)) {
            metric_add(&q->refused, 1);
            return true;
        }
    return false;
}
