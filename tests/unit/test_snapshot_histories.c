/*
 * snapshot, over random histories of puts and deletions: what is built depends on the objects
 * alone, not on the order in which they come. Seeded: a failure says its seed and step.
 */
#include "mesh_fixture.h"

#include "mesh/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* ---- a small universe, whose resources get in each other's way ---- */

enum { SEEDS = 20, STEPS = 150, SLOTS = 48 };

static const char *const namespaces[] = { "shop", "bank", "istio-system" };
static const char *const hosts[] = { "cart.shop.svc.cluster.local", "cart", "db.test", "*.test" };
static const char *const labels[] = { "a", "b" };

struct history {
    uint64_t seed, random;
    int64_t revision;
    struct object *slots[SLOTS]; /* NULL: not there */
    struct arena *scratch;       /* the texts of one step */
    bool is_of_endpoints;        /* most steps are instances' */
};

static uint32_t pick(struct history *h, size_t count)
{
    h->random ^= h->random << 13;
    h->random ^= h->random >> 7;
    h->random ^= h->random << 17;
    return (uint32_t)((h->random >> 16) % count);
}
#define PICK(h, array) ((array)[pick((h), ARRAY_COUNT(array))])

static struct fixture_value resource(struct history *h, const char *plural, const char *kind,
    const char *ns, size_t slot, const char *spec)
{
    return (struct fixture_value){ arena_printf(h->scratch, "config/%s/%s/x%zu", plural, ns, slot),
        arena_printf(h->scratch,
            "{\"apiVersion\":\"networking.istio.io/v1\",\"kind\":\"%s\",\"metadata\":{\"name\":"
            "\"x%zu\",\"namespace\":\"%s\"},\"spec\":{%s}}",
            kind,
            slot,
            ns,
            spec) };
}

static struct fixture_value random_entry(struct history *h, const char *ns, size_t slot)
{
    static const char *const protocols[] = { "HTTP", "TCP" };
    const char *more =
        pick(h, 4) == 0
            ? arena_printf(
                  h->scratch, "\"workloadSelector\":{\"labels\":{\"app\":\"%s\"}}", PICK(h, labels))
            : arena_printf(
                  h->scratch, "\"endpoints\":[{\"address\":\"10.1.0.%u\"}]", 5 * pick(h, 3));
    const char *spec = arena_printf(h->scratch,
        "\"hosts\":[\"%s\"],\"resolution\":\"STATIC\",\"ports\":[{\"number\":%u,\"name\":\"p\","
        "\"protocol\":\"%s\",\"targetPort\":%u}],%s",
        pick(h, 2) ? hosts[0] : hosts[2],
        80 + pick(h, 2),
        PICK(h, protocols),
        8080 + pick(h, 2),
        more);
    return resource(h, "serviceentries", "ServiceEntry", ns, slot, spec);
}

static struct fixture_value random_workload(struct history *h, const char *ns, size_t slot)
{
    const char *spec = arena_printf(h->scratch,
        "\"address\":\"10.2.0.%zu\",\"labels\":{\"app\":\"%s\"},\"weight\":%u",
        slot,
        PICK(h, labels),
        1 + pick(h, 2));
    return resource(h, "workloadentries", "WorkloadEntry", ns, slot, spec);
}

static struct fixture_value random_rule(struct history *h, const char *ns, size_t slot)
{
    const char *spec = arena_printf(h->scratch,
        "\"host\":\"%s\",\"subsets\":[{\"name\":\"%s\",\"labels\":{\"v\":\"%u\"}}]",
        PICK(h, hosts),
        PICK(h, labels),
        pick(h, 2));
    return resource(h, "destinationrules", "DestinationRule", ns, slot, spec);
}

static struct fixture_value random_route(struct history *h, const char *ns, size_t slot)
{
    const char *spec = arena_printf(h->scratch,
        "\"hosts\":[\"%s\"],\"http\":[{\"route\":[{\"destination\":{\"host\":\"cart\","
        "\"subset\":\"%s\"}}]}]",
        PICK(h, hosts),
        PICK(h, labels));
    return resource(h, "virtualservices", "VirtualService", ns, slot, spec);
}

static struct fixture_value random_service(struct history *h, const char *ns, size_t slot)
{
    (void)slot;
    return (struct fixture_value){ arena_printf(h->scratch, "services/%s/cart", ns),
        arena_printf(h->scratch,
            "{\"ports\":[{\"name\":\"http\",\"number\":%u,\"protocol\":\"HTTP\"}],"
            "\"hosts\":[\"db.test\"]}",
            80 + pick(h, 2)) };
}

static struct fixture_value random_instance(struct history *h, const char *ns, size_t slot)
{
    return (struct fixture_value){ arena_printf(h->scratch, "registry/%s/cart/i%zu", ns, slot),
        arena_printf(h->scratch,
            "{\"address\":\"10.3.0.%zu\",\"ports\":{\"http\":%u,\"tcp-x\":%u}}",
            slot,
            8080 + pick(h, 3),
            9090 + pick(h, 3)) };
}

/* Of a service whose instances agree. */
static struct fixture_value random_calm_instance(struct history *h, const char *ns, size_t slot)
{
    return (struct fixture_value){ arena_printf(h->scratch, "registry/%s/calm/i%zu", ns, slot),
        arena_printf(h->scratch,
            "{\"address\":\"10.3.0.%u\",\"ports\":{\"http\":8080},\"weight\":%u}",
            5 * pick(h, 8),
            1 + pick(h, 2)) };
}

static struct fixture_value (*const makers[])(struct history *h, const char *ns, size_t slot) = {
    random_entry,
    random_workload,
    random_rule,
    random_route,
    random_instance,
    random_calm_instance,
    random_calm_instance,
    random_service,
};

/* A slot always stands for one key: its kind and namespace follow from its number. There is one
 * registry service for each namespace, and its key has no number. */
static void step(struct history *h)
{
    size_t slot = pick(h, SLOTS);
    if (h->is_of_endpoints && pick(h, 8))
        slot = slot - slot % ARRAY_COUNT(makers) + 5 + pick(h, 2); /* random_calm_instance */
    if (slot >= SLOTS)
        return;
    size_t kind = slot % ARRAY_COUNT(makers);
    size_t ns = slot / ARRAY_COUNT(makers);
    if (makers[kind] == random_service && ns >= ARRAY_COUNT(namespaces))
        return;
    struct object *old = h->slots[slot];
    h->slots[slot] = NULL;
    h->revision += pick(h, 3); /* 0: together with the step before, in one transaction */
    if (pick(h, 4)) {
        h->scratch = arena_new();
        struct fixture_value value =
            makers[kind](h, namespaces[ns % ARRAY_COUNT(namespaces)], slot);
        h->slots[slot] = fixture_object(&value, old ? old->create_revision : h->revision);
        arena_free(h->scratch);
    }
    object_release(old);
}

/* ---- what is built ---- */

static struct snapshot *build(struct history *h, bool is_shuffled)
{
    struct object *objects[SLOTS];
    size_t count = 0;
    for (size_t i = 0; i < SLOTS; i++)
        if (h->slots[i])
            objects[count++] = h->slots[i];
    for (size_t i = count; is_shuffled && i > 1; i--) {
        size_t j = pick(h, i);
        struct object *swapped = objects[i - 1];
        objects[i - 1] = objects[j];
        objects[j] = swapped;
    }
    return snapshot_build(objects, count, h->revision, level_newest);
}

/* Everything that endpoints come to, as text. */
static void describe_endpoints(struct arena *a, string_list *out, const struct service *service)
{
    for (list_each (const struct endpoint, e, &service->endpoints))
        for (list_each (const struct service_port, port, &service->ports))
            list_push(a,
                out,
                arena_printf(a,
                    "%s %s %u %u",
                    e->object->key,
                    e->address,
                    e->weight,
                    endpoint_port(e, port)));
}

static void describe_service(struct arena *a, string_list *out, const struct service *service)
{
    char digest[HASH128_TEXT_BYTES], endpoints[HASH128_TEXT_BYTES];
    hash128_text(&service->digest, digest);
    hash128_text(&service->endpoints_digest, endpoints);
    list_push(a,
        out,
        arena_printf(a,
            "%s %s of %d: %s %s %s",
            service->ns,
            service->host,
            (int)service->create_revision,
            digest,
            endpoints,
            service->auto_address));
    for (list_each (const struct service_port, port, &service->ports))
        list_push(a,
            out,
            arena_printf(
                a, "%u %s %d %u", port->number, port->name, port->protocol, port->target_port));
    describe_endpoints(a, out, service);
}

static void describe_policy(
    struct arena *a, string_list *out, const struct snapshot *s, const struct scope *scope)
{
    service_list seen = visible_services(a, s, scope);
    for (size_t i = 0; i < seen.count; i++) {
        char digest[HASH128_TEXT_BYTES];
        hash128_text(&effective_rule_find(a, s, scope, seen.items[i])->digest, digest);
        const struct object *route = virtual_service_find(s, scope, seen.items[i]->host);
        list_push(a,
            out,
            arena_printf(a, "%s %s %s", seen.items[i]->host, digest, route ? route->key : "-"));
    }
}

/* Who lives where. */
static void describe_places(struct arena *a, string_list *out, const struct snapshot *s)
{
    for (unsigned net = 1; net <= 3; net++)
        for (unsigned at = 0; at < SLOTS; at += 5) {
            const char *node =
                arena_printf(a, "sidecar~10.%u.0.%u~w.shop~shop.svc.cluster.local", net, at);
            local_port_list ports = local_ports(a, s, fixture_scope(a, node, "{}"));
            for (list_each (const struct local_port, port, &ports))
                list_push(a,
                    out,
                    arena_printf(a,
                        "%s %s:%u at %s:%u",
                        port->endpoint->object->key,
                        port->service->host,
                        port->port->number,
                        port->endpoint->address,
                        port->number));
        }
}

static void describe_objects(struct arena *a, string_list *out, const struct snapshot *s)
{
    char text[HASH128_TEXT_BYTES];
    struct hash128 sum = hash_sum_hash(&s->sum);
    hash128_text(&sum, text);
    list_push(a, out, arena_strdup(a, text));
    for (enum kind kind = 0; kind < KIND_COUNT; kind++)
        for (size_t i = 0; i < s->objects[kind].count; i++) {
            hash128_text(&s->objects[kind].items[i]->digest, text);
            list_push(a, out, arena_printf(a, "%s %s", s->objects[kind].items[i]->key, text));
        }
}

static string_list describe(struct arena *a, const struct snapshot *s)
{
    string_list out = { 0 };
    struct scope *scope = fixture_scope(a, "sidecar~10.3.0.4~w.shop~shop.svc.cluster.local", "{}");
    for (size_t i = 0; i < s->services.count; i++)
        describe_service(a, &out, s->services.items[i]);
    describe_policy(a, &out, s, scope);
    describe_places(a, &out, s);
    describe_objects(a, &out, s);
    return out;
}

static void describe_findings(struct arena *a, string_list *out, const struct snapshot *s)
{
    for (list_each (const struct finding, f, &s->findings))
        list_push(a, out, arena_printf(a, "%s %s", f->key, diag_text(a, &f->diag)));
}

static void assert_same(
    const struct history *h, int at, const struct snapshot *one, const struct snapshot *two)
{
    struct arena *a = arena_new();
    string_list x = describe(a, one), y = describe(a, two);
    if (!one->root) { /* what was patched has findings from before */
        describe_findings(a, &x, one);
        describe_findings(a, &y, two);
    }
    for (size_t i = 0; i < x.count && i < y.count; i++)
        if (strcmp(x.items[i], y.items[i]) != 0)
            fail_msg("seed %d, step %d: %s and %s", (int)h->seed, at, x.items[i], y.items[i]);
    assert_int_equal(x.count, y.count);
    arena_free(a);
}

/* ---- what always holds ---- */

static bool is_sorted(const struct endpoint *a, const struct endpoint *b)
{
    int order = strcmp(a->object->key, b->object->key);
    return order < 0 || (order == 0 && a->index <= b->index);
}

static void assert_objects_by_age(const struct snapshot *s)
{
    for (enum kind kind = 0; kind < KIND_COUNT; kind++)
        for (size_t i = 1; i < s->objects[kind].count; i++)
            assert_true(
                object_compare_age(s->objects[kind].items[i - 1], s->objects[kind].items[i]) <= 0);
}

/* One service for each host and namespace, in order, with its endpoints in order. */
static void assert_services_in_order(const struct snapshot *s)
{
    for (size_t i = 0; i < s->services.count; i++) {
        const struct service *x = s->services.items[i];
        for (size_t j = i + 1; j < s->services.count; j++) {
            const struct service *y = s->services.items[j];
            int order = strcmp(x->host, y->host);
            assert_true(order < 0 || (order == 0 && x->create_revision <= y->create_revision));
            assert_false(order == 0 && strcmp(x->ns, y->ns) == 0);
        }
        for (size_t j = 1; j < x->endpoints.count; j++)
            assert_true(is_sorted(&x->endpoints.items[j - 1], &x->endpoints.items[j]));
    }
}

static void assert_no_instance_is_lost(const struct snapshot *s)
{
    size_t found = 0;
    for (size_t i = 0; i < s->services.count; i++)
        for (list_each (const struct endpoint, e, &s->services.items[i]->endpoints))
            if (e->object->kind == KIND_REGISTRY_INSTANCE &&
                strchr("c", *s->services.items[i]->host))
                found++;
    assert_int_equal(found, s->objects[KIND_REGISTRY_INSTANCE].count);
}

/* ---- the property ---- */

static struct history history_of(uint64_t seed)
{
    return (struct history){ .seed = seed, .random = seed * 0x9e3779b97f4a7c15u, .revision = 1 };
}

static void history_fini(struct history *h)
{
    for (size_t i = 0; i < SLOTS; i++)
        object_release(h->slots[i]);
}

static void test_a_snapshot_depends_on_its_objects_alone(void **state)
{
    (void)state;
    size_t findings = 0, services = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct history h = history_of(seed);
        for (int at = 0; at < STEPS; at++) {
            step(&h);
            struct snapshot *one = build(&h, false), *two = build(&h, true);
            assert_same(&h, at, one, two);
            assert_objects_by_age(two);
            assert_services_in_order(two);
            assert_no_instance_is_lost(two);
            findings += one->findings.count;
            services += one->services.count;
            snapshot_release(one);
            snapshot_release(two);
        }
        history_fini(&h);
    }
    assert_true(services > SEEDS * STEPS && findings > SEEDS * STEPS); /* there was something */
}

/* Several steps go together now and then. */
static struct snapshot *next_snapshot(struct history *h, struct snapshot *former, size_t *patched)
{
    struct object *before[SLOTS];
    struct object_change changes[SLOTS];
    size_t count = 0;
    for (size_t i = 0; i < SLOTS; i++)
        before[i] = h->slots[i] ? object_retain(h->slots[i]) : NULL;
    do
        step(h);
    while (pick(h, 4) == 0);
    for (size_t i = 0; i < SLOTS; i++)
        if (h->slots[i] != before[i])
            changes[count++] =
                (struct object_change){ h->slots[i] ? h->slots[i]->key : before[i]->key,
                    h->slots[i] };
    struct snapshot *next =
        former ? snapshot_next(former, changes, count, h->revision, level_newest) : build(h, true);
    *patched += next->root != NULL && count > 0;
    for (size_t i = 0; i < SLOTS; i++)
        object_release(before[i]);
    return next;
}

static void test_the_next_snapshot_is_what_is_built_from_nothing(void **state)
{
    (void)state;
    size_t patched = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct history h = history_of(seed);
        struct snapshot *current = NULL;
        for (int at = 0; at < STEPS; at++) {
            h.is_of_endpoints = at > STEPS / 4;
            struct snapshot *next = next_snapshot(&h, current, &patched);
            struct snapshot *whole = build(&h, false);
            snapshot_release(current);
            current = next;
            assert_same(&h, at, next, whole);
            assert_objects_by_age(next);
            snapshot_release(whole);
        }
        snapshot_release(current);
        history_fini(&h);
    }
    assert_true(patched > SEEDS * STEPS / 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_snapshot_depends_on_its_objects_alone),
        cmocka_unit_test(test_the_next_snapshot_is_what_is_built_from_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
