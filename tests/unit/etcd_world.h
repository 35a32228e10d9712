/*
 * etcd_world: what a test of the etcd store needs: members, a relay before the first, a store that
 * follows through the relay, and another that writes past it.
 */
#ifndef ETCD_WORLD_H
#define ETCD_WORLD_H

#include "etcd_fixture.h"
#include "relay.h"
#include "store_recorder.h"

enum { WORLD_SMALL_BYTES = 8 * 1024 * 1024 };

struct world {
    struct etcd_fixture etcd;
    bool is_own;
    struct relay relay;
    struct recorder r;      /* not open yet */
    struct recorder direct; /* a one-shot store on the member itself: the other writers */
    char url[128], direct_url[128];
};

/* For cmocka, the state is the world. A world shares one member with the other tests of the
 * program, and starts empty; those that kill members have their own. */
int world_start(void **state);
int world_start_own(void **state);
int world_start_three(void **state);
int world_start_small(void **state); /* its own, with a quota of WORLD_SMALL_BYTES */
int world_stop(void **state);
int world_start_shared(void **state); /* of the group */
int world_stop_shared(void **state);

/* Opens the store and waits until it follows. */
void world_follow(struct world *w);

/* Writes past the relay; put_many writes keys "many/FROM" up to TO. */
int64_t world_put(struct world *w, const char *key, const char *value);
void world_put_many(struct world *w, size_t from, size_t to, size_t value_bytes);

#endif
