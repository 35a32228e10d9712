/*
 * http_match: what a request must look like, in Envoy's words.
 *
 * Only what Envoy decides for each request. What depends on the caller and its listener (port,
 * sourceLabels, sourceNamespace, gateways) was decided when the routes were planned.
 */
#ifndef TRANSLATE_HTTP_MATCH_H
#define TRANSLATE_HTTP_MATCH_H

#include "model/virtual_service.h"
#include "proto/pb.h"

/* NULL matches everything. Headers are in the order of their names, then method, authority, scheme:
 * the same match gives the same bytes. */
pb_RouteMatch *http_match_build(struct arena *a, const struct http_match *match);

/* Does it take every request, so that nothing after it can be reached? */
bool http_match_is_catch_all(const struct http_match *match);

/* {} (none of the three) must not be given: it has no matcher of its own. */
pb_StringMatcher *string_matcher_build(struct arena *a, const struct string_match *match);

#endif
