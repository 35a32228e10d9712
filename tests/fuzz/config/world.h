/*
 * world: some resources, the proxies that look at them, and what these are sent.
 *
 * A world comes from a seed, or from resources that are given. world_render decodes, builds the
 * snapshot and renders for every proxy; world_fault looks for a result that depends on
 * anything but the resources.
 */
#ifndef TESTS_FUZZ_CONFIG_WORLD_H
#define TESTS_FUZZ_CONFIG_WORLD_H

#include "config_gen.h"

#include "mesh/scope.h"
#include "mesh/snapshot.h"
#include "xds/view.h"

enum { WORLD_PROXIES = 2 };

struct resource {
    const char *key, *value;
    struct object *object; /* NULL: refused */
};

struct world {
    struct arena *a;
    struct dice dice;
    uint64_t seed;
    LIST(struct resource) resources;
    size_t valid;
    struct scope_input nodes[WORLD_PROXIES];
    struct scope scopes[WORLD_PROXIES];
    struct snapshot *snapshot;
    struct xds_view *views[WORLD_PROXIES];
};

/* The proxies come from the seed; resources are added by one of the two that follow. */
void world_init(struct world *w, uint64_t seed);
void world_fini(struct world *w);

void world_generate(struct world *w);
/* The place in the list is the age. */
void world_add(struct world *w, const char *key, const char *value);

void world_render(struct world *w);

/* NULL: from nothing or on top of older builds, in whatever order the resources came, each
 * proxy is sent the same bytes. Else what differs. */
const char *world_fault(struct world *w);

#endif
