#include "translate/route_filters.h"

#include "translate/http_match.h"

#include <math.h>
#include <string.h>

enum { MILLIONTHS_OF_A_PERCENT = 10000, MS_IN_A_SECOND = 1000 };

pb_FractionalPercent *fraction_build(struct arena *a, const struct percent *percent)
{
    if (!percent)
        return pb_new_FractionalPercent(a);
    return pb_new_FractionalPercent(a,
        .numerator = (uint32_t)lround(percent->value * MILLIONTHS_OF_A_PERCENT),
        .denominator = PB_FractionalPercent_DenominatorType_MILLION);
}

pb_FractionalPercent *fraction_of_hundred(struct arena *a, uint32_t percent)
{
    return pb_new_FractionalPercent(a, .numerator = percent);
}

/* ---- faults ---- */

static pb_FaultDelay *delay(struct arena *a, const struct fault_delay *d)
{
    return pb_new_FaultDelay(a,
        pb_FaultDelay_fixed_delay(pb_millis(a, d->fixed_delay.ms)),
        .percentage =
            d->percentage ? fraction_build(a, d->percentage) : fraction_of_hundred(a, d->percent));
}

/* gRPC's status codes, by number. */
static const char *const grpc_statuses[] = {
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
};

static uint32_t grpc_status(const char *name)
{
    uint32_t status = 0;
    while (status < ARRAY_COUNT(grpc_statuses) && strcmp(grpc_statuses[status], name) != 0)
        status++;
    INVARIANT(status < ARRAY_COUNT(grpc_statuses));
    return status;
}

static pb_FaultAbort *abort_with(struct arena *a, const struct fault_abort *f)
{
    pb_FractionalPercent *percentage = f->percentage ? fraction_build(a, f->percentage) : NULL;
    if (f->grpc_status)
        return pb_new_FaultAbort(
            a, pb_FaultAbort_grpc_status(grpc_status(f->grpc_status)), .percentage = percentage);
    return pb_new_FaultAbort(
        a, pb_FaultAbort_http_status(f->http_status), .percentage = percentage);
}

static pb_HTTPFault *fault(struct arena *a, const struct http_fault *f)
{
    return pb_new_HTTPFault(a,
        .delay = f->delay ? delay(a, f->delay) : NULL,
        .abort = f->abort ? abort_with(a, f->abort) : NULL);
}

/* ---- CORS ---- */

typedef LIST(pb_StringMatcher *) string_matcher_list;

static string_matcher_list origins(struct arena *a, const struct cors_policy *c)
{
    string_matcher_list list = { 0 };
    for (list_each (const struct string_match, origin, &c->allow_origins))
        list_push(a, &list, string_matcher_build(a, origin));
    if (c->allow_origins.count > 0)
        return list;
    for (list_each (const char *const, origin, &c->allow_origin))
        list_push(a, &list, string_matcher_build(a, &(struct string_match){ .exact = *origin }));
    return list;
}

static const char *join(struct arena *a, const string_list *texts)
{
    const char *joined = NULL;
    for (list_each (const char *const, text, texts))
        joined = joined ? arena_printf(a, "%s,%s", joined, *text) : *text;
    return joined;
}

static pb_CorsPolicy *cors(struct arena *a, const struct cors_policy *c)
{
    string_matcher_list list = origins(a, c);
    return pb_new_CorsPolicy(a,
        PB_LIST(allow_origin_string_match, list.count, list.items),
        .allow_methods = pb_str(join(a, &c->allow_methods)),
        .allow_headers = pb_str(join(a, &c->allow_headers)),
        .expose_headers = pb_str(join(a, &c->expose_headers)),
        .max_age = c->max_age.is_set
                       ? arena_printf(a, "%lld", (long long)(c->max_age.ms / MS_IN_A_SECOND))
                       : NULL,
        .allow_credentials =
            c->allow_credentials.is_set ? pb_bool(a, c->allow_credentials.value) : NULL,
        .filter_enabled =
            pb_new_RuntimeFractionalPercent(a, .default_value = fraction_of_hundred(a, 100)),
        .forward_not_matching_preflights =
            pb_bool(a, c->unmatched_preflights != PREFLIGHTS_IGNORE));
}

/* ---- both ---- */

static void push_filter(
    struct arena *a, route_filter_list *out, const char *name, const ProtobufCMessage *config)
{
    list_push(a,
        out,
        pb_new_Route_TypedPerFilterConfigEntry(a, .key = pb_str(name), .value = pb_any(a, config)));
}

route_filter_list route_filters_build(struct arena *a, const struct http_route *route)
{
    route_filter_list list = { 0 };
    if (route->cors_policy)
        push_filter(a, &list, "envoy.filters.http.cors", &cors(a, route->cors_policy)->base);
    if (route->fault)
        push_filter(a, &list, "envoy.filters.http.fault", &fault(a, route->fault)->base);
    return list;
}
