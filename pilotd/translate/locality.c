#include "translate/locality.h"

#include <string.h>

/* ---- what is in force ---- */

static const struct locality_lb_setting *setting_of_rule(const struct load_balancer *lb)
{
    return lb ? lb->locality_lb_setting : NULL;
}

const struct locality_lb_setting *locality_setting(
    const struct mesh_config *mesh, const struct load_balancer *lb)
{
    static const struct locality_lb_setting on = { 0 };
    const struct locality_lb_setting *setting = setting_of_rule(lb);
    if (!setting)
        setting = mesh->locality_lb_setting ? mesh->locality_lb_setting : &on;
    return setting->enabled.is_set && !setting->enabled.value ? NULL : setting;
}

/* "label=value" wants that value; "label" wants the caller's own. */
static string_list labels_wanted(
    struct arena *a, const string_list *priorities, const label_list *own)
{
    string_list wanted = { 0 };
    for (list_each (const char *, priority, priorities)) {
        const char *equals = strchr(*priority, '=');
        const char *label =
            equals ? arena_strndup(a, *priority, (size_t)(equals - *priority)) : *priority;
        const char *value = equals ? equals + 1 : labels_find(own, label);
        list_push(a, &wanted, label);
        list_push(a, &wanted, value ? value : "");
    }
    return wanted;
}

struct locality_args locality_args_of(struct arena *a, const struct snapshot *s,
    const struct scope *scope, const struct effective_rule *rule, struct effective_policy policy)
{
    const struct locality_lb_setting *setting = locality_setting(s->mesh, policy.load_balancer);
    bool distributes = setting && setting->distribute.count;
    if (!setting || (!distributes && !policy.outlier_detection))
        return (struct locality_args){ 0 };

    bool is_rules = setting_of_rule(policy.load_balancer);
    struct locality_args args = {
        .setting = { .value = setting, .digest = is_rules ? rule->digest : mesh_ref(s).digest },
    };
    bool has_priorities = !distributes && setting->failover_priority.count;
    if (has_priorities && scope->labels.count)
        args.client_labels = labels_wanted(a, &setting->failover_priority, &scope->labels);
    if (!has_priorities || setting->failover.count) {
        args.region = scope->locality.region;
        args.zone = scope->locality.zone;
        args.sub_zone = scope->locality.sub_zone;
    }
    return args;
}

/* ---- groups ---- */

static int compare_groups(const void *left, const void *right)
{
    const struct locality *x = &((const struct locality_group *)left)->place;
    const struct locality *y = &((const struct locality_group *)right)->place;
    int order = strcmp(x->region, y->region);
    if (!order)
        order = strcmp(x->zone, y->zone);
    return order ? order : strcmp(x->sub_zone, y->sub_zone);
}

/* What differs most often comes first. */
static bool is_same_place(const struct locality *x, const struct locality *y)
{
    return !strcmp(x->sub_zone, y->sub_zone) && !strcmp(x->zone, y->zone) &&
           !strcmp(x->region, y->region);
}

uint32_t locality_weight(const struct endpoint *e, uint64_t divisor)
{
    return divisor == 1 ? e->weight : (uint32_t)(e->weight / divisor) + 1;
}

/* Half of what Envoy takes leaves room for what locality_weight rounds up. */
static uint64_t weights_divisor(const struct endpoint *const *endpoints, size_t count)
{
    uint64_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += endpoints[i]->weight;
    return total > UINT32_MAX ? total / (UINT32_MAX / 2) + 1 : 1;
}

static void group_add(
    struct arena *a, struct locality_group *group, const struct endpoint *e, uint64_t divisor)
{
    list_push(a, &group->endpoints, e);
    group->weight += locality_weight(e, divisor);
}

/* There are few places: looking through them beats sorting all endpoints. */
static struct locality_group *group_of(
    struct arena *a, struct locality_groups *groups, const struct locality *place)
{
    for (list_each (struct locality_group, group, groups)) {
        if (is_same_place(&group->place, place))
            return group;
    }
    list_push(a, groups, (struct locality_group){ .place = *place });
    return &groups->items[groups->count - 1];
}

static struct locality_groups group_by_place(
    struct arena *a, const struct endpoint *const *endpoints, size_t count)
{
    struct locality_groups groups = { .divisor = weights_divisor(endpoints, count) };
    for (size_t i = 0; i < count; i++) {
        struct locality_group *group = group_of(a, &groups, &endpoints[i]->locality);
        group_add(a, group, endpoints[i], groups.divisor);
    }
    if (groups.count)
        qsort(groups.items, groups.count, sizeof *groups.items, compare_groups);
    return groups;
}

/* ---- distribute ---- */

/* Is `text`, up to '/' or its end, empty, "*" or `name`? Moves *text past the slash. */
static bool step_matches(const char **text, const char *name)
{
    size_t size = strcspn(*text, "/");
    const char *step = *text;
    *text += size + (step[size] == '/');
    if (size == 0 || (size == 1 && *step == '*'))
        return true;
    return strlen(name) == size && memcmp(name, step, size) == 0;
}

/* A pattern is region[/zone[/sub-zone]]; "*" and what is left out match all. */
static bool place_matches(const char *pattern, const struct locality *place)
{
    return step_matches(&pattern, place->region) && step_matches(&pattern, place->zone) &&
           step_matches(&pattern, place->sub_zone);
}

/* Splits `share` over the groups that match and were not taken before, by their weights. */
static void take_share(
    struct locality_groups *groups, bool *is_taken, const char *pattern, uint32_t share)
{
    uint64_t total = 0;
    for (size_t i = 0; i < groups->count; i++) {
        if (!is_taken[i] && place_matches(pattern, &groups->items[i].place))
            total += groups->items[i].weight;
    }
    for (size_t i = 0; i < groups->count; i++) {
        struct locality_group *group = &groups->items[i];
        if (is_taken[i] || !place_matches(pattern, &group->place))
            continue;
        is_taken[i] = true;
        group->weight = (uint32_t)(((uint64_t)group->weight * share + total - 1) / total);
    }
}

static struct locality_groups distribute(
    struct arena *a, struct locality_groups groups, const struct locality_distribute *rule)
{
    bool *is_taken = ARENA_ARRAY(a, bool, groups.count);
    for (list_each (struct locality_weight, to, &rule->to))
        take_share(&groups, is_taken, to->key, to->value);

    struct locality_groups kept = { .divisor = groups.divisor };
    for (size_t i = 0; i < groups.count; i++) {
        if (is_taken[i])
            list_push(a, &kept, groups.items[i]);
    }
    return kept;
}

static const struct locality_distribute *distribute_rule_find(
    const struct locality_lb_setting *setting, const struct locality *own)
{
    for (list_each (struct locality_distribute, rule, &setting->distribute)) {
        if (place_matches(rule->from, own))
            return rule;
    }
    return NULL;
}

/* ---- failover ---- */

static int compare_u32(const void *left, const void *right)
{
    uint32_t x = *(const uint32_t *)left, y = *(const uint32_t *)right;
    return (x > y) - (x < y);
}

/* Envoy wants priorities without gaps. */
static void close_gaps(struct arena *a, struct locality_groups *groups)
{
    uint32_t *used = ARENA_ARRAY(a, uint32_t, groups->count);
    for (size_t i = 0; i < groups->count; i++)
        used[i] = groups->items[i].priority;
    if (groups->count)
        qsort(used, groups->count, sizeof *used, compare_u32);
    for (list_each (struct locality_group, group, groups)) {
        uint32_t rank = 0;
        for (size_t i = 1; i < groups->count && used[i] <= group->priority; i++)
            rank += used[i] != used[i - 1];
        group->priority = rank;
    }
}

/* How many of the wanted labels, from the first, the endpoint does not have in a row: 0 is best. */
static uint32_t label_priority(const struct endpoint *e, const string_list *wanted)
{
    for (size_t i = 0; i + 1 < wanted->count; i += 2) {
        const char *value = labels_find(&e->labels, wanted->items[i]);
        if (strcmp(value ? value : "", wanted->items[i + 1]) != 0)
            return (uint32_t)((wanted->count - i) / 2);
    }
    return 0;
}

static struct locality_groups split_by_labels(
    struct arena *a, const struct locality_groups *groups, const string_list *wanted)
{
    struct locality_groups split = { .divisor = groups->divisor };
    for (list_each (struct locality_group, group, groups)) {
        for (uint32_t priority = 0; priority <= wanted->count / 2; priority++) {
            struct locality_group part = { .place = group->place, .priority = priority };
            for (list_each (const struct endpoint *, e, &group->endpoints)) {
                if (label_priority(*e, wanted) == priority)
                    group_add(a, &part, *e, groups->divisor);
            }
            if (part.endpoints.count)
                list_push(a, &split, part);
        }
    }
    close_gaps(a, &split);
    return split;
}

/* 0 the same place … 3 another region; 4 a region that `failover` does not lead to. */
static uint32_t place_priority(const struct locality *own, const struct locality *place,
    const struct locality_lb_setting *setting)
{
    if (strcmp(own->region, place->region) == 0) {
        if (strcmp(own->zone, place->zone) != 0)
            return 2;
        return strcmp(own->sub_zone, place->sub_zone) != 0;
    }
    for (list_each (struct locality_failover, failover, &setting->failover)) {
        if (!strcmp(failover->from, own->region))
            return strcmp(failover->to, place->region) ? 4 : 3;
    }
    return 3;
}

enum { PLACE_PRIORITIES = 5 };

static void fail_over(struct arena *a, struct locality_groups *groups, const struct locality *own,
    const struct locality_lb_setting *setting)
{
    for (list_each (struct locality_group, group, groups))
        group->priority =
            group->priority * PLACE_PRIORITIES + place_priority(own, &group->place, setting);
    close_gaps(a, groups);
}

struct locality_groups locality_groups_build(struct arena *a,
    const struct endpoint *const *endpoints, size_t count, const struct locality_args *args)
{
    struct locality_groups groups = group_by_place(a, endpoints, count);
    const struct locality_lb_setting *setting = args->setting.value;
    if (!setting)
        return groups;
    struct locality own = { args->region, args->zone, args->sub_zone };
    if (setting->distribute.count) {
        const struct locality_distribute *rule = distribute_rule_find(setting, &own);
        return rule ? distribute(a, groups, rule) : groups;
    }
    if (args->client_labels.count)
        groups = split_by_labels(a, &groups, &args->client_labels);
    if (own.region)
        fail_over(a, &groups, &own, setting);
    return groups;
}
