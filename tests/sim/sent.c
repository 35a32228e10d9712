#include "sent.h"

#include "proto/pb.h"

static const void *unpack(struct arena *a, const ProtobufCMessageDescriptor *type,
    const uint8_t *bytes, size_t size_bytes)
{
    const void *message = pb_unpack(a, type, bytes, size_bytes);
    INVARIANT(message);
    return message;
}

/* ---- routes ---- */

static void refer_route(struct sent *s, const pb_RouteAction *action)
{
    switch (action->cluster_specifier_case) {
    case ENVOY__CONFIG__ROUTE__V3__ROUTE_ACTION__CLUSTER_SPECIFIER_CLUSTER:
        list_push(s->arena, &s->clusters, action->cluster);
        break;
    case ENVOY__CONFIG__ROUTE__V3__ROUTE_ACTION__CLUSTER_SPECIFIER_WEIGHTED_CLUSTERS:
        for (size_t i = 0; i < action->weighted_clusters->n_clusters; i++)
            list_push(s->arena, &s->clusters, action->weighted_clusters->clusters[i]->name);
        break;
    default:
        break;
    }
}

static void refer_host(struct sent *s, const pb_VirtualHost *host)
{
    for (size_t i = 0; i < host->n_routes; i++)
        if (host->routes[i]->action_case == ENVOY__CONFIG__ROUTE__V3__ROUTE__ACTION_ROUTE)
            refer_route(s, host->routes[i]->route);
}

static void refer_table(struct sent *s, const pb_RouteConfiguration *table)
{
    for (size_t h = 0; h < table->n_virtual_hosts; h++)
        refer_host(s, table->virtual_hosts[h]);
}

/* ---- listeners ---- */

/* A case is the number of its field. */
enum { MANAGER_RDS = 3, MANAGER_ROUTES = 4 };

static void refer_manager(struct sent *s, const pb_HttpConnectionManager *m)
{
    if ((int)m->route_specifier_case == MANAGER_RDS)
        list_push(s->arena, &s->tables, m->rds->route_config_name);
    else if ((int)m->route_specifier_case == MANAGER_ROUTES)
        refer_table(s, m->route_config);
}

static void refer_tcp(struct sent *s, const pb_TcpProxy *proxy)
{
    if (proxy->cluster_specifier_case ==
        ENVOY__EXTENSIONS__FILTERS__NETWORK__TCP_PROXY__V3__TCP_PROXY__CLUSTER_SPECIFIER_CLUSTER)
        list_push(s->arena, &s->clusters, proxy->cluster);
}

static void refer_chain(struct sent *s, const pb_FilterChain *chain)
{
    for (size_t i = 0; chain && i < chain->n_filters; i++) {
        const pb_Any *any = chain->filters[i]->typed_config;
        if (pb_any_is(any, &pb_HttpConnectionManager_desc))
            refer_manager(s,
                unpack(s->arena, &pb_HttpConnectionManager_desc, any->value.data, any->value.len));
        else if (pb_any_is(any, &pb_TcpProxy_desc))
            refer_tcp(s, unpack(s->arena, &pb_TcpProxy_desc, any->value.data, any->value.len));
    }
}

static void refer_listener(struct sent *s, const pb_Listener *listener)
{
    s->name = listener->name;
    for (size_t i = 0; i < listener->n_filter_chains; i++)
        refer_chain(s, listener->filter_chains[i]);
    refer_chain(s, listener->default_filter_chain);
}

static void refer_cluster(struct sent *s, const pb_Cluster *cluster)
{
    s->name = cluster->name;
    if (cluster->cluster_discovery_type_case !=
            ENVOY__CONFIG__CLUSTER__V3__CLUSTER__CLUSTER_DISCOVERY_TYPE_TYPE ||
        cluster->type != PB_Cluster_DiscoveryType_EDS)
        return;
    const pb_Cluster_EdsClusterConfig *eds = cluster->eds_cluster_config;
    s->endpoints = eds && *eds->service_name ? eds->service_name : cluster->name;
}

static void take_endpoints(struct sent *s, const pb_ClusterLoadAssignment *endpoints)
{
    s->name = endpoints->cluster_name;
}

static void take_table(struct sent *s, const pb_RouteConfiguration *table)
{
    s->name = table->name;
    refer_table(s, table);
}

static void take_host(struct sent *s, const pb_VirtualHost *host)
{
    s->name = host->name;
    refer_host(s, host);
}

struct sent *sent_new(
    enum xds_type type, const char *version, const uint8_t *bytes, size_t size_bytes)
{
    struct arena *a = arena_new();
    struct sent *s = ARENA_NEW(a, struct sent);
    *s = (struct sent){ .hash = hash128_of(bytes, size_bytes), .arena = a };
    s->version = arena_strdup(a, version);
    if (type == XDS_CLUSTER)
        refer_cluster(s, unpack(a, &pb_Cluster_desc, bytes, size_bytes));
    else if (type == XDS_ENDPOINT)
        take_endpoints(s, unpack(a, &pb_ClusterLoadAssignment_desc, bytes, size_bytes));
    else if (type == XDS_LISTENER)
        refer_listener(s, unpack(a, &pb_Listener_desc, bytes, size_bytes));
    else if (type == XDS_VIRTUAL_HOST)
        take_host(s, unpack(a, &pb_VirtualHost_desc, bytes, size_bytes));
    else
        take_table(s, unpack(a, &pb_RouteConfiguration_desc, bytes, size_bytes));
    return s;
}

void sent_free(struct sent *s)
{
    if (s)
        arena_free(s->arena);
}
