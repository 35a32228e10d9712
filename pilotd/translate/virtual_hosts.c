#include "translate/virtual_hosts.h"

#include "translate/http_routes.h"
#include "translate/names.h"

static pb_VirtualHost *host_build(
    struct arena *a, const char *name, const string_list *domains, const route_list *routes)
{
    return pb_new_VirtualHost(a,
        .name = pb_str(name),
        PB_LIST(domains, domains->count, pb_strs(domains)),
        PB_LIST(routes, routes->count, routes->items),
        .include_request_attempt_count = true);
}

/* ---- a service's or a VirtualService's host ---- */

static const struct arg virtual_host_rows[] = {
    ARG(struct virtual_host_args, name, ARG_TEXT),
    ARG(struct virtual_host_args, domains, ARG_TEXTS),
    ARG(struct virtual_host_args, plan, ARG_REF),
    ARG(struct virtual_host_args, default_retry, ARG_REF),
    ARG(struct virtual_host_args, port, ARG_U64),
};

static const char *virtual_host_name(struct arena *a, const void *opaque)
{
    (void)a;
    return ((const struct virtual_host_args *)opaque)->name;
}

static ProtobufCMessage *virtual_host_render(struct arena *a, const void *opaque)
{
    const struct virtual_host_args *args = opaque;
    route_list routes =
        http_routes_build(a, args->plan.value, (uint32_t)args->port, args->default_retry.value);
    return &host_build(a, args->name, &args->domains, &routes)->base;
}

const struct renderer virtual_host_renderer = {
    .name = "virtual host",
    .type = XDS_VIRTUAL_HOST,
    .args_bytes = sizeof(struct virtual_host_args),
    .args = virtual_host_rows,
    .arg_count = ARRAY_COUNT(virtual_host_rows),
    .name_of = virtual_host_name,
    .render = virtual_host_render,
};

/* ---- the last host of a table, which takes the rest ---- */

enum { STATUS_BLOCKED = 502 };

static const struct arg catch_all_rows[] = {
    ARG(struct catch_all_args, table, ARG_TEXT),
    ARG(struct catch_all_args, allows_any, ARG_U64),
    ARG(struct catch_all_args, level, ARG_U64),
};

static const char *catch_all_route(const struct catch_all_args *args)
{
    return args->allows_any ? "allow_any" : "block_all";
}

static const char *catch_all_name(struct arena *a, const void *opaque)
{
    const struct catch_all_args *args = opaque;
    const char *name = catch_all_route(args);
    return args->table ? name_part(a, args->table, name) : name;
}

static pb_Route *allow_any(struct arena *a, uint64_t level)
{
    pb_Duration *none = pb_millis(a, 0);
    return pb_new_Route(a,
        pb_Route_route(pb_new_RouteAction(a,
            pb_RouteAction_cluster(pb_str(NAME_PASSTHROUGH)),
            .timeout = none,
            .max_grpc_timeout = level < 2 ? none : NULL)));
}

static pb_Route *block_all(struct arena *a)
{
    return pb_new_Route(
        a, pb_Route_direct_response(pb_new_DirectResponseAction(a, .status = STATUS_BLOCKED)));
}

static ProtobufCMessage *catch_all_render(struct arena *a, const void *opaque)
{
    const struct catch_all_args *args = opaque;
    pb_Route *route = args->allows_any ? allow_any(a, args->level) : block_all(a);
    route->name = pb_str(catch_all_route(args));
    route->match = pb_new_RouteMatch(a, pb_RouteMatch_prefix(pb_str("/")));
    route_list routes = { 0 };
    string_list domains = { 0 };
    list_push(a, &routes, route);
    list_push(a, &domains, "*");
    return &host_build(a, catch_all_name(a, args), &domains, &routes)->base;
}

const struct renderer catch_all_renderer = {
    .name = "catch-all virtual host",
    .type = XDS_VIRTUAL_HOST,
    .args_bytes = sizeof(struct catch_all_args),
    .args = catch_all_rows,
    .arg_count = ARRAY_COUNT(catch_all_rows),
    .name_of = catch_all_name,
    .render = catch_all_render,
};

/* ---- the table ---- */

enum { VIRTUAL_HOSTS_FIELD = 2, DIRECT_RESPONSE_LIMIT_BYTES = 1024 * 1024 };

static const struct arg route_table_rows[] = {
    ARG(struct route_table_args, name, ARG_TEXT),
    ARG(struct route_table_args, hosts, ARG_REFS),
};

static const char *route_table_name(struct arena *a, const void *opaque)
{
    (void)a;
    return ((const struct route_table_args *)opaque)->name;
}

/* What all have in common. Clusters are not checked against the routes: a route may be there before
 * its cluster is known. */
static pb_RouteConfiguration *table_build(struct arena *a)
{
    return pb_new_RouteConfiguration(a,
        .validate_clusters = pb_bool(a, false),
        .max_direct_response_body_size_bytes = pb_u32(a, DIRECT_RESPONSE_LIMIT_BYTES),
        .ignore_port_in_host_matching = true);
}

/* Parts of a message may follow one another on the wire: they are read as one. */
static void route_table_finish(struct arena *a, const void *opaque, struct buf *bytes)
{
    const struct route_table_args *args = opaque;
    pb_pack_append(bytes, &pb_new_RouteConfiguration(a, .name = pb_str(args->name))->base);
    for (list_each (const struct arg_ref, ref, &args->hosts)) {
        const struct xds_resource *host = ref->value;
        pb_append_field(bytes, VIRTUAL_HOSTS_FIELD, host->bytes, host->size_bytes);
    }
    pb_pack_append(bytes, &table_build(a)->base);
}

const struct renderer route_table_renderer = {
    .name = "route table",
    .type = XDS_ROUTE,
    .args_bytes = sizeof(struct route_table_args),
    .args = route_table_rows,
    .arg_count = ARRAY_COUNT(route_table_rows),
    .name_of = route_table_name,
    .finish = route_table_finish,
};

/* ---- a table that is sent by virtual host ---- */

static const struct arg split_table_rows[] = { ARG(struct split_table_args, name, ARG_TEXT) };

static const char *split_table_name(struct arena *a, const void *opaque)
{
    (void)a;
    return ((const struct split_table_args *)opaque)->name;
}

/* A listener waits for it as for a whole one, however long that takes: without its hosts it would
 * answer 404. */
static ProtobufCMessage *split_table_render(struct arena *a, const void *opaque)
{
    pb_RouteConfiguration *table = table_build(a);
    pb_ConfigSource *ads = pb_new_ConfigSource(a,
        pb_ConfigSource_ads(pb_new_AggregatedConfigSource(a)),
        .initial_fetch_timeout = pb_millis(a, 0),
        .resource_api_version = PB_ApiVersion_V3);
    table->name = pb_str(split_table_name(a, opaque));
    table->vhds = pb_new_Vhds(a, .config_source = ads);
    return &table->base;
}

const struct renderer split_table_renderer = {
    .name = "split route table",
    .type = XDS_ROUTE,
    .args_bytes = sizeof(struct split_table_args),
    .args = split_table_rows,
    .arg_count = ARRAY_COUNT(split_table_rows),
    .name_of = split_table_name,
    .render = split_table_render,
};
