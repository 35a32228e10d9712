/*
 * route_filters: what a route tells the HTTP filters before it: faults to inject, and CORS.
 */
#ifndef TRANSLATE_ROUTE_FILTERS_H
#define TRANSLATE_ROUTE_FILTERS_H

#include "model/virtual_service.h"
#include "proto/pb.h"

/* For Route.typed_per_filter_config, sorted by the filter's name. Empty when the route has neither.
 */
typedef LIST(pb_Route_TypedPerFilterConfigEntry *) route_filter_list;
route_filter_list route_filters_build(struct arena *a, const struct http_route *route);

/* Percent to Envoy's fraction, to four decimals. NULL: 0 %. */
pb_FractionalPercent *fraction_build(struct arena *a, const struct percent *percent);
pb_FractionalPercent *fraction_of_hundred(struct arena *a, uint32_t percent);

#endif
