#include "translate/domains.h"
#include "translate/http_manager.h"
#include "translate/http_routes.h"
#include "translate/names.h"

#include <string.h>

/* ---- listeners ---- */

struct grpc_listener_args {
    const char *name; /* as the application calls it, HOST:PORT */
    const char *route_name;
};
static const struct arg listener_rows[] = {
    ARG(struct grpc_listener_args, name, ARG_TEXT),
    ARG(struct grpc_listener_args, route_name, ARG_TEXT),
};

static const char *listener_name(struct arena *a, const void *opaque)
{
    (void)a;
    return ((const struct grpc_listener_args *)opaque)->name;
}

static ProtobufCMessage *listener_render(struct arena *a, const void *opaque)
{
    const struct grpc_listener_args *args = opaque;
    pb_HttpConnectionManager *manager = http_manager_build_grpc(a, args->route_name);
    return &pb_new_Listener(a,
        .name = pb_str(args->name),
        .api_listener = pb_new_ApiListener(a, .api_listener = pb_any(a, &manager->base)))
                ->base;
}

static const struct renderer listener_renderer = {
    .name = "gRPC listener",
    .type = XDS_LISTENER,
    .args_bytes = sizeof(struct grpc_listener_args),
    .args = listener_rows,
    .arg_count = ARRAY_COUNT(listener_rows),
    .name_of = listener_name,
    .render = listener_render,
};

/* ---- routes ---- */

struct grpc_table_args {
    const char *name;
    struct arg_ref plan; /* struct route_plan */
    uint64_t port;
};
static const struct arg table_rows[] = {
    ARG(struct grpc_table_args, name, ARG_TEXT),
    ARG(struct grpc_table_args, plan, ARG_REF),
    ARG(struct grpc_table_args, port, ARG_U64),
};

static const char *table_name(struct arena *a, const void *opaque)
{
    (void)a;
    return ((const struct grpc_table_args *)opaque)->name;
}

/* Of filters it knows fault alone; its deadline is another field than Envoy's. */
static void suit_grpc(struct arena *a, pb_Route *route)
{
    size_t kept = 0;
    for (size_t i = 0; i < route->n_typed_per_filter_config; i++)
        if (strcmp(route->typed_per_filter_config[i]->key, "envoy.filters.http.fault") == 0)
            route->typed_per_filter_config[kept++] = route->typed_per_filter_config[i];
    route->n_typed_per_filter_config = kept;
    if (route->action_case != ENVOY__CONFIG__ROUTE__V3__ROUTE__ACTION_ROUTE)
        return;
    pb_Duration *timeout = route->route->timeout;
    if (timeout && (timeout->seconds || timeout->nanos))
        route->route->max_stream_duration =
            pb_new_RouteAction_MaxStreamDuration(a, .max_stream_duration = timeout);
}

static ProtobufCMessage *table_render(struct arena *a, const void *opaque)
{
    const struct grpc_table_args *args = opaque;
    static const struct http_retry none = { 0 };
    route_list routes = http_routes_build(a, args->plan.value, (uint32_t)args->port, &none);
    string_list domains = { 0 };
    list_push(a, &domains, "*");
    for (list_each (pb_Route *, route, &routes))
        suit_grpc(a, *route);
    pb_VirtualHost *host = pb_new_VirtualHost(a,
        .name = pb_str(args->name),
        PB_LIST(domains, domains.count, pb_strs(&domains)),
        PB_LIST(routes, routes.count, routes.items));
    return &pb_new_RouteConfiguration(
        a, .name = pb_str(args->name), PB_ONE(a, virtual_hosts, VirtualHost, host))
                ->base;
}

static const struct renderer table_renderer = {
    .name = "gRPC route table",
    .type = XDS_ROUTE,
    .args_bytes = sizeof(struct grpc_table_args),
    .args = table_rows,
    .arg_count = ARRAY_COUNT(table_rows),
    .name_of = table_name,
    .render = table_render,
};

/* ---- which there are ---- */

static const struct route_plan *plan_of(
    struct selection *sel, const struct selected_service *selected, uint32_t port)
{
    const struct object *virtual_service =
        virtual_service_find(sel->snapshot, sel->scope, selected->service->host);
    const struct route_plan *plan =
        virtual_service ? route_plan_build(sel, virtual_service, port) : NULL;
    return plan ? plan : route_plan_build_default(sel, selected, port);
}

typedef LIST(struct domain_claims) claims_list;

static void select_port(struct selection *sel, const struct selected_service *selected,
    const struct service_port *port, const string_list *domains)
{
    const struct route_plan *plan = plan_of(sel, selected, port->number);
    struct grpc_table_args table = {
        .name = name_outbound(sel->a, port->number, NULL, selected->service->host),
        .plan = { plan, plan->digest },
        .port = port->number,
    };
    selection_add(sel, memo_render(sel->memo, &table_renderer, &table));
    for (list_each (const char *const, domain, domains)) {
        struct grpc_listener_args listener = {
            .name = name_virtual_host(sel->a, *domain, port->number),
            .route_name = table.name,
        };
        selection_add(sel, memo_render(sel->memo, &listener_renderer, &listener));
    }
}

static bool is_routed(const struct service *service, const struct service_port *port)
{
    return (protocol_is_http(port->protocol) || port->protocol == PROTOCOL_AUTO) &&
           service_port_find(service, port->number) == port;
}

void select_grpc(struct selection *sel)
{
    claims_list claims = { 0 };
    for (size_t i = 0; i < sel->services.count; i++)
        list_push(sel->a,
            &claims,
            ((struct domain_claims){
                .domains = domains_of_service(sel->a, sel->services.items[i].service, sel->scope),
                .rank = i }));
    domains_settle(sel->a, claims.items, claims.count);
    for (size_t i = 0; i < sel->services.count; i++) {
        const struct selected_service *selected = &sel->services.items[i];
        for (list_each (const struct service_port, port, &selected->service->ports))
            if (is_routed(selected->service, port))
                select_port(sel, selected, port, &claims.items[i].domains);
    }
}
