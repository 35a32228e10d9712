/*
 * translate: snapshot and scope in, a view of Envoy resources out. Pure but for its memory of what
 * it rendered before: equal arguments give equal bytes, so a renderer's argument list is its cache
 * key, and every resource is serialised once for each content.
 *
 * One translator belongs to one builder; one build at a time, on any thread.
 */
#ifndef TRANSLATE_TRANSLATE_H
#define TRANSLATE_TRANSLATE_H

#include "base/metrics.h"
#include "mesh/scope.h"
#include "mesh/snapshot.h"
#include "xds/view.h"

struct translate_stats {
    metric_value rendered, reused; /* resources */
};

struct translator;
struct translator *translator_new(struct translate_stats *stats); /* stats may be NULL */
void translator_free(struct translator *t);

/* Begins a build on `s` (retained until the next one or free): outbound views are shared within a
 * build, and memory that the last builds did not use is dropped. */
void translator_begin(struct translator *t, struct snapshot *s);

/* The whole view of a proxy. The caller releases it. */
struct xds_view *translator_view(struct translator *t, const struct scope *scope);

/* The snapshot's hash: over level, every object (key, digest) and every resource (type, name,
 * version) of the reference proxy (a sidecar without labels in the root namespace). */
struct hash128 translator_hash(struct translator *t);

/* What the last translator_hash covered of resources; borrowed until the next. NULL before. */
struct xds_view *translator_reference(const struct translator *t);

#endif
