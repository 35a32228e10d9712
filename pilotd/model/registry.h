/*
 * The registry's values: services/<namespace>/<service> and
 * registry/<namespace>/<service>/<instance> (docs/ARCHITECTURE.md, Keyspace). External systems
 * write them; instances are leased.
 */
#ifndef MODEL_REGISTRY_H
#define MODEL_REGISTRY_H

#include "model/service_entry.h"

struct registry_service {
    LIST(struct service_port) ports;
    string_list hosts;          /* besides <service>.<namespace>.svc.<domain> */
    string_list addresses;      /* virtual IPs */
    enum resolution resolution; /* default STATIC */
    string_list export_to;
    label_list labels;
};

struct registry_instance {
    const char *address;
    LIST(struct port_override) ports; /* port name → the instance's own port; at least one */
    label_list labels;
    const char *locality, *network, *service_account; /* may be NULL */
    struct opt_u32 weight;
    enum health health;
};

#endif
