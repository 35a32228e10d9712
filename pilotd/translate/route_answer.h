/*
 * route_answer: routes that Envoy answers itself: a redirect, or a fixed response.
 */
#ifndef TRANSLATE_ROUTE_ANSWER_H
#define TRANSLATE_ROUTE_ANSWER_H

#include "model/virtual_service.h"
#include "proto/pb.h"

/* `port`: of the listener, for a redirect that derives its port from the request's. */
pb_RedirectAction *redirect_build(
    struct arena *a, const struct http_redirect *redirect, uint32_t port);

pb_DirectResponseAction *direct_response_build(
    struct arena *a, const struct http_direct_response *response);

#endif
