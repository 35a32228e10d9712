/*
 * The keyspace as anybody may write it: bytes under keys of every prefix, changed, gone, held and
 * buried, and what is valid of it through the snapshot and the translator, all as the control loop
 * does it.
 */
#include "support/proxies.h"
#include "support/sockets.h"

#include "daemon/epoch.h"
#include "daemon/peers.h"
#include "keyspace/keyspace.h"
#include "mesh/level.h"
#include "mesh/snapshot.h"
#include "translate/translate.h"

#include <string.h>

enum { STEPS_MAX = 24, WINDOW_MS = 100, LEVELS_MAX = 10 };

static const char *const keys[] = {
    "config/virtualservices/default/a",
    "config/destinationrules/default/a",
    "config/serviceentries/default/a",
    "config/workloadentries/default/a",
    "config/workloadgroups/default/a",
    "mesh",
    "services/default/web",
    "registry/default/web/1",
    "registry/default/web/2",
    "registry/default/web/3",
    "holds/registry/default/web/1",
    "holds/config/virtualservices/default/a",
    "tombstones/registry/default/web/1",
    "replicas/r1",
    "replicas/r2",
    "cluster",
};

struct world {
    struct keyspace keyspace;
    struct keyspace_stats stats;
    struct epoch epoch;
    metric_value epoch_faults;
    struct peers peers;
    int64_t revision;
    uint64_t now_ms;
};

static const struct log_scope silent = { .level = LOG_LEVEL_ERROR + 1 };

/* What a replica tells is read as it was told; builds know a few levels each. */
static void check_record(const struct replica_record *record)
{
    if (record->level_newest - record->level_least > LEVELS_MAX)
        return;
    struct arena *a = arena_new();
    struct buf text = { 0 };
    struct replica_record again;
    struct diags d;
    diags_init(&d, a);
    record_encode(record, &text);
    INVARIANT(record_decode(a, text.data, text.size, &again, &d));
    INVARIANT(again.revision == record->revision && again.level == record->level);
    buf_fini(&text);
    arena_free(a);
}

static void hear_own_key(struct world *w, const struct store_change *change)
{
    const struct store_entry *entry = &change->entry;
    struct arena *a = arena_new();
    struct diags d;
    struct replica_record record;
    diags_init(&d, a);
    if (strcmp(entry->key, "cluster") == 0)
        epoch_told(&w->epoch, change, &d);
    else if (change->is_gone)
        peers_gone(&w->peers, entry->key + strlen("replicas/"));
    else if (record_decode(a, entry->value, entry->size, &record, &d)) {
        check_record(&record);
        peers_heard(&w->peers, &record, w->now_ms);
    }
    if (d.errors > 0)
        keyspace_reject(&w->keyspace, entry, &d);
    arena_free(a);
}

static void apply(struct world *w, unsigned how, struct input *in)
{
    struct arena *a = arena_new();
    unsigned what = input_byte(in);
    struct chunk value = how & 4 ? (struct chunk){ 0 } : input_chunk(in);
    struct store_change change = {
        .is_gone = how & 4,
        .entry = {
            .key = what < 0xf0 ? keys[what % ARRAY_COUNT(keys)] : input_text(in, a),
            .value = how & 4 ? NULL : arena_strndup(a, (const char *)value.bytes, value.size),
            .size = value.size,
            .create_revision = 1 + (how >> 5),
            .mod_revision = w->revision,
            .lease = how >> 3 & 1,
        },
    };
    keyspace_apply(&w->keyspace, &change);
    if (begins_with(change.entry.key, "replicas/") || strcmp(change.entry.key, "cluster") == 0)
        hear_own_key(w, &change);
    arena_free(a);
}

/* What would be written under holds/ comes back, or not. */
static void settle(struct world *w, bool is_written)
{
    for (char *key; (key = keyspace_take_unsettled(&w->keyspace)); free(key)) {
        struct buf value = { 0 };
        struct hold_wanted wanted = { .value = &value };
        struct arena *a = arena_new();
        if (keyspace_hold_wanted(&w->keyspace, key, &wanted) && is_written) {
            struct store_change change = {
                .is_gone = value.size == 0,
                .entry = {
                    .key = arena_printf(a, "holds/%s", key),
                    .value = arena_strndup(a, value.data ? value.data : "", value.size),
                    .size = value.size,
                    .create_revision = w->revision,
                    .mod_revision = ++w->revision,
                    .lease = wanted.is_leased,
                },
            };
            keyspace_apply(&w->keyspace, &change);
        }
        buf_fini(&value);
        arena_free(a);
    }
}

/* A hash that some records tell, served for a while. */
static void serve(struct world *w)
{
    struct served_span span = { .from = 3, .to = w->revision, .level = 1 };
    snprintf(span.hash, sizeof span.hash, "00112233445566778899aabbccddeeff");
    peers_serving(&w->peers, &span);
}

/* Events that are about no single key. */
static void pass(struct world *w, unsigned how)
{
    static const struct map none;
    w->now_ms += (uint64_t)(how >> 2) * WINDOW_MS / 8;
    switch (how >> 2) {
    case 63:
        keyspace_stop_waiting(&w->keyspace);
        break;
    case 62:
        keyspace_set_live(&w->keyspace, false); /* that is of a listing */
        keyspace_keep(&w->keyspace, &none);
        break;
    case 61:
        keyspace_forget_past(&w->keyspace);
        peers_forget(&w->peers);
        break;
    case 60:
        serve(w);
        break;
    default:
        break;
    }
}

static void step(struct world *w, struct input *in)
{
    unsigned how = input_byte(in);
    w->revision++;
    keyspace_begin(&w->keyspace, w->now_ms);
    keyspace_set_live(&w->keyspace, how >> 4 & 1);
    switch (how & 3) {
    case 0:
    case 1:
        apply(w, how, in);
        break;
    case 2:
        settle(w, how & 4);
        break;
    default:
        pass(w, how);
        break;
    }
    keyspace_end(&w->keyspace);
}

/* ---- what is made of it ---- */

static void build(struct world *w)
{
    static const struct scope_input node = {
        "sidecar~10.0.0.1~web.default~default.svc.cluster.local",
        "{\"NAMESPACE\":\"default\",\"LABELS\":{\"app\":\"web\"}}",
        "eu",
        "a",
        "1"
    };
    struct arena *a = arena_new();
    struct scope scope;
    struct error err;
    size_t count;
    struct object **objects = keyspace_objects(&w->keyspace, &count);
    struct snapshot *snapshot = snapshot_build(objects, count, w->revision, level_newest);
    struct translator *translator = translator_new(NULL);
    INVARIANT(scope_parse(a, &node, &scope, &err));
    translator_begin(translator, snapshot);
    xds_view_release(translator_view(translator, &scope));
    translator_free(translator);
    snapshot_release(snapshot);
    for (size_t i = 0; i < count; i++)
        object_release(objects[i]);
    free(objects);
    arena_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    static const struct expiry_settings expiry = { 50, WINDOW_MS };
    struct input in = input_of(bytes, size_bytes);
    struct world w = { .epoch = { .log = &silent }, .now_ms = 1000 };
    w.epoch.faults = &w.epoch_faults;
    uv_loop_t loop;
    sockets_begin(&loop);
    keyspace_init(&w.keyspace, &expiry, &w.stats, &silent);
    peers_init(&w.peers, &silent);
    for (unsigned i = 0; i < STEPS_MAX && !input_is_over(&in); i++)
        step(&w, &in);
    settle(&w, false);
    INVARIANT(w.keyspace.rejects.count <= STEPS_MAX && w.keyspace.by_key.count <= STEPS_MAX);
    if (w.keyspace.by_key.count > 0)
        build(&w);
    free(w.epoch.value);
    keyspace_fini(&w.keyspace);
    peers_fini(&w.peers);
    sockets_end(&loop);
    return 0;
}
