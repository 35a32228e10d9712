#include "world.h"

#include "translate/translate.h"

#include <string.h>

enum { RESOURCES_MIN = 5, RESOURCES_MAX = 40, BROKEN_PERCENT = 5, NO_MESH_PERCENT = 30 };
enum { FED_RESOURCES_MAX = 6 }; /* a fuzzer tries many worlds; these are small */

/* ---- the proxies ---- */

/* A sidecar that everything is redirected through, in "default"; one in "apps" that may not be. */
static const struct {
    const char *id, *ns, *app, *region, *zone, *sub_zone;
    const char *interceptions[4];
} proxies[WORLD_PROXIES] = {
    { "sidecar~10.0.0.1~web.default~default.svc.cluster.local",
        "default",
        "web",
        "eu",
        "a",
        "1",
        { "REDIRECT", "REDIRECT", "REDIRECT", "TPROXY" } },
    { "sidecar~10.0.0.2~job.apps~apps.svc.cluster.local",
        "apps",
        "job",
        "us",
        "b",
        "",
        { "NONE", "NONE", "REDIRECT", "NONE" } },
};

static void make_proxy(struct world *w, size_t i)
{
    static const char *const accounts[] = { "", "", "web" };
    static const char *const addresses[] = { "", "", "10.0.0.1,fd00::1" };
    struct error err;
    const char *metadata = arena_printf(w->a,
        "{\"NAMESPACE\":\"%s\",\"INTERCEPTION_MODE\":\"%s\",\"SERVICE_ACCOUNT\":\"%s\","
        "\"INSTANCE_IPS\":\"%s\",\"LABELS\":{\"app\":\"%s\",\"version\":\"v1\"}}",
        proxies[i].ns,
        proxies[i].interceptions[dice_below(&w->dice, ARRAY_COUNT(proxies[i].interceptions))],
        accounts[dice_below(&w->dice, ARRAY_COUNT(accounts))],
        i == 0 ? addresses[dice_below(&w->dice, ARRAY_COUNT(addresses))] : "",
        proxies[i].app);
    w->nodes[i] = (struct scope_input){
        proxies[i].id, metadata, proxies[i].region, proxies[i].zone, proxies[i].sub_zone
    };
    bool is_good = scope_parse(w->a, &w->nodes[i], &w->scopes[i], &err);
    INVARIANT(is_good);
}

/* ---- the resources ---- */

static enum kind draw_kind(struct dice *d)
{
    static const unsigned weights[KIND_COUNT] = {
        [KIND_VIRTUAL_SERVICE] = 8,
        [KIND_DESTINATION_RULE] = 6,
        [KIND_SERVICE_ENTRY] = 9,
        [KIND_REGISTRY_SERVICE] = 2,
        [KIND_REGISTRY_INSTANCE] = 5,
    };
    for (;;) {
        enum kind kind = (enum kind)dice_below(d, KIND_COUNT);
        if (kind != KIND_MESH_CONFIG && dice_below(d, 9) < (weights[kind] ? weights[kind] : 2))
            return kind;
    }
}

static const char *draw_name(struct world *w, enum kind kind, size_t index)
{
    static const char *const services[] = { "a", "b", "web" };
    const char *service = services[dice_below(&w->dice, ARRAY_COUNT(services))];
    if (kind == KIND_REGISTRY_SERVICE)
        return service;
    if (kind == KIND_REGISTRY_INSTANCE)
        return arena_printf(w->a, "%s/i%zu", service, index);
    return arena_printf(w->a, "r%zu", index);
}

static const char *draw_namespace(struct dice *d)
{
    static const char *const namespaces[] = {
        "default", "default", "default", "apps", "istio-system"
    };
    return namespaces[dice_below(d, ARRAY_COUNT(namespaces))];
}

static cJSON *envelope(const struct kind_info *kind, const char *ns, const char *name, cJSON *spec)
{
    char version[64];
    cJSON *value = cJSON_CreateObject();
    snprintf(version, sizeof version, "%s/v1", kind->group);
    cJSON_AddStringToObject(value, "apiVersion", version);
    cJSON_AddStringToObject(value, "kind", kind->name);
    cJSON *metadata = cJSON_AddObjectToObject(value, "metadata");
    cJSON_AddStringToObject(metadata, "name", name);
    cJSON_AddStringToObject(metadata, "namespace", ns);
    cJSON_AddItemToObject(value, "spec", spec);
    return value;
}

static bool has_key(const struct world *w, const char *key)
{
    for (list_each (const struct resource, r, &w->resources))
        if (strcmp(r->key, key) == 0)
            return true;
    return false;
}

static void generate_resource(struct world *w, enum kind kind, size_t index)
{
    const struct kind_info *info = kind_info(kind);
    const char *name = draw_name(w, kind, index), *ns = draw_namespace(&w->dice);
    const char *key = object_key_text(w->a, kind, ns, name);
    struct config_gen g = { w->a, dice_fork(&w->dice), w->seed, ns };
    cJSON *value = config_gen_object(&g, info->schema);
    if (value && dice_chance(&g.dice, BROKEN_PERCENT))
        config_gen_break(&g, value);
    if (value && info->group)
        value = envelope(info, ns, name, value);
    char *text = value ? cJSON_PrintUnformatted(value) : NULL;
    if (!has_key(w, key))
        world_add(w, key, text ? text : "{}");
    cJSON_free(text);
    cJSON_Delete(value);
}

void world_generate(struct world *w)
{
    size_t count = w->dice.fed
                       ? 1 + dice_below(&w->dice, FED_RESOURCES_MAX)
                       : RESOURCES_MIN + dice_below(&w->dice, RESOURCES_MAX - RESOURCES_MIN + 1);
    if (!dice_chance(&w->dice, NO_MESH_PERCENT))
        generate_resource(w, KIND_MESH_CONFIG, 0);
    for (size_t i = 1; i <= count; i++)
        generate_resource(w, draw_kind(&w->dice), i);
}

void world_add(struct world *w, const char *key, const char *value)
{
    struct diags d;
    struct resource r = { arena_strdup(w->a, key), arena_strdup(w->a, value), NULL };
    diags_init(&d, w->a);
    r.object = object_decode(r.key, r.value, strlen(r.value), (int64_t)w->resources.count + 1, &d);
    INVARIANT(r.object || d.errors > 0);
    list_push(w->a, &w->resources, r);
    w->valid += r.object != NULL;
}

void world_init(struct world *w, uint64_t seed)
{
    *w = (struct world){ .a = arena_new(), .dice = { .state = seed }, .seed = seed };
    for (size_t i = 0; i < WORLD_PROXIES; i++)
        make_proxy(w, i);
}

void world_fini(struct world *w)
{
    for (size_t i = 0; i < WORLD_PROXIES; i++)
        xds_view_release(w->views[i]);
    snapshot_release(w->snapshot);
    for (list_each (struct resource, r, &w->resources))
        object_release(r->object);
    arena_free(w->a);
}

/* ---- what the proxies are sent ---- */

/* Every `step`th object from `first` on; steps that have no factor in common with the count give
 * all of them, in another order. */
static struct snapshot *snapshot_of(struct world *w, size_t first, size_t step, size_t count)
{
    struct object **all = ARENA_ARRAY(w->a, struct object *, w->valid + 1);
    struct object **some = ARENA_ARRAY(w->a, struct object *, w->valid + 1);
    size_t valid = 0;
    for (list_each (struct resource, r, &w->resources))
        if (r->object)
            all[valid++] = r->object;
    for (size_t i = 0; i < count; i++)
        some[i] = all[(first + i * step) % valid];
    return snapshot_build(some, count, (int64_t)w->resources.count, level_newest);
}

void world_render(struct world *w)
{
    struct translator *translator = translator_new(NULL);
    w->snapshot = snapshot_of(w, 0, 1, w->valid);
    translator_begin(translator, w->snapshot);
    for (size_t i = 0; i < WORLD_PROXIES; i++)
        w->views[i] = translator_view(translator, &w->scopes[i]);
    translator_free(translator);
}

/* ---- determinism ---- */

static bool is_same(const struct xds_resource *a, const struct xds_resource *b)
{
    return a && b && strcmp(a->name, b->name) == 0 && a->size_bytes == b->size_bytes &&
           memcmp(a->bytes, b->bytes, a->size_bytes) == 0 &&
           hash128_equal(&a->version, &b->version);
}

static const char *view_difference(
    struct world *w, const struct xds_view *a, const struct xds_view *b)
{
    for (unsigned type = 0; type < XDS_TYPE_COUNT; type++) {
        struct xds_cursor at_a = { 0 }, at_b = { 0 };
        struct xds_resource *in_a, *in_b;
        do {
            in_a = xds_view_next(a, (enum xds_type)type, &at_a);
            in_b = xds_view_next(b, (enum xds_type)type, &at_b);
            if ((in_a || in_b) && !is_same(in_a, in_b))
                return arena_printf(w->a,
                    "%s %s, or %s",
                    xds_type_short((enum xds_type)type),
                    in_a ? in_a->name : "(none)",
                    in_b ? in_b->name : "(none)");
        } while (in_a && in_b);
    }
    return NULL;
}

static const char *findings_difference(
    struct world *w, const struct snapshot *a, const struct snapshot *b)
{
    for (size_t i = 0; i < a->findings.count || i < b->findings.count; i++) {
        const struct finding *in_a = i < a->findings.count ? &a->findings.items[i] : NULL;
        const struct finding *in_b = i < b->findings.count ? &b->findings.items[i] : NULL;
        if (!in_a || !in_b || strcmp(in_a->key, in_b->key) != 0 ||
            strcmp(in_a->diag.path, in_b->diag.path) != 0 ||
            strcmp(in_a->diag.message, in_b->diag.message) != 0)
            return arena_printf(w->a, "finding about %s", in_a ? in_a->key : in_b->key);
    }
    return NULL;
}

/* What a translator makes of `snapshot` now, against the world's own views. */
static const char *build_difference(
    struct world *w, struct translator *translator, struct snapshot *snapshot, const char *how)
{
    const char *difference = NULL;
    translator_begin(translator, snapshot);
    for (size_t i = WORLD_PROXIES; i > 0 && !difference; i--) {
        struct xds_view *view = translator_view(translator, &w->scopes[i - 1]);
        difference = view_difference(w, w->views[i - 1], view);
        xds_view_release(view);
    }
    return difference ? arena_printf(w->a, "%s, a proxy is sent other bytes: %s", how, difference)
                      : NULL;
}

static size_t common_factor(size_t a, size_t b)
{
    return b ? common_factor(b, a % b) : a;
}

const char *world_fault(struct world *w)
{
    size_t step = w->valid / 2 + 1;
    while (w->valid && common_factor(step, w->valid) != 1)
        step++;
    struct snapshot *shuffled = snapshot_of(w, w->valid / 3, step, w->valid);
    struct snapshot *half = snapshot_of(w, 1, 2, w->valid / 2);
    struct translator *translator = translator_new(NULL);
    const char *fault = findings_difference(w, w->snapshot, shuffled);
    if (!fault)
        fault = build_difference(w, translator, shuffled, "in another order");
    struct hash128 hash = translator_hash(translator);
    if (!fault) {
        translator_begin(translator, half);
        for (size_t i = 0; i < WORLD_PROXIES; i++)
            xds_view_release(translator_view(translator, &w->scopes[i]));
        fault = build_difference(w, translator, w->snapshot, "after another build");
        struct hash128 again = translator_hash(translator);
        if (!fault && !hash128_equal(&hash, &again))
            fault = "two builds give two hashes";
    }
    translator_free(translator);
    snapshot_release(half);
    snapshot_release(shuffled);
    return fault;
}
