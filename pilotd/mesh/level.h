/*
 * level: the translation level goes up whenever a release translates the same keyspace differently.
 * A release builds its own level and the one before; which one is in force stands in the store
 * (daemon/epoch.h), so that all replicas change over at one revision.
 *
 * What a level changed is decided where it is translated, by the snapshot's level:
 *
 *     2  the catch-all route of ALLOW_ANY leaves out max_grpc_timeout, which Envoy deprecates
 */
#ifndef MESH_LEVEL_H
#define MESH_LEVEL_H

#include "base/base.h"

/* The ones that this build can. Level 2 is the next release's: level.c tells how it is built. */
extern const unsigned level_least, level_newest;

#endif
