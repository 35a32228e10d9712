/*
 * addresses: how many connections each client address has, on all loops of a process together.
 *
 * A balancer has one address for all the proxies behind it, so there is a limit only where it is
 * asked for.
 */
#ifndef XDS_ADDRESSES_H
#define XDS_ADDRESSES_H

#include "base/map.h"

#include <uv.h>

struct addresses {
    uv_mutex_t mutex;
    struct map counts; /* of those that have any */
    size_t limit;      /* 0: any number, and nothing is counted */
};

void addresses_init(struct addresses *a, size_t limit);
void addresses_fini(struct addresses *a);

/* One connection more, or one less, of "10.0.0.7:41234". False: it has as many as it may. Any
 * thread. */
bool addresses_enter(struct addresses *a, const char *peer);
void addresses_leave(struct addresses *a, const char *peer);

#endif
