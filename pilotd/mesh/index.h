/*
 * index: how a snapshot finds rules and endpoints quickly. Private to mesh/; lives in the
 * snapshot's arena; built once and then only read.
 */
#ifndef MESH_INDEX_H
#define MESH_INDEX_H

#include "mesh/policy.h"
#include "mesh/snapshot.h"

/* A rule under one of its hosts, resolved. */
struct host_entry {
    const char *host;
    const struct object *object;
};
typedef LIST(struct host_entry) host_entry_list;

struct address_entry {
    const struct service *service;
    const struct endpoint *endpoint;
    uint32_t next; /* index + 1 of the next entry in the bucket; 0: none */
};

/* A WorkloadEntry with its labels as they count: metadata's beat spec's. */
struct workload {
    const struct object *object;
    label_list labels;
};

/* A workload under one of its labels. */
struct labelled_workload {
    struct label label;
    const struct workload *workload;
};

struct snapshot_index {
    /* By namespace, label, age. */
    LIST(struct labelled_workload) workloads;
    /* DestinationRules: by namespace, host, age; those with wildcards by namespace, then longest.
     */
    host_entry_list exact_rules, wildcard_rules;
    /* VirtualServices bound to "mesh": by host, age; those with wildcards longest first, then age.
     */
    host_entry_list exact_routes, wildcard_routes;
    LIST(struct http_routes) delegations; /* of VirtualServices that delegate, by key */
    LIST(struct address_entry) addresses;
    uint32_t *buckets; /* index + 1 into addresses */
    size_t bucket_mask;
};

void index_workloads(struct snapshot *s);   /* workloads.c */
void index_rules(struct snapshot *s);       /* rules.c */
void index_routes(struct snapshot *s);      /* routing.c */
void index_delegations(struct snapshot *s); /* delegates.c */
void index_addresses(struct snapshot *s);   /* locals.c */

/* services.c: the services of ServiceEntries and of the registry, sorted by host, age, namespace.
 */
void services_build(struct snapshot *s);
/* One that is declared once, put together anew: by a ServiceEntry, or a registry service (NULL: it
 * has none) and its instances, sorted by key. What it consists of is `s`'s, but for its names. */
struct service *service_rebuild(struct snapshot *s, const struct service *former,
    const struct object *object, struct object *const *instances, size_t count);

/* May it have a virtual address of its own? */
bool service_may_be_allocated(const struct service *service);

/* snapshot.c: the order of objects of one kind. */
int snapshot_object_order(const struct object *a, const struct object *b);

/* patch.c: of services with arenas of their own. */
void service_release(struct service *service);

/* workloads.c: those of a namespace that may have all the labels, by age; few, but to be checked.
 */
struct workload_slice {
    const struct labelled_workload *items;
    size_t count;
};
struct workload_slice workloads_find(
    const struct snapshot *s, const char *ns, const label_list *wanted);

/* endpoints.c: sorts, and computes the digest. */
void endpoints_finish(struct service *service);
void endpoints_of_entry(struct snapshot *s, struct service *service, const struct object *object);
void endpoint_of_instance(struct snapshot *s, struct service *service, const struct object *object);

/* analyze.c: fills s->findings. */
void analyze(struct snapshot *s);
void finding_add(struct snapshot *s, const char *key, enum diag_code code, const char *path,
    const char *hint, const char *fmt, ...) PRINTF_LIKE(6, 7);

/* The entries of a sorted list that compare equal (0) to the probe. */
struct host_slice {
    const struct host_entry *items;
    size_t count;
};
struct host_slice host_entries_find(const host_entry_list *list, const struct host_entry *probe,
    int (*compare)(const struct host_entry *, const struct host_entry *));

#endif
