/*
 * vocabulary: what is written into the keyspace of a sim: a few services, with everything that
 * may be said of them, so that values refer to one another; and values that are no good.
 */
#ifndef SIM_VOCABULARY_H
#define SIM_VOCABULARY_H

#include "base/arena.h"
#include "sim.h"

enum { SERVICES = 4, INSTANCES = 3 };

/* A key of configuration, with the prefix; `is_bad`: its value is to be rejected. */
const char *vocabulary_key(struct sim *sim, struct arena *a);
const char *vocabulary_value(struct sim *sim, struct arena *a, const char *key, bool is_bad);

/* An instance of a service, which hangs on a lease. */
const char *vocabulary_instance_key(struct arena *a, size_t service, size_t instance);
const char *vocabulary_instance(struct sim *sim, struct arena *a, size_t service, size_t instance);

#endif
