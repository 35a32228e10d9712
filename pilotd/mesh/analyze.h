/*
 * analyze: what one resource alone is too small to see. Private to mesh/.
 *
 * Findings are warnings: the configuration is in force as Istio would have it, and somebody should
 * look. Each is told once, at the resource whose owner can mend it, and names the others. They are
 * a pure function of the snapshot, sorted by key and path.
 *
 * Callers are known by their namespace alone: what depends on the labels of a proxy (workload
 * selectors) counts as possible.
 */
#ifndef MESH_ANALYZE_H
#define MESH_ANALYZE_H

#include "base/map.h"
#include "mesh/index.h"

/* The rule that callers without labels are under. */
struct known_rule {
    const struct service *service;
    const char *caller; /* a namespace */
    const struct effective_rule *rule;
};
enum { KNOWN_RULES = 64 };

struct analysis {
    struct snapshot *s;                   /* findings, and what they say, live in its arena */
    struct arena *scratch;                /* everything else, until the end of the analysis */
    const struct service **tailed;        /* by host, read from its end: NULL: not asked for yet */
    size_t suggestions;                   /* that were looked for */
    struct known_rule known[KNOWN_RULES]; /* a cache: found again by the service's address */
};

/* ---- the checks; each adds its findings ---- */

void analyze_routes(struct analysis *an);    /* where VirtualServices lead */
void analyze_delegates(struct analysis *an); /* VirtualServices without hosts */
void analyze_shadows(struct analysis *an);   /* rules never reached */
void analyze_rules(struct analysis *an);     /* DestinationRules */
void analyze_hosts(struct analysis *an);     /* hosts declared twice */
void analyze_ports(struct analysis *an);     /* ports wanted twice */
void analyze_workloads(struct analysis *an); /* analyze_hosts.c: selected by nobody */

/* ---- who sees what: exportTo as a set of namespaces ---- */

struct audience {
    const string_list *names; /* as in exportTo */
    const char *owner;        /* what "." stands for */
    bool is_all;
};
struct audience audience_of(
    const string_list *export_to, const string_list *fallback, const char *owner);
struct audience service_audience(const struct snapshot *s, const struct service *service);
struct audience route_audience(const struct snapshot *s, const struct object *virtual_service);
struct audience rule_audience(const struct snapshot *s, const struct object *destination_rule);

bool audience_has(const struct audience *a, const char *ns);
/* Is there a namespace that both have, other than `except` (NULL: any)? */
bool audiences_meet(const struct audience *a, const struct audience *b, const char *except);
/* Has `a` all that `b` has? */
bool audience_covers(const struct audience *a, const struct audience *b);

/* Audiences in the order of age: asks for the oldest that shares a namespace with a younger one,
 * without comparing each with each. Positions are the caller's, from 0 upwards. */
struct crowd {
    struct map by_namespace; /* the first position + 1 */
    size_t first, first_all; /* of anybody; of those that all see; position + 1 */
};
enum { CROWD_NONE = -1 };
long crowd_find(const struct crowd *c, const struct audience *a); /* CROWD_NONE: nobody */
void crowd_join(struct crowd *c, const struct audience *a, size_t position);
void crowd_fini(struct crowd *c);

/* ---- services ---- */

/* The services whose host a pattern (exact, "*" or "*.suffix") covers. */
struct tailed_slice {
    const struct service *const *items;
    size_t count;
};
struct tailed_slice services_covered(struct analysis *an, const char *pattern);

/* The key of the resource that declares it; of an inferred one, of its first instance. */
const char *service_key(const struct service *service);

/* ---- rules ---- */

/* The DestinationRules of a namespace that are for a host: the most specific host first, of one
 * host the oldest first. In scratch memory. */
host_entry_list rules_covering(const struct analysis *an, const char *ns, const char *host);

/* Does the service have an endpoint with the labels? True where endpoints are not for us to know.
 */
bool has_endpoint(const struct service *service, const label_list *labels);

/* Is a subset's traffic passed on to where it was going, whatever endpoints there are? */
struct destination_rule;
struct subset;
bool passes_through(const struct destination_rule *rule, const struct subset *subset);

/* ---- words ---- */

/* "did you mean …", or NULL. Only the first findings get one: it is slow to find. */
const char *suggest_host(struct analysis *an, const char *host);
const char *suggest(struct analysis *an, const char *word, const string_list *candidates);

#endif
