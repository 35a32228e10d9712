/* DestinationRules: which ones a proxy's call is under, and what they come to. */
#include "mesh/index.h"
#include "mesh/policy.h"

#include "model/destination_rule.h"

#include <string.h>

static int compare_exact(const struct host_entry *a, const struct host_entry *b)
{
    int order = strcmp(a->object->ns, b->object->ns);
    return order ? order : strcmp(a->host, b->host);
}

static int compare_exact_items(const void *left, const void *right)
{
    const struct host_entry *a = left, *b = right;
    int order = compare_exact(a, b);
    return order ? order : object_compare_age(a->object, b->object);
}

/* Within a namespace the longest, which is the most specific, comes first. */
static int compare_wildcard_items(const void *left, const void *right)
{
    const struct host_entry *a = left, *b = right;
    size_t a_size = strlen(a->host), b_size = strlen(b->host);
    int order = strcmp(a->object->ns, b->object->ns);
    if (!order)
        order = (a_size < b_size) - (a_size > b_size);
    if (!order)
        order = strcmp(a->host, b->host);
    return order ? order : object_compare_age(a->object, b->object);
}

static int compare_namespace(const struct host_entry *a, const struct host_entry *b)
{
    return strcmp(a->object->ns, b->object->ns);
}

void index_rules(struct snapshot *s)
{
    const struct object_list *rules = &s->objects[KIND_DESTINATION_RULE];
    struct snapshot_index *index = s->index;
    for (size_t i = 0; i < rules->count; i++) {
        const struct object *object = rules->items[i];
        const struct destination_rule *rule = object->spec;
        struct host_entry entry = { host_resolve(s->arena, rule->host, object->ns, s->domain),
            object };
        if (*entry.host == '*')
            list_push(s->arena, &index->wildcard_rules, entry);
        else
            list_push(s->arena, &index->exact_rules, entry);
    }
    if (index->exact_rules.count)
        qsort(index->exact_rules.items,
            index->exact_rules.count,
            sizeof *index->exact_rules.items,
            compare_exact_items);
    if (index->wildcard_rules.count)
        qsort(index->wildcard_rules.items,
            index->wildcard_rules.count,
            sizeof *index->wildcard_rules.items,
            compare_wildcard_items);
}

/* What is asked for: a call from `scope` to `host`, by rules of namespace `ns`. */
struct lookup {
    struct arena *a;
    const struct snapshot *s;
    const struct scope *scope;
    const char *host, *ns;
    bool only_private; /* only rules exported to "." alone */
};

static bool is_private(const struct destination_rule *rule)
{
    return rule->export_to.count == 1 && strcmp(rule->export_to.items[0], ".") == 0;
}

static bool is_usable(const struct lookup *l, const struct object *object)
{
    const struct destination_rule *rule = object->spec;
    if (l->only_private && !is_private(rule))
        return false;
    if (!export_is_visible(&rule->export_to,
            &l->s->mesh->default_destination_rule_export_to,
            object->ns,
            l->scope->ns))
        return false;
    return !rule->workload_selector ||
           (strcmp(object->ns, l->scope->ns) == 0 &&
               labels_match(&l->scope->labels, &rule->workload_selector->labels));
}

typedef LIST(const struct object *) rule_list;

/* The usable rules of a slice of equal hosts, oldest first; those with a selector stand for all. */
static rule_list usable_rules(const struct lookup *l, const struct host_slice *slice)
{
    rule_list plain = { 0 }, selected = { 0 };
    for (size_t i = 0; i < slice->count; i++) {
        const struct object *object = slice->items[i].object;
        const struct destination_rule *rule = object->spec;
        if (!is_usable(l, object))
            continue;
        if (rule->workload_selector)
            list_push(l->a, &selected, object);
        else
            list_push(l->a, &plain, object);
    }
    return selected.count ? selected : plain;
}

/* The rules of the most specific host in one namespace. */
static rule_list rules_in_namespace(const struct lookup *l)
{
    const struct snapshot_index *index = l->s->index;
    const struct object key = { .ns = l->ns };
    const struct host_entry probe = { l->host, &key };
    struct host_slice slice = host_entries_find(&index->exact_rules, &probe, compare_exact);
    rule_list found = usable_rules(l, &slice);
    slice = host_entries_find(&index->wildcard_rules, &probe, compare_namespace);
    for (size_t i = 0, j; i < slice.count && !found.count; i = j) {
        for (j = i + 1; j < slice.count; j++)
            if (strcmp(slice.items[i].host, slice.items[j].host) != 0)
                break;
        struct host_slice same = { slice.items + i, j - i };
        if (host_matches(slice.items[i].host, l->host))
            found = usable_rules(l, &same);
    }
    return found;
}

static void merge_rule(struct arena *a, struct effective_rule *into, const struct object *object)
{
    const struct destination_rule *rule = object->spec;
    list_push(a, &into->objects, object);
    if (!into->policy)
        into->policy = rule->traffic_policy;
    for (list_each (const struct subset, subset, &rule->subsets))
        if (!effective_rule_subset(into, subset->name))
            list_push(a, &into->subsets, subset);
}

const struct effective_rule *effective_rule_find(struct arena *a, const struct snapshot *s,
    const struct scope *scope, const struct service *service)
{
    struct effective_rule *rule = ARENA_NEW(a, struct effective_rule);
    const char *root = s->mesh->root_namespace;
    struct lookup l = { a, s, scope, service->host, scope->ns, strcmp(scope->ns, root) == 0 };
    rule_list found = rules_in_namespace(&l);
    l.only_private = false;
    l.ns = service->ns;
    if (!found.count)
        found = rules_in_namespace(&l);
    l.ns = root;
    if (!found.count)
        found = rules_in_namespace(&l);
    struct hasher *h = found.count ? hasher_new() : NULL;
    for (size_t i = 0; i < found.count; i++) {
        merge_rule(a, rule, found.items[i]);
        hasher_add(h, &found.items[i]->digest, sizeof found.items[i]->digest);
    }
    if (h)
        rule->digest = hasher_finish(h);
    return rule;
}

const struct subset *effective_rule_subset(const struct effective_rule *r, const char *name)
{
    for (size_t i = 0; i < r->subsets.count; i++)
        if (strcmp(r->subsets.items[i]->name, name) == 0)
            return r->subsets.items[i];
    return NULL;
}

/* A port's settings replace four blocks; what they leave out is default, not inherited. */
static void apply_port(
    struct effective_policy *policy, const struct traffic_policy *from, uint32_t service_port)
{
    for (list_each (const struct port_traffic_policy, port, &from->port_level_settings))
        if (port->port && port->port->number == service_port) {
            policy->load_balancer = port->load_balancer;
            policy->connection_pool = port->connection_pool;
            policy->outlier_detection = port->outlier_detection;
            policy->tls = port->tls;
            return;
        }
}

#define OVERRIDE(policy, from, block)                                                              \
    ((policy)->block = (from)->block ? (from)->block : (policy)->block)

static void override_blocks(struct effective_policy *policy, const struct traffic_policy *from)
{
    OVERRIDE(policy, from, load_balancer);
    OVERRIDE(policy, from, connection_pool);
    OVERRIDE(policy, from, outlier_detection);
    OVERRIDE(policy, from, tls);
    OVERRIDE(policy, from, tunnel);
    OVERRIDE(policy, from, proxy_protocol);
    OVERRIDE(policy, from, retry_budget);
}

struct effective_policy effective_policy_of(
    const struct effective_rule *rule, uint32_t service_port, const char *subset)
{
    struct effective_policy policy = { 0 };
    const struct traffic_policy *top = rule->policy;
    const struct subset *of = subset ? effective_rule_subset(rule, subset) : NULL;
    if (top) {
        override_blocks(&policy, top);
        apply_port(&policy, top, service_port);
    }
    const struct traffic_policy *own = of ? of->traffic_policy : NULL;
    if (of)
        policy.tunnel = NULL;
    if (own) {
        override_blocks(&policy, own);
        apply_port(&policy, own, service_port);
    }
    return policy;
}
