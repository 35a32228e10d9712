#include "xds/addresses.h"

#include <string.h>

enum { ADDRESS_BYTES = 64 };

void addresses_init(struct addresses *a, size_t limit)
{
    *a = (struct addresses){ .limit = limit };
    INVARIANT(uv_mutex_init(&a->mutex) == 0);
}

void addresses_fini(struct addresses *a)
{
    map_fini(&a->counts, NULL);
    uv_mutex_destroy(&a->mutex);
}

/* By `step`, unless that were more than may be. */
static bool change(struct addresses *a, const char *peer, int step)
{
    char address[ADDRESS_BYTES];
    snprintf(address, sizeof address, "%s", peer);
    char *port = strrchr(address, ':');
    if (port)
        *port = '\0';
    size_t count = (size_t)(uintptr_t)map_find(&a->counts, address);
    if (step > 0 && count >= a->limit)
        return false;
    count += (size_t)step;
    if (count > 0)
        map_put(&a->counts, address, (void *)(uintptr_t)count);
    else
        map_remove(&a->counts, address);
    return true;
}

bool addresses_enter(struct addresses *a, const char *peer)
{
    if (!a->limit)
        return true;
    uv_mutex_lock(&a->mutex);
    bool is_in = change(a, peer, 1);
    uv_mutex_unlock(&a->mutex);
    return is_in;
}

void addresses_leave(struct addresses *a, const char *peer)
{
    if (!a->limit)
        return;
    uv_mutex_lock(&a->mutex);
    change(a, peer, -1);
    uv_mutex_unlock(&a->mutex);
}
