#include "translate/http_manager.h"

#include "translate/dynamic_dns.h"

typedef LIST(pb_HttpFilter *) http_filter_list;

static void push_filter(
    struct arena *a, http_filter_list *filters, const char *name, ProtobufCMessage *config)
{
    list_push(a,
        filters,
        pb_new_HttpFilter(a, .name = pb_str(name), pb_HttpFilter_typed_config(pb_any(a, config))));
}

/* Fault and cors do nothing until a route configures them. */
static http_filter_list http_filters(struct arena *a, const struct http_manager *m)
{
    http_filter_list filters = { 0 };
    if (m->has_grpc_web)
        push_filter(a, &filters, "envoy.filters.http.grpc_web", &pb_new_GrpcWeb(a)->base);
    push_filter(a, &filters, "envoy.filters.http.fault", &pb_new_HTTPFault(a)->base);
    push_filter(a, &filters, "envoy.filters.http.cors", &pb_new_Cors(a)->base);
    if (m->has_dynamic_dns)
        list_push(a, &filters, dynamic_dns_http_filter(a, m->dns_family));
    push_filter(a, &filters, "envoy.filters.http.router", &pb_new_Router(a)->base);
    return filters;
}

/* Never a timeout for the first table: a listener without its routes must wait, not answer 404. */
static pb_Rds *route_table(struct arena *a, const char *name)
{
    return pb_new_Rds(a,
        .route_config_name = pb_str(name),
        .config_source = pb_new_ConfigSource(a,
            pb_ConfigSource_ads(pb_new_AggregatedConfigSource(a)),
            .initial_fetch_timeout = pb_millis(a, 0),
            .resource_api_version = PB_ApiVersion_V3));
}

/* A manager that knows its routes, and nothing else yet. */
static pb_HttpConnectionManager *with_routes(struct arena *a, const struct http_manager *m)
{
    INVARIANT(!m->route_name != !m->routes);
    if (m->route_name)
        return pb_new_HttpConnectionManager(
            a, pb_HttpConnectionManager_rds(route_table(a, m->route_name)));
    return pb_new_HttpConnectionManager(
        a, pb_HttpConnectionManager_route_config((pb_RouteConfiguration *)(uintptr_t)m->routes));
}

/* What a proxy says of callers to the application behind it, should they have shown a certificate.
 */
static void set_inbound(struct arena *a, pb_HttpConnectionManager *manager)
{
    manager->server_name = pb_str("istio-envoy");
    manager->forward_client_cert_details =
        PB_HttpConnectionManager_ForwardClientCertDetails_APPEND_FORWARD;
    manager->set_current_client_cert_details =
        pb_new_HttpConnectionManager_SetCurrentClientCertDetails(
            a, .subject = pb_bool(a, true), .dns = true, .uri = true);
}

static void set_lists(
    struct arena *a, const struct http_manager *m, pb_HttpConnectionManager *manager)
{
    http_filter_list filters = http_filters(a, m);
    manager->n_http_filters = filters.count;
    manager->http_filters = filters.items;
    access_log_list logs = access_log_build(a, &m->access_log);
    manager->n_access_log = logs.count;
    manager->access_log = logs.items;
    LIST(pb_HttpConnectionManager_UpgradeConfig *) upgrades = { 0 };
    list_push(a,
        &upgrades,
        pb_new_HttpConnectionManager_UpgradeConfig(a, .upgrade_type = pb_str("websocket")));
    manager->n_upgrade_configs = upgrades.count;
    manager->upgrade_configs = upgrades.items;
}

enum normalization normalization_of(const struct mesh_config *mesh)
{
    return mesh->path_normalization ? mesh->path_normalization->normalization : NORMALIZE_DEFAULT;
}

static pb_HttpConnectionManager *settings(struct arena *a, const struct http_manager *m)
{
    pb_HttpConnectionManager *manager = with_routes(a, m);
    manager->stat_prefix = arena_printf(a, "%s;", m->stat_prefix);
    manager->use_remote_address = pb_bool(a, false);
    manager->proxy_100_continue = true;
    manager->stream_idle_timeout = pb_millis(a, 0);
    manager->normalize_path = pb_bool(a, m->normalization != NORMALIZE_NONE);
    manager->merge_slashes = m->normalization >= NORMALIZE_MERGE_SLASHES;
    manager->path_with_escaped_slashes_action =
        m->normalization == NORMALIZE_DECODE_AND_MERGE_SLASHES
            ? PB_HttpConnectionManager_PathWithEscapedSlashesAction_UNESCAPE_AND_FORWARD
            : PB_HttpConnectionManager_PathWithEscapedSlashesAction_KEEP_UNCHANGED;
    set_lists(a, m, manager);
    if (m->is_inbound)
        set_inbound(a, manager);
    return manager;
}

pb_Filter *http_manager_build(struct arena *a, const struct http_manager *m)
{
    return pb_new_Filter(a,
        .name = pb_str("envoy.filters.network.http_connection_manager"),
        pb_Filter_typed_config(pb_any(a, &settings(a, m)->base)));
}

pb_HttpConnectionManager *http_manager_build_grpc(struct arena *a, const char *route_name)
{
    http_filter_list filters = { 0 };
    push_filter(a, &filters, "envoy.filters.http.fault", &pb_new_HTTPFault(a)->base);
    push_filter(a, &filters, "envoy.filters.http.router", &pb_new_Router(a)->base);
    return pb_new_HttpConnectionManager(a,
        pb_HttpConnectionManager_rds(route_table(a, route_name)),
        PB_LIST(http_filters, filters.count, filters.items));
}
