#include "etcd_world.h"

#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct etcd_fixture shared;

static const char *url_of(char *out, size_t size, unsigned port)
{
    snprintf(out, size, "etcd://127.0.0.1:%u/test", port);
    return out;
}

static void open_world(struct world *w)
{
    unsigned port = w->etcd.members[0].client_port;
    recorder_init(&w->r);
    relay_open(&w->relay, w->r.loop, port);
    recorder_init(&w->direct);
    url_of(w->direct_url, sizeof w->direct_url, port);
    url_of(w->url, sizeof w->url, w->relay.port);
    recorder_open_oneshot(&w->direct, w->direct_url, NULL);
}

int world_start(void **state)
{
    struct world *w = xcalloc(1, sizeof *w);
    w->etcd = shared;
    etcdctl(&w->etcd, 0, "del / --prefix");
    open_world(w);
    *state = w;
    return 0;
}

static int start_members(void **state, size_t count)
{
    struct world *w = xcalloc(1, sizeof *w);
    w->is_own = true;
    etcd_fixture_start(&w->etcd, count);
    open_world(w);
    *state = w;
    return 0;
}

int world_start_own(void **state)
{
    return start_members(state, 1);
}

int world_start_three(void **state)
{
    return start_members(state, 3);
}

int world_start_small(void **state)
{
    static char flags[64];
    struct world *w = xcalloc(1, sizeof *w);
    w->is_own = true;
    snprintf(flags, sizeof flags, "--quota-backend-bytes %d", WORLD_SMALL_BYTES);
    etcd_fixture_start_with(&w->etcd, ETCD_PLAIN, flags);
    open_world(w);
    *state = w;
    return 0;
}

int world_stop(void **state)
{
    struct world *w = *state;
    relay_close(&w->relay);
    recorder_close(&w->r);
    recorder_close(&w->direct);
    if (w->is_own)
        etcd_fixture_remove(&w->etcd);
    free(w);
    return 0;
}

int world_start_shared(void **state)
{
    (void)state;
    etcd_fixture_start(&shared, 1);
    return 0;
}

int world_stop_shared(void **state)
{
    (void)state;
    etcd_fixture_remove(&shared);
    return 0;
}

void world_follow(struct world *w)
{
    recorder_open(&w->r, w->url, NULL);
    recorder_until_following(&w->r);
}

int64_t world_put(struct world *w, const char *key, const char *value)
{
    return recorder_put(&w->direct, key, value);
}

void world_put_many(struct world *w, size_t from, size_t to, size_t value_bytes)
{
    char *value = memset(xcalloc(1, value_bytes + 1), 'v', value_bytes);
    struct arena *a = arena_new();
    while (from < to) {
        struct store_write writes[STORE_TXN_WRITES_MAX];
        size_t count = 0;
        for (; count < ARRAY_COUNT(writes) && from < to; from++)
            writes[count++] = (struct store_write){ .key = arena_printf(a, "many/%06zu", from),
                .value = value,
                .size = value_bytes,
                .expected_mod_revision = STORE_ANY_REVISION };
        struct answer *answer = answer_new(&w->direct);
        store_txn(w->direct.store, writes, count, &answer->call);
        assert_true(answer_good(answer).succeeded);
    }
    arena_free(a);
    free(value);
}
