#include "translate/route_action.h"

#include "translate/route_filters.h"
#include "translate/route_headers.h"
#include "translate/route_retries.h"

/* ---- hashes ---- */

typedef LIST(pb_RouteAction_HashPolicy *) hash_policy_list;

static pb_RouteAction_HashPolicy *cookie_hash(struct arena *a, const struct http_cookie *cookie)
{
    LIST(pb_RouteAction_HashPolicy_CookieAttribute *) attributes = { 0 };
    for (list_each (const struct cookie_attribute, attribute, &cookie->attributes))
        list_push(a,
            &attributes,
            pb_new_RouteAction_HashPolicy_CookieAttribute(
                a, .name = pb_str(attribute->name), .value = pb_str(attribute->value)));
    pb_RouteAction_HashPolicy_Cookie *out = pb_new_RouteAction_HashPolicy_Cookie(a,
        .name = pb_str(cookie->name),
        .path = pb_str(cookie->path),
        .ttl = cookie->ttl.is_set ? pb_millis(a, cookie->ttl.ms) : NULL,
        PB_LIST(attributes, attributes.count, attributes.items));
    return pb_new_RouteAction_HashPolicy(a, pb_RouteAction_HashPolicy_cookie(out));
}

static pb_RouteAction_HashPolicy *parameter_hash(struct arena *a, const char *name)
{
    pb_RouteAction_HashPolicy_QueryParameter *out =
        pb_new_RouteAction_HashPolicy_QueryParameter(a, .name = pb_str(name));
    return pb_new_RouteAction_HashPolicy(a, pb_RouteAction_HashPolicy_query_parameter(out));
}

static pb_RouteAction_HashPolicy *header_hash(struct arena *a, const char *name)
{
    pb_RouteAction_HashPolicy_Header *out =
        pb_new_RouteAction_HashPolicy_Header(a, .header_name = pb_str(name));
    return pb_new_RouteAction_HashPolicy(a, pb_RouteAction_HashPolicy_header(out));
}

static pb_RouteAction_HashPolicy *source_hash(struct arena *a)
{
    pb_RouteAction_HashPolicy_ConnectionProperties *out =
        pb_new_RouteAction_HashPolicy_ConnectionProperties(a, .source_ip = true);
    return pb_new_RouteAction_HashPolicy(a, pb_RouteAction_HashPolicy_connection_properties(out));
}

static void push_hash(struct arena *a, hash_policy_list *out, const struct consistent_hash *hash)
{
    if (!hash)
        return;
    if (hash->http_header_name)
        list_push(a, out, header_hash(a, hash->http_header_name));
    else if (hash->http_cookie)
        list_push(a, out, cookie_hash(a, hash->http_cookie));
    else if (hash->use_source_ip)
        list_push(a, out, source_hash(a));
    else if (hash->http_query_parameter_name)
        list_push(a, out, parameter_hash(a, hash->http_query_parameter_name));
}

/* ---- several destinations ---- */

static pb_WeightedCluster_ClusterWeight *cluster_weight(
    struct arena *a, const char *cluster, const struct http_route_destination *d)
{
    struct route_headers headers = { 0 };
    route_headers_add(a, &headers, d->headers);
    pb_WeightedCluster_ClusterWeight *out =
        headers.authority
            ? pb_new_WeightedCluster_ClusterWeight(a,
                  pb_WeightedCluster_ClusterWeight_host_rewrite_literal(pb_str(headers.authority)),
                  ROUTE_HEADERS(&headers))
            : pb_new_WeightedCluster_ClusterWeight(a, ROUTE_HEADERS(&headers));
    out->name = pb_str(cluster);
    out->weight = pb_u32(a, d->weight);
    return out;
}

/* A destination of weight 0 is never reached and is left out. */
static pb_RouteAction *to_weighted(struct arena *a, const struct planned_route *planned)
{
    LIST(pb_WeightedCluster_ClusterWeight *) clusters = { 0 };
    hash_policy_list hashes = { 0 };
    for (size_t i = 0; i < planned->destinations.count; i++) {
        const struct http_route_destination *d = &planned->route->route.items[i];
        if (d->weight == 0)
            continue;
        list_push(a, &clusters, cluster_weight(a, planned->destinations.items[i].cluster, d));
        push_hash(a, &hashes, planned->destinations.items[i].hash);
    }
    return pb_new_RouteAction(a,
        pb_RouteAction_weighted_clusters(
            pb_new_WeightedCluster(a, PB_LIST(clusters, clusters.count, clusters.items))),
        PB_LIST(hash_policy, hashes.count, hashes.items));
}

static pb_RouteAction *to_one(struct arena *a, const struct planned_destination *d)
{
    hash_policy_list hashes = { 0 };
    push_hash(a, &hashes, d->hash);
    return pb_new_RouteAction(a,
        pb_RouteAction_cluster(pb_str(d->cluster)),
        PB_LIST(hash_policy, hashes.count, hashes.items));
}

/* ---- mirrors ---- */

typedef LIST(pb_RouteAction_RequestMirrorPolicy *) mirror_list;

static void push_mirror(
    struct arena *a, mirror_list *out, const char *cluster, pb_FractionalPercent *fraction)
{
    if (fraction->numerator == 0)
        return;
    list_push(a,
        out,
        pb_new_RouteAction_RequestMirrorPolicy(a,
            .cluster = pb_str(cluster),
            .runtime_fraction = pb_new_RuntimeFractionalPercent(a, .default_value = fraction),
            .trace_sampled = pb_bool(a, false)));
}

static pb_FractionalPercent *mirror_fraction(struct arena *a, const struct http_route *route)
{
    if (route->mirror_percentage)
        return fraction_build(a, route->mirror_percentage);
    struct opt_u32 old = route->mirror_percent;
    return fraction_of_hundred(a, old.is_set ? old.value : 100);
}

static void set_mirrors(
    struct arena *a, const struct planned_route *planned, pb_RouteAction *action)
{
    mirror_list mirrors = { 0 };
    const char **cluster = planned->mirrors.items;
    if (planned->route->mirror)
        push_mirror(a, &mirrors, *cluster++, mirror_fraction(a, planned->route));
    for (list_each (const struct http_mirror, m, &planned->route->mirrors))
        push_mirror(a,
            &mirrors,
            *cluster++,
            m->percentage ? fraction_build(a, m->percentage) : fraction_of_hundred(a, 100));
    action->n_request_mirror_policies = mirrors.count;
    action->request_mirror_policies = mirrors.items;
}

/* ---- the whole ---- */

static void set_rewrite(struct arena *a, const struct http_rewrite *rewrite, pb_RouteAction *action)
{
    const struct regex_rewrite *regex = rewrite->uri_regex_rewrite;
    if (regex)
        action->regex_rewrite = pb_new_RegexMatchAndSubstitute(a,
            .pattern = pb_new_RegexMatcher(a, .regex = pb_str(regex->match)),
            .substitution = pb_str(regex->rewrite));
    else
        action->prefix_rewrite = pb_str(rewrite->uri);
}

/* Without a timeout of its own a route has none: Envoy's 15 seconds would cut long requests. */
static void set_timeout(struct arena *a, struct duration timeout, pb_RouteAction *action)
{
    action->timeout = pb_millis(a, timeout.is_set ? timeout.ms : 0);
    action->max_grpc_timeout = action->timeout;
}

static void set_authority(pb_RouteAction *action, const char *authority)
{
    if (!authority)
        return;
    pb_RouteAction rewrite = { pb_RouteAction_host_rewrite_literal(pb_str(authority)) };
    action->host_rewrite_specifier_case = rewrite.host_rewrite_specifier_case;
    action->host_rewrite_literal = rewrite.host_rewrite_literal;
}

pb_RouteAction *route_action_build(struct arena *a, const struct planned_route *planned,
    const char *authority, const struct http_retry *default_retry)
{
    const struct http_route *route = planned->route;
    bool is_one = planned->destinations.count == 1;
    const struct planned_destination *first = planned->destinations.items;
    pb_RouteAction *action = is_one ? to_one(a, first) : to_weighted(a, planned);
    set_timeout(a, route ? route->timeout : (struct duration){ 0 }, action);
    if (!route) {
        action->retry_policy = retry_policy_build(a, default_retry, false);
        return action;
    }
    if (route->rewrite)
        set_rewrite(a, route->rewrite, action);
    set_authority(action, authority);
    set_mirrors(a, planned, action);
    action->retry_policy = retry_policy_build(
        a, route->retries ? route->retries : default_retry, is_one && first->hash);
    return action;
}
