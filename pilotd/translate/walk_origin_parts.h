/*
 * walk_origin_parts: what walk_origin.c and walk_policy.c share.
 */
#ifndef TRANSLATE_WALK_ORIGIN_PARTS_H
#define TRANSLATE_WALK_ORIGIN_PARTS_H

#include "translate/select.h"
#include "translate/walk_origin.h"

/* "VirtualService shop/reviews"; of an instance "instance shop/reviews/r1". */
const char *origin_title(struct arena *a, const struct object *object);
/* What declares a service: "ServiceEntry shop/db", or "the instances of shop/reviews". */
const char *origin_of_service(struct arena *a, const struct service *service);
/* NULL: the scope sees no such service. */
const struct selected_service *origin_find_service(const struct selection *sel, const char *host);

/* walk_policy.c */
struct cluster_origin origin_of_cluster(struct selection *sel, const struct walk_cluster *cluster);

#endif
