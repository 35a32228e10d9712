#include "translate/clusters.h"

#include "translate/assignment.h"
#include "translate/cluster_policy.h"
#include "translate/dynamic_dns.h"
#include "translate/fixed_clusters.h"
#include "translate/names.h"
#include "translate/stat_name.h"
#include "translate/transport.h"

#include <string.h>

/* ---- which clusters there are ---- */

static enum discovery discovery_of(const struct service *service, const struct load_balancer *lb)
{
    if (service->resolution == RESOLUTION_DYNAMIC_DNS)
        return DISCOVERY_DYNAMIC_DNS;
    if (service->resolution == RESOLUTION_NONE || (lb && lb->simple == LB_PASSTHROUGH))
        return DISCOVERY_ORIGINAL_DST;
    return service->resolution == RESOLUTION_STATIC ? DISCOVERY_EDS : DISCOVERY_DNS;
}

static struct outbound_cluster cluster_of(const struct selection *sel,
    const struct selected_service *selected, const struct service_port *port,
    const struct subset *subset)
{
    struct outbound_cluster c = { .selected = selected, .port = port, .subset = subset };
    if (selected->rule->objects.count)
        c.policy = effective_policy_of(selected->rule, port->number, subset ? subset->name : NULL);
    effective_policy_fill(&c.policy, sel->snapshot->mesh);
    c.discovery = discovery_of(selected->service, c.policy.load_balancer);
    return c;
}

/* The first of a number has it. */
static bool is_repeated(const struct service *service, const struct service_port *port)
{
    for (const struct service_port *p = service->ports.items; p < port; p++) {
        if (p->number == port->number && p->protocol != PROTOCOL_UDP)
            return true;
    }
    return false;
}

outbound_cluster_list outbound_clusters_of(const struct selection *sel)
{
    outbound_cluster_list list = { 0 };
    for (list_each (struct selected_service, selected, &sel->services)) {
        for (list_each (struct service_port, port, &selected->service->ports)) {
            if (port->protocol == PROTOCOL_UDP || is_repeated(selected->service, port))
                continue;
            list_push(sel->a, &list, cluster_of(sel, selected, port, NULL));
            for (list_each (const struct subset *, subset, &selected->rule->subsets))
                list_push(sel->a, &list, cluster_of(sel, selected, port, *subset));
        }
    }
    return list;
}

/* ---- TLS ---- */

static bool all_take_mtls(const struct service *service)
{
    for (list_each (const struct endpoint, e, &service->endpoints))
        if (!endpoint_takes_mtls(e))
            return false;
    return service->endpoints.count > 0;
}

/* Only where both ends are of the mesh, and nobody said otherwise. */
static enum auto_mtls auto_mtls_of(const struct selection *sel, const struct outbound_cluster *c)
{
    const struct service *service = c->selected->service;
    if (c->policy.tls || !sel->snapshot->mesh->enable_auto_mtls.value ||
        service->location != MESH_INTERNAL || !*sel->scope->service_account)
        return AUTO_MTLS_NEVER;
    if (c->discovery == DISCOVERY_DYNAMIC_DNS)
        return AUTO_MTLS_NEVER;
    if (c->discovery != DISCOVERY_ORIGINAL_DST)
        return AUTO_MTLS_BY_ENDPOINT;
    return all_take_mtls(service) ? AUTO_MTLS_ALWAYS : AUTO_MTLS_NEVER;
}

/* The names of the service's own: a ServiceEntry's, and the identities of the endpoints. */
static string_list own_names(const struct selection *sel, const struct service *service)
{
    string_list names = { 0 };
    const struct object *object = service->object;
    if (object && object->kind == KIND_SERVICE_ENTRY)
        for (list_each (const char *const,
                 name,
                 &((const struct service_entry *)object->spec)->subject_alt_names))
            list_push(sel->a, &names, *name);
    for (list_each (const struct endpoint, e, &service->endpoints))
        if (*e->service_account)
            push_identity(sel->a, &names, sel->snapshot->mesh, service->ns, e->service_account);
    return names;
}

/* What the server's certificate may say: as the rule says; else, where the service is known by its
 * identities, one of them. */
static string_list server_names_of(
    const struct selection *sel, const struct outbound_cluster *c, enum auto_mtls auto_mtls)
{
    const struct client_tls *tls = c->policy.tls;
    const struct service *service = c->selected->service;
    bool is_entry = service->object && service->object->kind == KIND_SERVICE_ENTRY;
    bool is_wrapped = tls && tls->mode != TLS_DISABLE;
    if (is_wrapped && tls->insecure_skip_verify.value)
        return (string_list){ 0 };
    if (is_wrapped && tls->subject_alt_names.count > 0)
        return tls->subject_alt_names;
    if (auto_mtls != AUTO_MTLS_NEVER || (is_wrapped && tls->mode == TLS_ISTIO_MUTUAL) ||
        (is_wrapped && is_entry))
        return own_names(sel, service);
    return (string_list){ 0 };
}

/* ---- an outbound cluster ---- */

struct cluster_args {
    struct assignment_args assignment; /* only the name of it for EDS */
    uint64_t protocol, discovery, resolution, dns_family;
    struct arg_ref rule, mesh; /* struct effective_rule, struct mesh_config */
    uint64_t auto_mtls, secrets, is_grpc;
    const char *stat_name; /* NULL: the cluster's */
    string_list server_names;
};
static const struct arg cluster_rows[] = {
    ASSIGNMENT_ARG_ROWS(struct cluster_args, assignment),
    ARG(struct cluster_args, protocol, ARG_U64),
    ARG(struct cluster_args, discovery, ARG_U64),
    ARG(struct cluster_args, resolution, ARG_U64),
    ARG(struct cluster_args, dns_family, ARG_U64),
    ARG(struct cluster_args, rule, ARG_REF),
    ARG(struct cluster_args, mesh, ARG_REF),
    ARG(struct cluster_args, auto_mtls, ARG_U64),
    ARG(struct cluster_args, secrets, ARG_U64),
    ARG(struct cluster_args, is_grpc, ARG_U64),
    ARG(struct cluster_args, stat_name, ARG_TEXT),
    ARG(struct cluster_args, server_names, ARG_TEXTS),
};

static const char *cluster_name(struct arena *a, const void *args)
{
    const struct cluster_args *c = args;
    return assignment_cluster_name(a, &c->assignment);
}

static struct effective_policy policy_of(const struct cluster_args *args)
{
    struct effective_policy policy = effective_policy_of(
        args->rule.value, (uint32_t)args->assignment.port, args->assignment.subset);
    effective_policy_fill(&policy, args->mesh.value);
    return policy;
}

static void discover_by_eds(struct arena *a, pb_Cluster *cluster)
{
    cluster->type = PB_Cluster_DiscoveryType_EDS;
    cluster->eds_cluster_config = pb_new_Cluster_EdsClusterConfig(a,
        .service_name = cluster->name,
        .eds_config = pb_new_ConfigSource(a,
            pb_ConfigSource_ads(pb_new_AggregatedConfigSource(a)),
            .initial_fetch_timeout = pb_millis(a, 0),
            .resource_api_version = PB_ApiVersion_V3));
}

enum { DNS_JITTER_MS = 100, DNS_MAX_QUERIES = 100 };

static bool has_one_endpoint(const pb_ClusterLoadAssignment *assignment)
{
    return assignment->n_endpoints == 1 && assignment->endpoints[0]->n_lb_endpoints == 1;
}

/* LOGICAL_DNS takes exactly one name; with more or fewer the other kind does what can be done. */
static void discover_by_dns(struct arena *a, pb_Cluster *cluster, const struct cluster_args *args)
{
    const struct mesh_config *mesh = args->mesh.value;
    cluster->load_assignment = assignment_build(a, &args->assignment);
    cluster->type =
        args->resolution == RESOLUTION_DNS_ROUND_ROBIN && has_one_endpoint(cluster->load_assignment)
            ? PB_Cluster_DiscoveryType_LOGICAL_DNS
            : PB_Cluster_DiscoveryType_STRICT_DNS;
    cluster->dns_lookup_family = (unsigned)args->dns_family;
    cluster->dns_refresh_rate = pb_millis(a, mesh->dns_refresh_rate.ms);
    cluster->dns_jitter = pb_millis(a, DNS_JITTER_MS);
    cluster->respect_dns_ttl = true;
    cluster->typed_dns_resolver_config = pb_new_TypedExtensionConfig(a,
        .name = pb_str("envoy.network.dns_resolver.cares"),
        .typed_config = pb_any(a,
            &pb_new_CaresDnsResolverConfig(a, .udp_max_queries = pb_u32(a, DNS_MAX_QUERIES))
                 ->base));
}

static void discover_by_destination(
    struct arena *a, pb_Cluster *cluster, const struct cluster_args *args)
{
    cluster->type = PB_Cluster_DiscoveryType_ORIGINAL_DST;
    cluster->lb_policy = PB_Cluster_LbPolicy_CLUSTER_PROVIDED;
    uint32_t port = (uint32_t)args->assignment.target_port;
    if (args->resolution != RESOLUTION_NONE || !port)
        return;
    cluster->lb_config_case = ENVOY__CONFIG__CLUSTER__V3__CLUSTER__LB_CONFIG_ORIGINAL_DST_LB_CONFIG;
    cluster->original_dst_lb_config =
        pb_new_Cluster_OriginalDstLbConfig(a, .upstream_port_override = pb_u32(a, port));
}

static void discover(struct arena *a, pb_Cluster *cluster, const struct cluster_args *args,
    const struct client_tls *tls)
{
    switch ((enum discovery)args->discovery) {
    case DISCOVERY_EDS:
        discover_by_eds(a, cluster);
        return;
    case DISCOVERY_DNS:
        discover_by_dns(a, cluster, args);
        return;
    case DISCOVERY_ORIGINAL_DST:
        discover_by_destination(a, cluster, args);
        return;
    case DISCOVERY_DYNAMIC_DNS:
        dynamic_dns_discover(a, cluster, (unsigned)args->dns_family, tls);
        return;
    }
    INVARIANT(!"a kind of discovery");
}

static struct transport transport_of(struct arena *a, const struct cluster_args *args,
    const struct effective_policy *policy, bool is_http2)
{
    const struct assignment_args *to = &args->assignment;
    return (struct transport){
        .tls = policy->tls,
        .proxy_protocol = policy->proxy_protocol,
        .auto_mtls = (enum auto_mtls)args->auto_mtls,
        .secrets = (enum secret_source)args->secrets,
        .names = &args->server_names,
        .mesh = args->mesh.value,
        .mesh_sni = name_sni(a, (uint32_t)to->port, to->subset, to->host),
        .is_http2 = is_http2,
    };
}

/* gRPC refuses a cluster whose balancing or transport it does not know, and its credentials are the
 * application's own. */
static void suit_grpc(pb_Cluster *cluster)
{
    cluster->transport_socket = NULL;
    cluster->n_transport_socket_matches = 0;
    if (cluster->lb_policy == PB_Cluster_LbPolicy_RING_HASH)
        return;
    cluster->lb_policy = PB_Cluster_LbPolicy_ROUND_ROBIN;
    cluster->lb_config_case = ENVOY__CONFIG__CLUSTER__V3__CLUSTER__LB_CONFIG__NOT_SET;
}

static ProtobufCMessage *cluster_render(struct arena *a, const void *opaque)
{
    const struct cluster_args *args = opaque;
    const struct mesh_config *mesh = args->mesh.value;
    struct effective_policy policy = policy_of(args);
    enum protocol protocol = (enum protocol)args->protocol;
    enum upstream_http http = upstream_http_upgraded(
        upstream_http_of(protocol, policy.connection_pool), protocol, policy.connection_pool, mesh);
    http_options_list options = http_options_build(a,
        &(struct http_options){ .http = http, .pool = policy.connection_pool, .tls = policy.tls });
    struct transport transport = transport_of(a, args, &policy, http == UPSTREAM_HTTP2);
    transport_match_list matches = transport_matches_build(a, &transport);
    pb_Cluster *cluster = pb_new_Cluster(a,
        .name = pb_str(cluster_name(a, args)),
        pb_Cluster_type(PB_Cluster_DiscoveryType_STATIC),
        .alt_stat_name = pb_str(args->stat_name),
        .connect_timeout = cluster_connect_timeout(a, mesh, policy.connection_pool),
        .circuit_breakers = cluster_limits(a, &policy),
        .outlier_detection = cluster_outlier_detection(a, policy.outlier_detection),
        .common_lb_config = cluster_common_balance(a, mesh, &policy),
        .upstream_connection_options = cluster_keepalive(a, mesh, policy.connection_pool),
        .transport_socket = transport_build(a, &transport),
        PB_LIST(transport_socket_matches, matches.count, matches.items),
        PB_LIST(typed_extension_protocol_options, options.count, options.items));
    if (args->discovery == DISCOVERY_EDS || args->discovery == DISCOVERY_DNS)
        cluster_balance(a, cluster, policy.load_balancer);
    discover(a, cluster, args, policy.tls);
    if (args->is_grpc)
        suit_grpc(cluster);
    return &cluster->base;
}

static const struct renderer cluster_renderer = {
    .name = "outbound cluster",
    .type = XDS_CLUSTER,
    .args_bytes = sizeof(struct cluster_args),
    .args = cluster_rows,
    .arg_count = ARRAY_COUNT(cluster_rows),
    .name_of = cluster_name,
    .render = cluster_render,
};

static bool resolves_names(enum discovery discovery)
{
    return discovery == DISCOVERY_DNS || discovery == DISCOVERY_DYNAMIC_DNS;
}

/* Only what the kind of discovery uses, so that the key holds no more. */
static struct assignment_args assignment_of(
    const struct selection *sel, const struct outbound_cluster *c)
{
    if (c->discovery == DISCOVERY_DNS)
        return assignment_args_of(sel, c);
    return (struct assignment_args){ .host = c->selected->service->host,
        .subset = c->subset ? c->subset->name : NULL,
        .port = c->port->number,
        .target_port = c->discovery == DISCOVERY_ORIGINAL_DST ? c->port->target_port : 0 };
}

static const char *stat_name_of(const struct selection *sel, const struct outbound_cluster *c)
{
    const struct stat_subject subject = {
        .service = c->selected->service,
        .port = c->port,
        .subset = c->subset ? c->subset->name : NULL,
        .target_port = c->port->target_port ? c->port->target_port : c->port->number,
    };
    return stat_name_build(sel->a, sel->snapshot->mesh->outbound_cluster_stat_name, &subject);
}

static struct cluster_args cluster_args_of(
    const struct selection *sel, const struct outbound_cluster *c)
{
    enum auto_mtls auto_mtls = auto_mtls_of(sel, c);
    return (struct cluster_args){
        .assignment = assignment_of(sel, c),
        .protocol = c->port->protocol,
        .discovery = c->discovery,
        .resolution = c->selected->service->resolution,
        .dns_family = resolves_names(c->discovery) ? dynamic_dns_family(sel->scope) : 0,
        .rule = { .value = c->selected->rule, .digest = c->selected->rule->digest },
        .mesh = mesh_ref(sel->snapshot),
        .auto_mtls = auto_mtls,
        .secrets = secret_source_of(sel->scope),
        .is_grpc = sel->scope->is_grpc,
        .stat_name = stat_name_of(sel, c),
        .server_names = server_names_of(sel, c, auto_mtls),
    };
}

void select_service_clusters(struct selection *sel)
{
    outbound_cluster_list clusters = outbound_clusters_of(sel);
    for (list_each (struct outbound_cluster, cluster, &clusters)) {
        if (sel->scope->is_grpc && cluster->discovery != DISCOVERY_EDS)
            continue;
        struct cluster_args args = cluster_args_of(sel, cluster);
        selection_add(sel, memo_render(sel->memo, &cluster_renderer, &args));
    }
}

void select_clusters(struct selection *sel)
{
    select_service_clusters(sel);
    if (sel->scope->is_grpc)
        return;
    select_blackhole(sel);
    if (sel->scope->type == PROXY_SIDECAR)
        select_passthrough(sel, NAME_PASSTHROUGH, (struct ip_families){ 0 });
}
