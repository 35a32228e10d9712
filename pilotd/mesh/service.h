/*
 * service: what can be called in the mesh, wherever it was declared: a host of a ServiceEntry, or a
 * service of the registry. Lives in its snapshot's arena, or is shared by snapshots.
 */
#ifndef MESH_SERVICE_H
#define MESH_SERVICE_H

#include "model/object.h"
#include "model/service_entry.h"

struct locality {
    const char *region, *zone, *sub_zone; /* never NULL; "" when not given */
};

/* One instance, ready to be called. */
struct endpoint {
    const char *address;              /* IP, name (DNS resolution) or "unix:///path" */
    LIST(struct port_override) ports; /* by port name: the instance's own port */
    label_list labels;                /* and those of its place (topology.h) */
    struct locality locality;
    const char *network, *service_account; /* may be "" */
    uint32_t weight;                       /* at least 1 */
    enum health health;
    const struct object *object;       /* whose digest covers all of the above */
    size_t index;                      /* in the object's list of endpoints */
    const struct service_entry *entry; /* whose ports it serves; NULL: those it names */
    const struct object *entry_object; /* of `entry`; NULL likewise */
};

struct service {
    const char *host, *ns, *name; /* name: the short one, for registry services; else the host */
    LIST(struct service_port) ports;
    string_list addresses, export_to;
    const char *auto_address; /* a virtual address of the service alone, for proxies whose names are
                                 resolved to such; NULL: it has others, or can have none */
    enum resolution resolution;
    enum service_location location;
    bool is_registry;                /* declared or inferred in the registry */
    LIST(struct endpoint) endpoints; /* sorted by (object key, index, entry's key) */
    const struct object *object; /* the declaring ServiceEntry or registry service; NULL when the
                                    service is inferred from its instances */
    int64_t create_revision;     /* of the object, or of the oldest instance */
    struct hash128 digest;       /* of the declaration: everything but the endpoints */
    struct hash128 endpoints_digest; /* of all endpoints, and of the entries that selected them */
    bool is_sole;                    /* declared once: by one resource, or by its instances alone */
    struct refcount refs;
    struct arena *arena; /* its own, if it came with a patch (mesh/patch.c); else the snapshot's */
};

/* The port an endpoint is reached at for a service port, by Istio's order: the endpoint's own for
 * that port name, else targetPort (both as its own ServiceEntry has them), else the number. 0: the
 * endpoint does not serve that port (an instance of the registry names all it serves; an endpoint
 * of one ServiceEntry does not serve the ports that another added to the host). */
uint32_t endpoint_port(const struct endpoint *e, const struct service_port *port);

/* The virtual addresses it has for a proxy. */
struct scope;
string_list service_addresses(
    struct arena *a, const struct service *service, const struct scope *scope);

/* Its proxy takes TLS of the mesh: it has an identity, or says so by the label
 * security.istio.io/tlsMode ("istio", or anything else for no). */
bool endpoint_takes_mtls(const struct endpoint *e);

const struct service_port *service_port_find(const struct service *s, uint32_t number);

#endif
