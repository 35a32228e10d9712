#include "translate/walk_parts.h"

#include <string.h>

/* Of bytes that we made: what does not come apart is our own fault. */
static void *unpack(struct arena *a, const ProtobufCMessageDescriptor *type, const uint8_t *bytes,
    size_t size_bytes)
{
    void *message = pb_unpack(a, type, bytes, size_bytes);
    INVARIANT(message);
    return message;
}

static const ProtobufCMessageDescriptor *const types[XDS_TYPE_COUNT] = {
    [XDS_CLUSTER] = &pb_Cluster_desc,
    [XDS_ENDPOINT] = &pb_ClusterLoadAssignment_desc,
    [XDS_LISTENER] = &pb_Listener_desc,
    [XDS_ROUTE] = &pb_RouteConfiguration_desc,
    [XDS_VIRTUAL_HOST] = &pb_VirtualHost_desc,
};

const void *sent_find(const struct walking *w, enum xds_type type, const char *name)
{
    const struct xds_resource *r = xds_view_find(w->view, type, name);
    return r ? unpack(w->a, types[type], r->bytes, r->size_bytes) : NULL;
}

static void join_hosts(const struct walking *w, pb_RouteConfiguration *table)
{
    LIST(pb_VirtualHost *) hosts = { 0 };
    const char *beginning = arena_printf(w->a, "%s/", table->name);
    struct xds_cursor cursor = xds_view_after(w->view, XDS_VIRTUAL_HOST, beginning);
    const struct xds_resource *r;
    while (
        (r = xds_view_next(w->view, XDS_VIRTUAL_HOST, &cursor)) && begins_with(r->name, beginning))
        list_push(w->a, &hosts, unpack(w->a, &pb_VirtualHost_desc, r->bytes, r->size_bytes));
    table->virtual_hosts = hosts.items;
    table->n_virtual_hosts = hosts.count;
}

const pb_RouteConfiguration *sent_table(const struct walking *w, const char *name)
{
    const pb_RouteConfiguration *table = sent_find(w, XDS_ROUTE, name);
    if (!table || !table->vhds)
        return table;
    pb_RouteConfiguration *whole =
        arena_dup(w->a, table, sizeof *table, _Alignof(pb_RouteConfiguration));
    join_hosts(w, whole);
    return whole;
}

sent_listener_list sent_listeners(const struct walking *w)
{
    sent_listener_list list = { 0 };
    struct xds_cursor cursor = { 0 };
    const struct xds_resource *r;
    while ((r = xds_view_next(w->view, XDS_LISTENER, &cursor)))
        list_push(w->a, &list, unpack(w->a, &pb_Listener_desc, r->bytes, r->size_bytes));
    return list;
}

const void *sent_any(
    const struct walking *w, const pb_Any *any, const ProtobufCMessageDescriptor *type)
{
    return pb_any_is(any, type) ? unpack(w->a, type, any->value.data, any->value.len) : NULL;
}

const char *sent_address(struct arena *a, const pb_Address *address)
{
    if (!address)
        return "";
    if (address->address_case == ENVOY__CONFIG__CORE__V3__ADDRESS__ADDRESS_PIPE)
        return address->pipe->path;
    const pb_SocketAddress *socket = address->socket_address;
    return arena_printf(
        a, strchr(socket->address, ':') ? "[%s]:%u" : "%s:%u", socket->address, socket->port_value);
}
