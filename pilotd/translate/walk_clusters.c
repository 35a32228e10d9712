/* A cluster in short, and who is behind it. */
#include "translate/names.h"
#include "translate/walk_parts.h"

#include <string.h>

static const char *enum_name(const ProtobufCEnumDescriptor *type, int value)
{
    const ProtobufCEnumValue *found = protobuf_c_enum_descriptor_get_value(type, value);
    return found ? found->name : "?";
}

/* ---- policy ---- */

static const char *limit_text(
    struct arena *a, const char *so_far, const char *name, const pb_UInt32Value *value)
{
    if (!value || value->value == UINT32_MAX)
        return so_far;
    return arena_printf(a, "%s%s%u %s", so_far, *so_far ? ", " : "", value->value, name);
}

static void note_limits(struct arena *a, walk_fact_list *facts, const pb_CircuitBreakers *breakers)
{
    if (!breakers || !breakers->n_thresholds)
        return;
    const pb_CircuitBreakers_Thresholds *t = breakers->thresholds[0];
    const char *text = limit_text(a, "", "connections", t->max_connections);
    text = limit_text(a, text, "pending requests", t->max_pending_requests);
    text = limit_text(a, text, "requests", t->max_requests);
    text = limit_text(a, text, "retries", t->max_retries);
    if (t->retry_budget && t->retry_budget->budget_percent)
        text = arena_printf(a,
            "%s%s%.6g %% retries",
            text,
            *text ? ", " : "",
            t->retry_budget->budget_percent->value);
    walk_note(a, facts, "limits", "%s", *text ? text : "none");
}

static const char *errors_text(
    struct arena *a, const char *so_far, const char *name, const pb_UInt32Value *value)
{
    return value && value->value ? limit_text(a, so_far, name, value) : so_far;
}

static void note_outliers(struct arena *a, walk_fact_list *facts, const pb_OutlierDetection *o)
{
    if (!o)
        return;
    const char *after = errors_text(a, "", "5xx", o->consecutive_5xx);
    after = errors_text(a, after, "gateway errors", o->consecutive_gateway_failure);
    after = errors_text(a, after, "local failures", o->consecutive_local_origin_failure);
    walk_note(a,
        facts,
        "outliers",
        "ejected for %s after %s, at most %u %%",
        o->base_ejection_time ? text_of_duration(a, o->base_ejection_time) : "30s",
        *after ? after : "Envoy's own count of errors",
        o->max_ejection_percent ? o->max_ejection_percent->value : 10);
}

static void note_policy(struct arena *a, walk_fact_list *facts, const pb_Cluster *cluster)
{
    const ProtobufCEnumDescriptor *discovery =
        &envoy__config__cluster__v3__cluster__discovery_type__descriptor;
    const ProtobufCEnumDescriptor *balance =
        &envoy__config__cluster__v3__cluster__lb_policy__descriptor;
    bool is_custom = cluster->cluster_discovery_type_case ==
                     ENVOY__CONFIG__CLUSTER__V3__CLUSTER__CLUSTER_DISCOVERY_TYPE_CLUSTER_TYPE;
    walk_note(a,
        facts,
        "type",
        "%s",
        is_custom ? cluster->cluster_type->name : enum_name(discovery, (int)cluster->type));
    walk_note(a, facts, "balancing", "%s", enum_name(balance, (int)cluster->lb_policy));
    walk_note(a, facts, "connect timeout", "%s", text_of_duration(a, cluster->connect_timeout));
    note_limits(a, facts, cluster->circuit_breakers);
    note_outliers(a, facts, cluster->outlier_detection);
}

/* ---- endpoints ---- */

static const char *locality_text(struct arena *a, const pb_Locality *l)
{
    if (!l || !*l->region)
        return "";
    const char *zone = *l->zone ? arena_printf(a, "%s/%s", l->region, l->zone) : l->region;
    return *l->sub_zone ? arena_printf(a, "%s/%s", zone, l->sub_zone) : zone;
}

static void push_group(struct walking *w, struct walk_cluster *out, const pb_Cluster *cluster,
    const pb_LocalityLbEndpoints *group)
{
    for (size_t i = 0; i < group->n_lb_endpoints; i++) {
        const pb_LbEndpoint *e = group->lb_endpoints[i];
        struct walk_endpoint endpoint = {
            .address = sent_address(w->a, e->endpoint->address),
            .health = enum_name(
                &envoy__config__core__v3__health_status__descriptor, (int)e->health_status),
            .locality = locality_text(w->a, group->locality),
            .weight = e->load_balancing_weight ? e->load_balancing_weight->value : 1,
            .priority = group->priority,
            .transport = walk_transport_match(cluster, e->metadata),
        };
        list_push(w->a, &out->endpoints, endpoint);
    }
}

static void push_assigned(struct walking *w, struct walk_cluster *out, const pb_Cluster *cluster)
{
    const pb_ClusterLoadAssignment *assignment = cluster->load_assignment;
    bool asks = cluster->type == PB_Cluster_DiscoveryType_EDS;
    if (asks)
        assignment = sent_find(w, XDS_ENDPOINT, cluster->name);
    if (asks && !assignment)
        walk_note(w->a, &out->facts, "endpoints", "were not sent: the cluster waits for them");
    for (size_t i = 0; assignment && i < assignment->n_endpoints; i++)
        push_group(w, out, cluster, assignment->endpoints[i]);
}

/* Where the connection was going, or whatever host is asked for: there is no list. */
static void push_open_end(struct walking *w, struct walk_cluster *out, const char *address)
{
    struct walk_endpoint endpoint = {
        .address = address, .health = "", .locality = "", .weight = 1
    };
    list_push(w->a, &out->endpoints, endpoint);
}

static const char *original_destination(const struct walking *w, const pb_Cluster *cluster)
{
    bool has_port = cluster->lb_config_case ==
                        ENVOY__CONFIG__CLUSTER__V3__CLUSTER__LB_CONFIG_ORIGINAL_DST_LB_CONFIG &&
                    cluster->original_dst_lb_config->upstream_port_override;
    uint32_t port =
        has_port ? cluster->original_dst_lb_config->upstream_port_override->value : w->call->port;
    if (!w->call->address)
        return arena_printf(w->a, "(where it was going):%u", port);
    pb_SocketAddress *socket = pb_new_SocketAddress(
        w->a, .address = pb_str(w->call->address), pb_SocketAddress_port_value(port));
    return sent_address(w->a, pb_new_Address(w->a, pb_Address_socket_address(socket)));
}

static void push_endpoints(struct walking *w, struct walk_cluster *out, const pb_Cluster *cluster)
{
    if (cluster->cluster_discovery_type_case ==
        ENVOY__CONFIG__CLUSTER__V3__CLUSTER__CLUSTER_DISCOVERY_TYPE_CLUSTER_TYPE)
        push_open_end(w, out, "(the host that is asked for)");
    else if (cluster->type != PB_Cluster_DiscoveryType_ORIGINAL_DST)
        push_assigned(w, out, cluster);
    else if (w->walk->is_redirected)
        push_open_end(w, out, original_destination(w, cluster));
    else
        walk_note(w->a, &out->facts, "endpoints", "none: nothing tells where it was going");
}

void walk_add_cluster(
    struct walking *w, const char *name, double percent, walk_fact_list facts, bool is_mirror)
{
    const pb_Cluster *cluster = sent_find(w, XDS_CLUSTER, name);
    struct walk_destination d = {
        .cluster = { .name = name,
            .is_known = cluster,
            .refuses = strcmp(name, NAME_BLACKHOLE) == 0 },
        .percent = percent,
        .is_mirror = is_mirror,
        .facts = facts,
    };
    if (cluster) {
        note_policy(w->a, &d.cluster.facts, cluster);
        walk_note_transport(w, &d.cluster.facts, cluster);
        push_endpoints(w, &d.cluster, cluster);
    }
    list_push(w->a, &w->walk->destinations, d);
}
