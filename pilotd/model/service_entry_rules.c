#include "model/service_entry_rules.h"

#include "base/map.h"
#include "model/service_entry.h"
#include "model/shared.h"
#include "model/text.h"

#include <string.h>

/* ---- addresses ---- */

static void check_addresses(struct decoder *d, const struct service_entry *se)
{
    bool may_be_range = se->resolution == RESOLUTION_NONE || se->resolution == RESOLUTION_STATIC;
    for (size_t i = 0; i < se->addresses.count && !may_be_range; i++)
        if (strchr(se->addresses.items[i], '/'))
            schema_fault(d,
                DIAG_RULE,
                schema_text(d, "addresses[%zu]", i),
                NULL,
                "a range of addresses needs resolution NONE or STATIC");
    check_virtual_addresses(d, &se->addresses);
}

/* ---- endpoints ---- */

static bool is_unix(const struct workload_entry *e)
{
    return e->address && format_is_unix_address(e->address);
}

void check_workload_entry(struct decoder *d, void *object)
{
    const struct workload_entry *e = object;
    if (!e->address && !e->network)
        schema_fault(d, DIAG_REQUIRED, "address", NULL, "is required");
    else if (!e->address)
        schema_warn(d,
            DIAG_NO_EFFECT,
            "network",
            "give its address",
            "networks have no gateways here, so without an address it cannot be reached");
    if (is_unix(e) && e->ports.count > 0)
        schema_fault(
            d, DIAG_CONFLICT, "ports", NULL, "cannot be given with the address of a unix socket");
}

static void check_endpoint_ports(
    struct decoder *d, const struct map *names, const char *at, const struct workload_entry *e)
{
    for (list_each (const struct port_override, port, &e->ports))
        if (!map_find(names, port->key))
            schema_fault(d,
                DIAG_RULE,
                schema_key(d, schema_text(d, "%s.ports", at), port->key),
                NULL,
                "is no port of the service entry");
}

static void check_endpoint_address(struct decoder *d, const struct service_entry *se,
    const char *at, const struct workload_entry *e)
{
    bool is_static = se->resolution == RESOLUTION_STATIC;
    const char *place = schema_text(d, "%s.address", at);
    if (is_unix(e) && !is_static)
        schema_fault(d, DIAG_RULE, place, NULL, "a unix socket needs resolution STATIC");
    else if (is_unix(e) && se->ports.count != 1)
        schema_fault(d, DIAG_RULE, place, NULL, "a unix socket needs exactly one port");
    else if (is_static && e->address && !is_unix(e) && !format_is_ip(e->address))
        schema_fault(d,
            DIAG_RULE,
            place,
            "use resolution DNS",
            "must be an IP address with resolution STATIC");
}

static void check_endpoints(struct decoder *d, const struct service_entry *se)
{
    static char present;
    struct map names = { 0 };
    for (list_each (const struct service_port, port, &se->ports))
        map_put(&names, port->name, &present);
    for (size_t i = 0; i < se->endpoints.count; i++) {
        const struct workload_entry *e = &se->endpoints.items[i];
        const char *at = schema_text(d, "endpoints[%zu]", i);
        check_endpoint_ports(d, &names, at, e);
        check_endpoint_address(d, se, at, e);
    }
    map_fini(&names, NULL);
}

/* ---- resolution ---- */

/* Without endpoints the hosts themselves are resolved, so they must be names. */
static void check_resolvable_hosts(struct decoder *d, const struct service_entry *se)
{
    for (size_t i = 0; i < se->hosts.count; i++)
        if (!format_is_fqdn(se->hosts.items[i]))
            schema_fault(d,
                DIAG_RULE,
                schema_text(d, "hosts[%zu]", i),
                "give endpoints",
                "must be a whole name with resolution DNS and no endpoints");
}

/* Names under a wildcard are known only when they are asked for: by Host header or server name. */
static void check_dynamic(struct decoder *d, const struct service_entry *se)
{
    for (size_t i = 0; i < se->hosts.count; i++)
        if (*se->hosts.items[i] != '*')
            schema_fault(d,
                DIAG_RULE,
                schema_text(d, "hosts[%zu]", i),
                "use resolution DNS for a whole name",
                "must be a wildcard with resolution DYNAMIC_DNS");
    if (se->addresses.count > 0)
        schema_fault(
            d, DIAG_CONFLICT, "addresses", NULL, "cannot be given with resolution DYNAMIC_DNS");
    if (se->endpoints.count > 0)
        schema_fault(
            d, DIAG_CONFLICT, "endpoints", NULL, "cannot be given with resolution DYNAMIC_DNS");
    for (size_t i = 0; i < se->ports.count; i++) {
        enum protocol protocol = se->ports.items[i].protocol;
        if (protocol != PROTOCOL_HTTP && protocol != PROTOCOL_HTTP2 && protocol != PROTOCOL_GRPC &&
            protocol != PROTOCOL_TLS)
            schema_fault(d,
                DIAG_RULE,
                schema_text(d, "ports[%zu].protocol", i),
                NULL,
                "must be HTTP, HTTP2, GRPC or TLS with resolution DYNAMIC_DNS");
    }
}

static void check_resolution(struct decoder *d, const struct service_entry *se)
{
    if (se->resolution == RESOLUTION_DYNAMIC_DNS) {
        check_dynamic(d, se);
        return;
    }
    if (se->resolution == RESOLUTION_NONE && se->workload_selector)
        schema_warn(d,
            DIAG_NO_EFFECT,
            "workloadSelector",
            "use resolution STATIC",
            "has no effect with resolution NONE: connections go where they were going");
    bool is_dns = se->resolution == RESOLUTION_DNS || se->resolution == RESOLUTION_DNS_ROUND_ROBIN;
    if (se->resolution == RESOLUTION_NONE && se->endpoints.count > 0)
        schema_fault(d,
            DIAG_RULE,
            "endpoints",
            "use resolution STATIC or DNS",
            "cannot be given with resolution NONE");
    if (se->resolution == RESOLUTION_DNS_ROUND_ROBIN && se->endpoints.count > 1)
        schema_fault(
            d, DIAG_RULE, "endpoints", NULL, "must be at most one with resolution DNS_ROUND_ROBIN");
    if (is_dns && se->endpoints.count == 0)
        check_resolvable_hosts(d, se);
}

/* Of plain TCP nobody can tell to which of several hosts it goes. */
static void check_distinguishable(struct decoder *d, const struct service_entry *se)
{
    if (se->hosts.count < 2 || se->resolution == RESOLUTION_NONE || se->addresses.count > 0)
        return;
    for (size_t i = 0; i < se->ports.count; i++) {
        enum protocol protocol = se->ports.items[i].protocol;
        if (!protocol_is_http(protocol) && !protocol_is_tls(protocol))
            schema_fault(d,
                DIAG_RULE,
                schema_text(d, "ports[%zu].protocol", i),
                NULL,
                "must be HTTP or TLS: with several hosts and no addresses others cannot be told "
                "apart");
    }
}

/* Of hosts that are told apart by the server name. */
static void check_tls_hosts(struct decoder *d, const struct service_entry *se)
{
    bool has_tls = false;
    for (list_each (const struct service_port, port, &se->ports))
        has_tls |= protocol_is_tls(port->protocol);
    for (size_t i = 0; has_tls && se->addresses.count == 0 && i < se->hosts.count; i++)
        check_tls_name(d, schema_text(d, "hosts[%zu]", i), se->hosts.items[i]);
}

void check_service_entry(struct decoder *d, void *object)
{
    const struct service_entry *se = object;
    if (se->workload_selector && se->endpoints.count > 0)
        schema_fault(
            d, DIAG_CONFLICT, "workloadSelector", NULL, "cannot be given together with endpoints");
    check_addresses(d, se);
    check_unique_ports(d, se->ports.items, se->ports.count);
    check_endpoints(d, se);
    check_resolution(d, se);
    check_distinguishable(d, se);
    check_tls_hosts(d, se);
    check_export_to(d, "exportTo", &se->export_to, true);
    check_selector(d, se->workload_selector);
}
