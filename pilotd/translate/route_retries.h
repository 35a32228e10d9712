/*
 * route_retries: when a failed request is tried again, and where.
 */
#ifndef TRANSLATE_ROUTE_RETRIES_H
#define TRANSLATE_ROUTE_RETRIES_H

#include "model/virtual_service.h"
#include "proto/pb.h"

/*
 * NULL for `retry` gives the built-in policy: twice, on failures that reached no application.
 * `attempts: 0` gives NULL: no retries. `is_hashed`: the destination is picked by a hash, so a
 * retry may go to the same host again.
 */
pb_RetryPolicy *retry_policy_build(struct arena *a, const struct http_retry *retry, bool is_hashed);

#endif
