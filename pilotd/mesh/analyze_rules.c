/*
 * DestinationRules: those that no caller comes to use, what is lost where several are merged,
 * subsets without endpoints, locality failover that cannot happen.
 */
#include "mesh/analyze.h"

#include "model/destination_rule.h"

#include <string.h>

/* ---- rules of a namespace for a host ---- */

static int compare_namespace(const struct host_entry *a, const struct host_entry *b)
{
    return strcmp(a->object->ns, b->object->ns);
}

static int compare_exact(const struct host_entry *a, const struct host_entry *b)
{
    int order = compare_namespace(a, b);
    return order ? order : strcmp(a->host, b->host);
}

host_entry_list rules_covering(const struct analysis *an, const char *ns, const char *host)
{
    const struct snapshot_index *index = an->s->index;
    const struct object place = { .ns = ns };
    const struct host_entry probe = { host, &place };
    struct host_slice slice = host_entries_find(&index->exact_rules, &probe, compare_exact);
    host_entry_list found = { 0 };
    for (size_t i = 0; i < slice.count; i++)
        list_push(an->scratch, &found, slice.items[i]);
    slice = host_entries_find(&index->wildcard_rules, &probe, compare_namespace);
    for (size_t i = 0; i < slice.count; i++)
        if (host_matches(slice.items[i].host, host))
            list_push(an->scratch, &found, slice.items[i]);
    return found;
}

static bool is_private(const struct destination_rule *rule)
{
    return rule->export_to.count == 1 && strcmp(rule->export_to.items[0], ".") == 0;
}

/* ---- is it used? ---- */

/* One rule, and why it is not used for the last service that was looked at. */
struct use {
    struct analysis *an;
    const struct object *object;
    const char *host; /* resolved */
    struct audience audience;
    const struct service *service;
    const struct object *hidden_by; /* NULL: it is not looked for where it is */
};

static const struct destination_rule *spec_of(const struct use *u)
{
    return u->object->spec;
}

/* Callers look in their own namespace, in the service's and in the root namespace. */
static bool is_looked_for(const struct use *u)
{
    const char *ns = u->object->ns, *root = u->an->s->mesh->root_namespace;
    struct audience service = service_audience(u->an->s, u->service);
    bool has_own_callers = audience_has(&u->audience, ns) && audience_has(&service, ns);
    if (spec_of(u)->workload_selector || has_own_callers)
        return has_own_callers;
    return strcmp(ns, u->service->ns) == 0 || strcmp(ns, root) == 0;
}

/* A rule of the namespace that is for whoever this one is for. */
static bool stands_for(const struct use *u, const struct object *other)
{
    const struct destination_rule *rule = other->spec;
    struct audience audience = rule_audience(u->an->s, other);
    return !rule->workload_selector && audience_covers(&audience, &u->audience);
}

/* Of its own namespace, the rules of a more specific host count alone. */
static const struct object *more_specific(const struct use *u)
{
    if (*u->host != '*')
        return NULL;
    host_entry_list rules = rules_covering(u->an, u->object->ns, u->service->host);
    for (list_each (const struct host_entry, entry, &rules)) {
        if (strcmp(entry->host, u->host) == 0)
            return NULL;
        if (stands_for(u, entry->object))
            return entry->object;
    }
    return NULL;
}

/* The root namespace is asked last: a rule of the service's namespace that all see comes first. */
static const struct object *nearer(const struct use *u)
{
    const char *ns = u->object->ns;
    if (strcmp(ns, u->an->s->mesh->root_namespace) != 0 || strcmp(ns, u->service->ns) == 0 ||
        is_private(spec_of(u)))
        return NULL;
    host_entry_list rules = rules_covering(u->an, u->service->ns, u->service->host);
    for (list_each (const struct host_entry, entry, &rules))
        if (stands_for(u, entry->object))
            return entry->object;
    return NULL;
}

static bool is_used_for(struct use *u, const struct service *service)
{
    u->service = service;
    u->hidden_by = NULL;
    if (!is_looked_for(u))
        return false;
    u->hidden_by = more_specific(u);
    if (!u->hidden_by)
        u->hidden_by = nearer(u);
    return !u->hidden_by;
}

static void tell_unused(const struct use *u)
{
    struct snapshot *s = u->an->s;
    const char *ns = u->object->ns;
    struct audience service = service_audience(s, u->service);
    if (u->hidden_by)
        finding_add(s,
            u->object->key,
            DIAG_UNUSED,
            "spec.host",
            NULL,
            "no caller uses this rule: DestinationRule %s/%s comes first for %s",
            u->hidden_by->ns,
            u->hidden_by->name,
            u->service->host);
    else if (!audience_has(&service, ns))
        finding_add(s,
            u->object->key,
            DIAG_UNUSED,
            "spec.host",
            NULL,
            "no caller uses this rule: %s of namespace %s is not exported to %s",
            u->service->host,
            u->service->ns,
            ns);
    else
        finding_add(s,
            u->object->key,
            DIAG_UNUSED,
            "spec.exportTo",
            NULL,
            "no caller uses this rule: callers look in their own namespace, in that of %s (%s) and "
            "in %s; it is in %s, and not exported there",
            u->service->host,
            u->service->ns,
            s->mesh->root_namespace,
            ns);
}

static void check_use(struct analysis *an, const struct object *object, const char *host)
{
    struct use u = { an, object, host, rule_audience(an->s, object), NULL, NULL };
    struct tailed_slice services = services_covered(an, host);
    for (size_t i = 0; i < services.count; i++)
        if (is_used_for(&u, services.items[i]))
            return;
    if (services.count > 0)
        tell_unused(&u);
    else
        finding_add(an->s,
            object->key,
            DIAG_UNKNOWN_HOST,
            "spec.host",
            suggest_host(an, host),
            "no service is known as %s; the rule is not used",
            host);
}

/* ---- subsets without endpoints ---- */

bool has_endpoint(const struct service *service, const label_list *labels)
{
    bool is_static = service->resolution == RESOLUTION_STATIC;
    bool is_resolved =
        service->resolution == RESOLUTION_DNS || service->resolution == RESOLUTION_DNS_ROUND_ROBIN;
    if (!is_static && !is_resolved)
        return true; /* called where the caller was going to */
    if (is_resolved && service->endpoints.count == 0)
        return labels->count == 0; /* the host itself is called, and has no labels */
    for (list_each (const struct endpoint, e, &service->endpoints))
        if (labels_match(&e->labels, labels))
            return true;
    return false;
}

bool passes_through(const struct destination_rule *rule, const struct subset *subset)
{
    const struct traffic_policy *own = subset->traffic_policy, *top = rule->traffic_policy;
    const struct load_balancer *lb = own ? own->load_balancer : NULL;
    if (!lb && top)
        lb = top->load_balancer;
    return lb && lb->simple == LB_PASSTHROUGH;
}

static bool is_empty_everywhere(const struct tailed_slice *services, const label_list *labels)
{
    const label_list none = { 0 };
    bool has_any = false;
    for (size_t i = 0; i < services->count; i++) {
        if (has_endpoint(services->items[i], labels))
            return false;
        has_any |= has_endpoint(services->items[i], &none);
    }
    return has_any; /* where there is nobody at all, that is not the subset's fault */
}

static void check_subsets(struct analysis *an, const struct object *object, const char *host)
{
    const struct destination_rule *rule = object->spec;
    struct tailed_slice services = services_covered(an, host);
    for (size_t i = 0; i < rule->subsets.count; i++) {
        const struct subset *subset = &rule->subsets.items[i];
        if (passes_through(rule, subset) || !is_empty_everywhere(&services, &subset->labels))
            continue;
        finding_add(an->s,
            object->key,
            DIAG_NO_ENDPOINTS,
            arena_printf(an->s->arena, "spec.subsets[%zu].labels", i),
            NULL,
            "no endpoint of %s has these labels; what is routed to subset \"%s\" gets 503",
            host,
            subset->name);
    }
}

/* ---- what merging leaves out: of one host and namespace, the oldest counts ---- */

struct merge {
    struct analysis *an;
    const struct host_entry *rules; /* of one host and namespace, the oldest first */
    struct map owners;              /* SELECTOR/KIND/NAME → the first rule with it, from 1 */
};

static const char *selector_text(struct arena *a, const struct destination_rule *rule)
{
    const char *text = "";
    for (size_t i = 0; rule->workload_selector && i < rule->workload_selector->labels.count; i++) {
        const struct label *label = &rule->workload_selector->labels.items[i];
        text = arena_printf(a, "%s%s=%s,", text, label->key, label->value);
    }
    return text;
}

/* The older rule that has it already for some of the same callers; else it is this one's. */
static const struct object *claim(
    struct merge *m, size_t position, const char *kind, const char *name)
{
    const struct object *object = m->rules[position].object;
    const char *key = arena_printf(
        m->an->scratch, "%s/%s/%s", selector_text(m->an->scratch, object->spec), kind, name);
    size_t first = (size_t)(uintptr_t)map_find(&m->owners, key);
    if (first == 0) {
        map_put(&m->owners, key, (void *)(uintptr_t)(position + 1));
        return NULL;
    }
    const struct object *owner = m->rules[first - 1].object;
    struct audience a = rule_audience(m->an->s, owner), b = rule_audience(m->an->s, object);
    return audiences_meet(&a, &b, NULL) ? owner : NULL;
}

static void tell_not_merged(struct merge *m, const struct object *object, const char *path,
    const char *what, const struct object *owner)
{
    finding_add(m->an->s,
        object->key,
        DIAG_NOT_MERGED,
        path,
        NULL,
        "has no effect: %s of the older DestinationRule %s/%s for the same host is in force",
        what,
        owner->ns,
        owner->name);
}

static void merge_rule(struct merge *m, size_t position)
{
    const struct object *object = m->rules[position].object;
    const struct destination_rule *rule = object->spec;
    const struct object *owner;
    struct arena *a = m->an->s->arena;
    for (size_t i = 0; i < rule->subsets.count; i++) {
        const char *name = rule->subsets.items[i].name;
        if ((owner = claim(m, position, "subset", name)))
            tell_not_merged(m,
                object,
                arena_printf(a, "spec.subsets[%zu].name", i),
                arena_printf(m->an->scratch, "subset \"%s\"", name),
                owner);
    }
    if (rule->traffic_policy && (owner = claim(m, position, "policy", "")))
        tell_not_merged(m, object, "spec.trafficPolicy", "the whole trafficPolicy", owner);
}

static void check_merges(struct analysis *an, const host_entry_list *rules)
{
    for (size_t i = 0, j; i < rules->count; i = j) {
        struct merge m = { an, rules->items + i, { 0 } };
        for (j = i + 1; j < rules->count; j++)
            if (compare_exact(&rules->items[j], &rules->items[i]) != 0)
                break;
        for (size_t k = 0; j - i > 1 && k < j - i; k++)
            merge_rule(&m, k);
        map_fini(&m.owners, NULL);
    }
}

/* ---- locality failover without outlier detection ---- */

static bool fails_over(const struct load_balancer *lb)
{
    const struct locality_lb_setting *setting = lb ? lb->locality_lb_setting : NULL;
    return setting && (!setting->enabled.is_set || setting->enabled.value) &&
           (setting->failover.count > 0 || setting->failover_priority.count > 0);
}

static void tell_no_outliers(struct analysis *an, const struct object *object, const char *policy)
{
    const char *path = arena_printf(an->s->arena, "%s.loadBalancer.localityLbSetting", policy);
    finding_add(an->s,
        object->key,
        DIAG_NO_OUTLIERS,
        path,
        arena_printf(an->s->arena, "add %s.outlierDetection", policy),
        "has no effect: without outlier detection nobody fails over to another locality");
}

static void check_ports(struct analysis *an, const struct object *object,
    const struct traffic_policy *policy, const char *path)
{
    for (size_t i = 0; i < policy->port_level_settings.count; i++) {
        const struct port_traffic_policy *port = &policy->port_level_settings.items[i];
        if (fails_over(port->load_balancer) && !port->outlier_detection)
            tell_no_outliers(
                an, object, arena_printf(an->scratch, "%s.portLevelSettings[%zu]", path, i));
    }
}

/* A subset inherits what it does not say; a port does not. */
static void check_failover(struct analysis *an, const struct object *object)
{
    const struct destination_rule *rule = object->spec;
    const struct traffic_policy *top = rule->traffic_policy;
    bool has_outliers = top && top->outlier_detection, is_in_subset = false;
    for (size_t i = 0; i < rule->subsets.count; i++) {
        const struct traffic_policy *own = rule->subsets.items[i].traffic_policy;
        if (!own)
            continue;
        const char *path = arena_printf(an->scratch, "spec.subsets[%zu].trafficPolicy", i);
        is_in_subset |= own->outlier_detection != NULL;
        if (fails_over(own->load_balancer) && !own->outlier_detection && !has_outliers)
            tell_no_outliers(an, object, path);
        check_ports(an, object, own, path);
    }
    if (!top)
        return;
    if (fails_over(top->load_balancer) && !has_outliers && !is_in_subset)
        tell_no_outliers(an, object, "spec.trafficPolicy");
    check_ports(an, object, top, "spec.trafficPolicy");
}

/* ---- the whole ---- */

void analyze_rules(struct analysis *an)
{
    const struct object_list *rules = &an->s->objects[KIND_DESTINATION_RULE];
    for (size_t i = 0; i < rules->count; i++) {
        const struct object *object = rules->items[i];
        const struct destination_rule *rule = object->spec;
        const char *host = host_resolve(an->scratch, rule->host, object->ns, an->s->domain);
        check_use(an, object, arena_strdup(an->s->arena, host));
        check_subsets(an, object, host);
        check_failover(an, object);
    }
    check_merges(an, &an->s->index->exact_rules);
    check_merges(an, &an->s->index->wildcard_rules);
}
