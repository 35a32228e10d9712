/* What a route does with a request, and a TCP proxy with a connection. */
#include "translate/walk_parts.h"

#include <string.h>

enum { EVERYTHING_PERCENT = 100, STATUS_UNAVAILABLE = 503 };

/* ---- headers ---- */

static const char *const header_verbs[] = {
    /* by HeaderAppendAction */
    "add",
    "set, if absent,",
    "set",
    "set, if present,",
};

struct header_change {
    const char *what; /* "request header" */
    pb_HeaderValueOption *const *add;
    size_t add_count;
    char *const *remove;
    size_t remove_count;
};

static void note_headers(struct arena *a, walk_fact_list *facts, const struct header_change *c)
{
    for (size_t i = 0; i < c->add_count; i++)
        walk_note(a,
            facts,
            c->what,
            "%s %s: %s",
            header_verbs[c->add[i]->append_action],
            c->add[i]->header->key,
            c->add[i]->header->value);
    for (size_t i = 0; i < c->remove_count; i++)
        walk_note(a, facts, c->what, "remove %s", c->remove[i]);
}

/* Routes and weighted clusters have the same four fields. */
#define NOTE_HEADERS(a, facts, from)                                                               \
    do {                                                                                           \
        note_headers((a),                                                                          \
            (facts),                                                                               \
            &(struct header_change){ "request header",                                             \
                (from)->request_headers_to_add,                                                    \
                (from)->n_request_headers_to_add,                                                  \
                (from)->request_headers_to_remove,                                                 \
                (from)->n_request_headers_to_remove });                                            \
        note_headers((a),                                                                          \
            (facts),                                                                               \
            &(struct header_change){ "response header",                                            \
                (from)->response_headers_to_add,                                                   \
                (from)->n_response_headers_to_add,                                                 \
                (from)->response_headers_to_remove,                                                \
                (from)->n_response_headers_to_remove });                                           \
    } while (0)

/* ---- filters that the route configures ---- */

static void note_fault(struct walking *w, const pb_HTTPFault *fault)
{
    walk_fact_list *facts = &w->walk->action;
    if (fault->delay)
        walk_note(w->a,
            facts,
            "fault",
            "%.6g %% are delayed by %s",
            percent_of_fraction(fault->delay->percentage),
            text_of_duration(w->a, fault->delay->fixed_delay));
    if (!fault->abort)
        return;
    bool is_grpc = fault->abort->error_type_case ==
                   ENVOY__EXTENSIONS__FILTERS__HTTP__FAULT__V3__FAULT_ABORT__ERROR_TYPE_GRPC_STATUS;
    double percent = percent_of_fraction(fault->abort->percentage);
    walk_note(w->a,
        facts,
        "fault",
        is_grpc ? "%.6g %% are answered with gRPC status %u" : "%.6g %% are answered with %u",
        percent,
        is_grpc ? fault->abort->grpc_status : fault->abort->http_status);
    if (percent < EVERYTHING_PERCENT)
        return;
    w->walk->status = is_grpc ? 200 : fault->abort->http_status;
    walk_stop(w, WALK_ANSWERED, "a fault that is injected");
}

static void note_cors(struct walking *w, const pb_CorsPolicy *cors)
{
    walk_note(w->a,
        &w->walk->action,
        "cors",
        "%zu origins may call, with methods %s",
        cors->n_allow_origin_string_match,
        *cors->allow_methods ? cors->allow_methods : "(none)");
}

static void note_filters(struct walking *w, const pb_Route *route)
{
    for (size_t i = 0; i < route->n_typed_per_filter_config; i++) {
        const pb_Any *settings = route->typed_per_filter_config[i]->value;
        const pb_HTTPFault *fault = sent_any(w, settings, &pb_HTTPFault_desc);
        const pb_CorsPolicy *cors = sent_any(w, settings, &pb_CorsPolicy_desc);
        if (fault)
            note_fault(w, fault);
        if (cors)
            note_cors(w, cors);
    }
}

/* ---- the request on its way ---- */

static void note_rewrites(struct walking *w, const pb_Route *route)
{
    const pb_RouteAction *action = route->route;
    walk_fact_list *facts = &w->walk->action;
    if (action->regex_rewrite)
        walk_note(w->a, facts, "path becomes", "%s", walk_rewrite_regex(w, action->regex_rewrite));
    else if (*action->prefix_rewrite)
        walk_note(w->a,
            facts,
            "path becomes",
            "%s",
            walk_rewrite_prefix(w, route->match, action->prefix_rewrite));
    if (action->host_rewrite_specifier_case ==
        CASE_OF_ROUTE(ROUTE_ACTION__HOST_REWRITE_SPECIFIER_HOST_REWRITE_LITERAL))
        walk_note(w->a, facts, "host becomes", "%s", action->host_rewrite_literal);
}

static bool is_set(const pb_Duration *d)
{
    return d && (d->seconds || d->nanos);
}

static void note_retries(struct walking *w, const pb_RetryPolicy *retry)
{
    if (!retry)
        return;
    walk_note(w->a,
        &w->walk->action,
        "retries",
        "%u on %s%s%s",
        retry->num_retries ? retry->num_retries->value : 1,
        retry->retry_on,
        is_set(retry->per_try_timeout) ? ", each try at most " : "",
        is_set(retry->per_try_timeout) ? text_of_duration(w->a, retry->per_try_timeout) : "");
}

static const char *hash_text(struct arena *a, const pb_RouteAction_HashPolicy *h)
{
    switch (h->policy_specifier_case) {
    case CASE_OF_ROUTE(ROUTE_ACTION__HASH_POLICY__POLICY_SPECIFIER_HEADER):
        return arena_printf(a, "header %s", h->header->header_name);
    case CASE_OF_ROUTE(ROUTE_ACTION__HASH_POLICY__POLICY_SPECIFIER_COOKIE):
        return arena_printf(a, "cookie %s", h->cookie->name);
    case CASE_OF_ROUTE(ROUTE_ACTION__HASH_POLICY__POLICY_SPECIFIER_QUERY_PARAMETER):
        return arena_printf(a, "query parameter %s", h->query_parameter->name);
    default:
        return "the caller's address";
    }
}

static void note_route(struct walking *w, const pb_Route *route)
{
    const pb_RouteAction *action = route->route;
    note_rewrites(w, route);
    walk_note(w->a,
        &w->walk->action,
        "timeout",
        "%s",
        is_set(action->timeout) ? text_of_duration(w->a, action->timeout) : "none");
    note_retries(w, action->retry_policy);
    for (size_t i = 0; i < action->n_hash_policy; i++)
        walk_note(w->a, &w->walk->action, "hash", "%s", hash_text(w->a, action->hash_policy[i]));
}

/* ---- destinations ---- */

static double share(uint64_t weight, uint64_t total)
{
    return total ? EVERYTHING_PERCENT * (double)weight / (double)total : 0;
}

static uint32_t weight_of(const pb_WeightedCluster_ClusterWeight *cluster)
{
    return cluster->weight ? cluster->weight->value : 0;
}

static void add_weighted(struct walking *w, const pb_WeightedCluster *weighted)
{
    uint64_t total = 0;
    for (size_t i = 0; i < weighted->n_clusters; i++)
        total += weight_of(weighted->clusters[i]);
    for (size_t i = 0; i < weighted->n_clusters; i++) {
        const pb_WeightedCluster_ClusterWeight *cluster = weighted->clusters[i];
        walk_fact_list facts = { 0 };
        NOTE_HEADERS(w->a, &facts, cluster);
        if (cluster->host_rewrite_specifier_case ==
            CASE_OF_ROUTE(
                WEIGHTED_CLUSTER__CLUSTER_WEIGHT__HOST_REWRITE_SPECIFIER_HOST_REWRITE_LITERAL))
            walk_note(w->a, &facts, "host becomes", "%s", cluster->host_rewrite_literal);
        walk_add_cluster(w, cluster->name, share(weight_of(cluster), total), facts, false);
    }
}

static void add_mirrors(struct walking *w, const pb_RouteAction *action)
{
    for (size_t i = 0; i < action->n_request_mirror_policies; i++) {
        const pb_RouteAction_RequestMirrorPolicy *mirror = action->request_mirror_policies[i];
        double percent = mirror->runtime_fraction
                             ? percent_of_fraction(mirror->runtime_fraction->default_value)
                             : EVERYTHING_PERCENT;
        walk_add_cluster(w, mirror->cluster, percent, (walk_fact_list){ 0 }, true);
    }
}

static bool can_take(const struct walk_endpoint *e)
{
    static const char *const good[] = { "", "UNKNOWN", "HEALTHY", "DEGRADED" };
    for (size_t i = 0; i < ARRAY_COUNT(good); i++)
        if (strcmp(e->health, good[i]) == 0)
            return true;
    return false;
}

static enum walk_end end_of(const struct walk_cluster *cluster)
{
    for (list_each (const struct walk_endpoint, e, &cluster->endpoints))
        if (can_take(e))
            return WALK_DELIVERED;
    if (!cluster->is_known)
        return WALK_NO_CLUSTER;
    return cluster->refuses ? WALK_REFUSED : WALK_NO_ENDPOINT;
}

/* Good as soon as one destination is. */
static void settle_end(struct walking *w, bool is_http)
{
    enum walk_end end = WALK_NO_CLUSTER;
    for (list_each (const struct walk_destination, d, &w->walk->destinations))
        if (!d->is_mirror && end != WALK_DELIVERED)
            end = end_of(&d->cluster);
    if (w->walk->end == WALK_ANSWERED)
        return;
    walk_stop(w, end, NULL);
    if (is_http && end != WALK_DELIVERED)
        w->walk->status = STATUS_UNAVAILABLE;
}

static void forward(struct walking *w, const pb_Route *route)
{
    const pb_RouteAction *action = route->route;
    note_route(w, route);
    if (action->cluster_specifier_case ==
        CASE_OF_ROUTE(ROUTE_ACTION__CLUSTER_SPECIFIER_WEIGHTED_CLUSTERS))
        add_weighted(w, action->weighted_clusters);
    else
        walk_add_cluster(w, action->cluster, EVERYTHING_PERCENT, (walk_fact_list){ 0 }, false);
    add_mirrors(w, action);
    settle_end(w, true);
}

void walk_take_action(struct walking *w, const pb_Route *route)
{
    switch (route->action_case) {
    case CASE_OF_ROUTE(ROUTE__ACTION_REDIRECT):
        walk_redirect(w, route);
        break;
    case CASE_OF_ROUTE(ROUTE__ACTION_DIRECT_RESPONSE):
        walk_respond(w, route->direct_response);
        break;
    default:
        break;
    }
    NOTE_HEADERS(w->a, &w->walk->action, route);
    note_filters(w, route);
    if (route->action_case == CASE_OF_ROUTE(ROUTE__ACTION_ROUTE))
        forward(w, route);
}

/* ---- connections ---- */

static void note_connection(struct walking *w, const pb_TcpProxy *proxy)
{
    walk_fact_list *facts = &w->walk->action;
    if (proxy->idle_timeout)
        walk_note(w->a, facts, "idle timeout", "%s", text_of_duration(w->a, proxy->idle_timeout));
    if (proxy->max_downstream_connection_duration)
        walk_note(w->a,
            facts,
            "longest connection",
            "%s",
            text_of_duration(w->a, proxy->max_downstream_connection_duration));
    if (proxy->tunneling_config)
        walk_note(w->a,
            facts,
            "tunnel",
            "%s %s",
            proxy->tunneling_config->use_post ? "POST" : "CONNECT",
            proxy->tunneling_config->hostname);
    if (proxy->n_hash_policy)
        walk_note(w->a, facts, "hash", "the caller's address");
}

void walk_carry_bytes(struct walking *w, const pb_TcpProxy *proxy)
{
    walk_fact_list none = { 0 };
    note_connection(w, proxy);
    if (proxy->cluster_specifier_case !=
        CASE_OF_TCP_PROXY(TCP_PROXY__CLUSTER_SPECIFIER_WEIGHTED_CLUSTERS)) {
        walk_add_cluster(w, proxy->cluster, EVERYTHING_PERCENT, none, false);
    } else {
        const pb_TcpProxy_WeightedCluster *weighted = proxy->weighted_clusters;
        uint64_t total = 0;
        for (size_t i = 0; i < weighted->n_clusters; i++)
            total += weighted->clusters[i]->weight;
        for (size_t i = 0; i < weighted->n_clusters; i++)
            walk_add_cluster(w,
                weighted->clusters[i]->name,
                share(weighted->clusters[i]->weight, total),
                none,
                false);
    }
    settle_end(w, false);
}
