#include "truth.h"

#include "keyspace/keyspace.h"

#include <string.h>

static const char prefix[] = "/pilot/";

void truth_init(struct truth *t, struct fake_etcd *etcd)
{
    *t = (struct truth){ .etcd = etcd, .translator = translator_new(NULL) };
    truth_note(t);
}

void truth_fini(struct truth *t)
{
    translator_free(t->translator);
    if (t->fresh)
        translator_free(t->fresh);
    for (size_t i = 0; i < t->generations; i++)
        free(t->histories[i]);
    free(t->histories);
    free(t->counts);
}

/* ---- building ---- */

struct reading {
    struct keyspace keyspace;
    int64_t revision;
};

static void read_key(const char *key, void *value, void *context)
{
    struct reading *r = context;
    const struct etcd_version *v = etcd_at(value, r->revision);
    if (!v || begins_with(key + strlen(prefix), "replicas/"))
        return;
    struct store_change change = { .entry = {
                                       .key = key + strlen(prefix),
                                       .value = v->value,
                                       .size = v->size,
                                       .create_revision = v->create,
                                       .mod_revision = v->mod,
                                       .lease = v->lease,
                                   } };
    keyspace_apply(&r->keyspace, &change);
}

/* As a replica that starts now: it knows nothing that was there before. */
static struct snapshot *build_snapshot(const struct truth *t, size_t *object_count)
{
    struct keyspace_stats stats = { 0 };
    struct log_scope log = { .level = LOG_LEVEL_ERROR + 1 };
    struct reading r = { .revision = t->etcd->revision };
    size_t count;
    const struct expiry_settings never = { .share_percent = EXPIRY_SHARE_NEVER };
    keyspace_init(&r.keyspace, &never, &stats, &log);
    map_each (&t->etcd->newest, read_key, &r)
        ;
    struct object **objects = keyspace_objects(&r.keyspace, &count);
    struct snapshot *s = snapshot_build(objects, count, t->etcd->revision, level_newest);
    for (size_t i = 0; i < count; i++)
        object_release(objects[i]);
    free(objects);
    keyspace_fini(&r.keyspace);
    *object_count = count;
    return s;
}

/* ---- histories ---- */

static void push(struct truth *t, struct truth_moment moment)
{
    size_t g = t->generations - 1, count = t->counts[g]++;
    t->histories[g] = xrealloc(t->histories[g], (count + 1) * sizeof moment);
    t->histories[g][count] = moment;
}

/* A restored backup has the past up to it. */
static void begin_generation(struct truth *t)
{
    size_t g = t->generations++;
    t->histories = xrealloc(t->histories, t->generations * sizeof *t->histories);
    t->counts = xrealloc(t->counts, t->generations * sizeof *t->counts);
    t->histories[g] = NULL;
    t->counts[g] = 0;
    for (size_t i = 0; g > 0 && i < t->counts[g - 1]; i++)
        if (t->histories[g - 1][i].revision <= t->etcd->revision)
            push(t, t->histories[g - 1][i]);
}

static bool is_configuration(const struct fake_etcd *e)
{
    for (size_t i = e->log_count; i > 0 && e->log[i - 1]->mod == e->revision; i--)
        if (!begins_with(e->log[i - 1]->key + strlen(prefix), "replicas/"))
            return true;
    return false;
}

void truth_note(struct truth *t)
{
    struct truth_moment now = { .revision = t->etcd->revision, .effective = t->etcd->revision };
    bool is_new_history = t->generations <= t->etcd->generation;
    if (is_new_history)
        begin_generation(t);
    const struct truth_moment *before = t->counts[t->generations - 1] ? truth_now(t) : NULL;
    if (before && (is_new_history || !is_configuration(t->etcd)))
        return;
    struct snapshot *s = build_snapshot(t, &now.objects);
    translator_begin(t->translator, s);
    now.hash = translator_hash(t->translator);
    if (before && hash128_equal(&before->hash, &now.hash))
        now.effective = before->effective;
    snapshot_release(s);
    push(t, now);
}

const struct truth_moment *truth_at(const struct truth *t, size_t generation, int64_t revision)
{
    const struct truth_moment *history = t->histories[generation];
    size_t at = t->counts[generation];
    while (at > 1 && history[at - 1].revision > revision)
        at--;
    return &history[at - 1];
}

const struct truth_moment *truth_now(const struct truth *t)
{
    size_t g = t->generations - 1;
    return &t->histories[g][t->counts[g] - 1];
}

struct xds_view *truth_view(struct truth *t, const struct scope *scope)
{
    const struct truth_moment *now = truth_now(t);
    if (!t->fresh || memcmp(&t->fresh_of, now, sizeof *now) != 0) {
        size_t count;
        struct snapshot *s = build_snapshot(t, &count);
        if (t->fresh)
            translator_free(t->fresh);
        t->fresh = translator_new(NULL);
        t->fresh_of = *now;
        translator_begin(t->fresh, s);
        snapshot_release(s);
    }
    return translator_view(t->fresh, scope);
}
