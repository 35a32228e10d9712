#include "translate/assignment.h"

#include "model/format.h"
#include "translate/names.h"
#include "translate/transport.h"

#include <string.h>

/* ---- arguments ---- */

static struct arg_ref endpoints_ref(struct arena *a, const struct service *service)
{
    struct endpoint_slice slice = { service->endpoints.items, service->endpoints.count };
    return (struct arg_ref){
        .value = arena_dup(a, &slice, sizeof slice, _Alignof(struct endpoint_slice)),
        .digest = service->endpoints_digest,
    };
}

static string_list label_texts(struct arena *a, const label_list *labels)
{
    string_list texts = { .items = ARENA_ARRAY(a, const char *, labels->count * 2) };
    for (list_each (struct label, label, labels)) {
        texts.items[texts.count++] = label->key;
        texts.items[texts.count++] = label->value;
    }
    return texts;
}

struct assignment_args assignment_args_of(
    const struct selection *sel, const struct outbound_cluster *cluster)
{
    const struct service *service = cluster->selected->service;
    const struct effective_rule *rule = cluster->selected->rule;
    const struct subset *subset = cluster->subset;
    return (struct assignment_args){
        .host = service->host,
        .subset = subset ? subset->name : NULL,
        .port = cluster->port->number,
        .port_name = cluster->port->name,
        .target_port = cluster->port->target_port,
        .takes_names = cluster->discovery == DISCOVERY_DNS,
        .declaration = { .digest = service->digest },
        .endpoints = endpoints_ref(sel->a, service),
        .subset_labels = subset ? label_texts(sel->a, &subset->labels) : (string_list){ 0 },
        .locality = locality_args_of(sel->a, sel->snapshot, sel->scope, rule, cluster->policy),
    };
}

const char *assignment_cluster_name(struct arena *a, const struct assignment_args *args)
{
    return name_outbound(a, (uint32_t)args->port, args->subset, args->host);
}

/* ---- which endpoints ---- */

enum { UNIX_PREFIX_BYTES = sizeof "unix://" - 1 };

static bool is_pipe(const char *address)
{
    return begins_with(address, "unix://");
}

static bool is_callable(const struct endpoint *e, uint32_t port, bool takes_names)
{
    if (is_pipe(e->address))
        return !takes_names;
    return *e->address && port && (takes_names || format_is_ip(e->address));
}

static label_list labels_of(struct arena *a, const string_list *texts)
{
    label_list labels = { .items = ARENA_ARRAY(a, struct label, texts->count / 2) };
    for (size_t i = 0; i + 1 < texts->count; i += 2)
        labels.items[labels.count++] = (struct label){ texts->items[i], texts->items[i + 1] };
    return labels;
}

static struct service_port port_of(const struct assignment_args *args)
{
    return (struct service_port){ .number = (uint32_t)args->port,
        .name = args->port_name,
        .target_port = (uint32_t)args->target_port };
}

/* A service without endpoints whose name Envoy is to resolve is found under its own host. */
static const struct endpoint_slice *endpoints_of(
    struct arena *a, const struct assignment_args *args)
{
    const struct endpoint_slice *given = args->endpoints.value;
    if (given->count || !args->takes_names || *args->host == '*')
        return given;
    struct port_override *port = ARENA_NEW(a, struct port_override);
    port->key = args->port_name;
    port->value = (uint32_t)(args->target_port ? args->target_port : args->port);
    struct endpoint *host = ARENA_NEW(a, struct endpoint);
    *host = (struct endpoint){ .address = args->host,
        .ports = { port, 1 },
        .locality = { "", "", "" },
        .network = "",
        .service_account = "",
        .weight = 1 };
    struct endpoint_slice *own = ARENA_NEW(a, struct endpoint_slice);
    *own = (struct endpoint_slice){ host, 1 };
    return own;
}

static struct locality_groups groups_of(struct arena *a, const struct assignment_args *args)
{
    const struct endpoint_slice *all = endpoints_of(a, args);
    const struct endpoint **chosen = ARENA_ARRAY(a, const struct endpoint *, all->count);
    size_t count = 0;
    label_list wanted = labels_of(a, &args->subset_labels);
    struct service_port port = port_of(args);
    for (list_each (const struct endpoint, e, all)) {
        if (labels_match(&e->labels, &wanted) &&
            is_callable(e, endpoint_port(e, &port), args->takes_names))
            chosen[count++] = e;
    }
    return locality_groups_build(a, chosen, count, &args->locality);
}

/* ---- messages ---- */

pb_Address *assignment_address(struct arena *a, const char *address, uint32_t port)
{
    if (is_pipe(address))
        return pb_new_Address(
            a, pb_Address_pipe(pb_new_Pipe(a, .path = pb_str(address + UNIX_PREFIX_BYTES))));
    return pb_new_Address(a,
        pb_Address_socket_address(pb_new_SocketAddress(
            a, .address = pb_str(address), pb_SocketAddress_port_value(port))));
}

static const unsigned health_status[] = {
    [HEALTH_HEALTHY] = PB_HealthStatus_UNKNOWN,
    [HEALTH_DRAINING] = PB_HealthStatus_DRAINING,
    [HEALTH_UNHEALTHY] = PB_HealthStatus_UNHEALTHY,
};

static pb_LbEndpoint *endpoint_build(
    struct arena *a, const struct endpoint *e, uint32_t port, uint64_t divisor)
{
    return pb_new_LbEndpoint(a,
        pb_LbEndpoint_endpoint(
            pb_new_Endpoint(a, .address = assignment_address(a, e->address, port))),
        .health_status = health_status[e->health],
        .metadata = endpoint_takes_mtls(e) ? transport_endpoint_metadata(a) : NULL,
        .load_balancing_weight = pb_u32(a, locality_weight(e, divisor)));
}

static pb_LocalityLbEndpoints *group_build(struct arena *a, const struct locality_group *group,
    const struct service_port *port, uint64_t divisor)
{
    pb_LbEndpoint **endpoints = ARENA_ARRAY(a, pb_LbEndpoint *, group->endpoints.count);
    for (size_t i = 0; i < group->endpoints.count; i++) {
        const struct endpoint *e = group->endpoints.items[i];
        endpoints[i] = endpoint_build(a, e, endpoint_port(e, port), divisor);
    }
    return pb_new_LocalityLbEndpoints(a,
        .locality = pb_new_Locality(a,
            .region = pb_str(group->place.region),
            .zone = pb_str(group->place.zone),
            .sub_zone = pb_str(group->place.sub_zone)),
        PB_LIST(lb_endpoints, group->endpoints.count, endpoints),
        .load_balancing_weight = pb_u32(a, group->weight),
        .priority = group->priority);
}

pb_ClusterLoadAssignment *assignment_build(struct arena *a, const struct assignment_args *args)
{
    struct locality_groups groups = groups_of(a, args);
    struct service_port port = port_of(args);
    pb_LocalityLbEndpoints **places = ARENA_ARRAY(a, pb_LocalityLbEndpoints *, groups.count);
    for (size_t i = 0; i < groups.count; i++)
        places[i] = group_build(a, &groups.items[i], &port, groups.divisor);
    return pb_new_ClusterLoadAssignment(a,
        .cluster_name = pb_str(assignment_cluster_name(a, args)),
        PB_LIST(endpoints, groups.count, places));
}

void listener_set_extra_address(
    struct arena *a, pb_Listener *listener, const char *extra_bind, uint32_t port)
{
    LIST(pb_AdditionalAddress *) addresses = { 0 };
    if (extra_bind)
        list_push(a,
            &addresses,
            pb_new_AdditionalAddress(a, .address = assignment_address(a, extra_bind, port)));
    listener->n_additional_addresses = addresses.count;
    listener->additional_addresses = addresses.items;
}
