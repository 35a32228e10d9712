/*
 * shared: tables and rules that more than one kind uses, and the root table of each kind.
 */
#ifndef MODEL_SHARED_H
#define MODEL_SHARED_H

#include "model/schema_fields.h"

/* The roots: of spec (Istio's kinds), or of the whole value. */
extern const struct schema virtual_service_schema, destination_rule_schema, service_entry_schema,
    workload_entry_schema, workload_group_schema, mesh_config_schema, service_entry_status_schema,
    registry_service_schema, registry_instance_schema;

/* Parts. */
extern const struct schema port_selector_schema, percent_schema, string_match_schema;
extern const struct schema http_retry_schema;          /* virtual_service.c */
extern const struct schema locality_lb_setting_schema; /* destination_rule.c */
extern const struct schema tcp_keepalive_schema, connection_pool_schema,
    outlier_detection_schema;                   /* destination_rule.c */
extern const struct schema service_port_schema; /* service_entry.c */

/* The ways to write where configuration goes to exclude each other; "~" is for services alone. */
void check_export_to(
    struct decoder *d, const char *at, const string_list *entries, bool may_be_none);

/* A selector's labels are plain text: no wildcards; an empty one is warned of. */
void check_selector(struct decoder *d, const struct workload_selector *selector);

/* Names and numbers of ports are unique. */
struct service_port;
/* Warns of a name that Envoy cannot match with the server name that a TLS client sends. */
void check_tls_name(struct decoder *d, const char *at, const char *name);
/* Warns of 0.0.0.0 and ::. */
void check_virtual_addresses(struct decoder *d, const string_list *addresses);
void check_unique_ports(struct decoder *d, const struct service_port *ports, size_t count);

enum { PORT_MAX = 65535, INT32_LIMIT = 2147483647 };
#define PORT_RANGE .range = { 1, PORT_MAX }

#endif
