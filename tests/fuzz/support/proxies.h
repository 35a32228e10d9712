/*
 * proxies: what a server is asked by: views that were made up, and the node that a proxy says it
 * is, read as the serving loops read it.
 */
#ifndef TESTS_FUZZ_PROXIES_H
#define TESTS_FUZZ_PROXIES_H

#include "fuzzer.h"
#include "mesh/scope.h"
#include "xds/source.h"

enum { MADE_VIEWS = 6 };

/* The same few names in all, so that one follows the other; borrowed, for ever. */
struct xds_view *made_view(unsigned index);

/* So many clusters that their status takes several pages. */
struct xds_view *made_crowd(void);

/* False: such a node is refused. */
bool read_node(
    struct arena *a, const struct xds_node *node, struct scope *scope, struct error *err);

#endif
