/* How many streams a replica may have: the cap, when others are refused or shed, and when not. */
#include "daemon/fair_share.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BEAT_MS = 1000, REPLICAS_MAX = 6 };

/* Replicas that hear each other's records every second. */
struct replica {
    struct peers peers;
    struct fair_share share;
    struct fair_verdict said;
    char id[8];
    const char *state;
    int64_t streams;
    bool is_dead;
};

struct world {
    struct replica replicas[REPLICAS_MAX];
    size_t count;
    struct log_scope log;
    uint64_t now_ms;
};

static struct world *world_of(size_t count, int64_t margin_percent, int64_t slack)
{
    struct world *w = xcalloc(1, sizeof *w);
    w->count = count;
    w->now_ms = 100000;
    for (size_t i = 0; i < count; i++) {
        struct replica *r = &w->replicas[i];
        snprintf(r->id, sizeof r->id, "r%zu", i);
        r->state = "serving";
        r->share = (struct fair_share){ .margin_percent = margin_percent, .slack = slack };
        peers_init(&r->peers, &w->log);
    }
    return w;
}

static void world_free(struct world *w)
{
    for (size_t i = 0; i < w->count; i++)
        peers_fini(&w->replicas[i].peers);
    free(w);
}

static void tell(struct world *w, const struct replica *from)
{
    const struct replica_record record = {
        .id = from->id,
        .instance = "i",
        .version = "1",
        .xds = "",
        .admin = "",
        .state = from->state,
        .level = 1,
        .streams = from->streams,
    };
    for (size_t i = 0; i < w->count; i++)
        if (&w->replicas[i] != from)
            peers_heard(&w->replicas[i].peers, &record, w->now_ms);
}

/* All tell their numbers, and then, a moment later, each reviews its own. */
static void beat(struct world *w)
{
    w->now_ms += BEAT_MS / 2;
    for (size_t i = 0; i < w->count; i++)
        if (!w->replicas[i].is_dead)
            tell(w, &w->replicas[i]);
    w->now_ms += BEAT_MS / 2;
    for (size_t i = 0; i < w->count; i++) {
        struct replica *r = &w->replicas[i];
        if (!r->is_dead)
            r->said = fair_share_review(
                &r->share, &r->peers, r->streams, strcmp(r->state, "serving") == 0, w->now_ms);
    }
}

static void beats(struct world *w, size_t count)
{
    for (size_t i = 0; i < count; i++)
        beat(w);
}

static void set(struct world *w, const int64_t *streams)
{
    for (size_t i = 0; i < w->count; i++)
        w->replicas[i].streams = streams[i];
}

static void assert_leaves_all_alone(const struct world *w)
{
    for (size_t i = 0; i < w->count; i++) {
        assert_int_equal(w->replicas[i].said.room, 0);
        assert_int_equal(w->replicas[i].said.shed, 0);
    }
}

/* What is shed goes to whoever has least, as with a balancer of least connections. */
static size_t shed(struct world *w)
{
    size_t moved = 0;
    for (size_t i = 0; i < w->count; i++)
        for (int64_t k = 0; k < w->replicas[i].said.shed; k++, moved++) {
            struct replica *least = NULL;
            for (size_t j = 0; j < w->count; j++)
                if (!w->replicas[j].is_dead && (!least || w->replicas[j].streams < least->streams))
                    least = &w->replicas[j];
            w->replicas[i].streams--;
            least->streams++;
        }
    return moved;
}

/* ---- the cap ---- */

static const struct {
    const char *about;
    int64_t streams[3];
    const char *states[3];
    int64_t margin, slack, cap; /* of the first replica */
} caps[] = {
    { "a share and a fifth", { 100, 100, 100 }, { "serving", "serving", "serving" }, 20, 0, 120 },
    { "and some more", { 100, 100, 100 }, { "serving", "serving", "serving" }, 20, 10, 130 },
    { "rounded up", { 1, 1, 0 }, { "serving", "serving", "serving" }, 20, 0, 1 },
    { "nobody has any", { 0, 0, 0 }, { "serving", "serving", "serving" }, 20, 10, 10 },
    { "one drains", { 100, 100, 50 }, { "serving", "serving", "draining" }, 20, 0, 120 },
    { "one is stale", { 100, 50, 90 }, { "serving", "degraded", "serving" }, 20, 0, 114 },
    { "one starts", { 100, 0, 90 }, { "serving", "starting", "serving" }, 20, 0, 114 },
    { "alone", { 100, 50, 90 }, { "serving", "degraded", "draining" }, 20, 10, 0 },
    { "not serving itself", { 100, 50, 90 }, { "degraded", "serving", "serving" }, 20, 10, 0 },
    { "switched off", { 100, 0, 0 }, { "serving", "serving", "serving" }, 0, 10, 0 },
    { "a state of a later release", { 60, 0, 60 }, { "serving", "dozing", "serving" }, 20, 0, 72 },
};

static void test_the_cap_is_the_share_of_those_who_serve_and_a_margin(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(caps); i++) {
        struct world *w = world_of(3, caps[i].margin, caps[i].slack);
        set(w, caps[i].streams);
        for (size_t k = 0; k < 3; k++)
            w->replicas[k].state = caps[i].states[k];

        beat(w);

        if (w->replicas[0].said.cap != caps[i].cap)
            fail_msg("%s: %lld", caps[i].about, (long long)w->replicas[0].said.cap);
        world_free(w);
    }
}

static void test_the_caps_leave_a_place_for_everybody(void **state)
{
    (void)state;
    srand(1);
    for (size_t round = 0; round < 2000; round++) {
        size_t count = 2 + (size_t)rand() % (REPLICAS_MAX - 1);
        struct world *w = world_of(count, 1 + rand() % 100, rand() % 3);
        int64_t total = 0, caps_of_all = 0;
        for (size_t i = 0; i < count; i++)
            total += w->replicas[i].streams = rand() % (rand() % 2 ? 10 : 1000);

        beat(w);

        for (size_t i = 0; i < count; i++)
            caps_of_all += w->replicas[i].said.cap;
        assert_true(caps_of_all >= total);
        world_free(w);
    }
}

/* ---- refusing ---- */

static void test_nothing_is_refused_or_shed_while_nobody_has_room(void **state)
{
    (void)state;
    srand(2);
    for (size_t round = 0; round < 300; round++) {
        struct world *w = world_of(3, 1 + rand() % 30, 0);
        int64_t equal = 2 * (rand() % 250);
        set(w, (int64_t[]){ equal, equal, equal });
        beats(w, 8);
        assert_leaves_all_alone(w);
        w->replicas[2].is_dead = true; /* and those who are left have all that there were */
        set(w, (int64_t[]){ equal + equal / 2, equal + equal / 2, equal });
        for (size_t i = 0; i < 30; i++) {
            beat(w);
            assert_leaves_all_alone(w);
        }
        world_free(w);
    }
}

static void test_the_streams_of_a_dead_replica_are_not_sent_to_it(void **state)
{
    (void)state;
    struct world *w = world_of(3, 20, 10);
    set(w, (int64_t[]){ 1000, 1000, 1000 });
    beats(w, 3);

    w->replicas[2].is_dead = true;
    w->replicas[0].streams = 1700; /* the balancer was not fair */
    w->replicas[1].streams = 1300;
    beat(w);
    assert_true(w->replicas[0].streams > w->replicas[0].said.cap);
    assert_leaves_all_alone(w); /* what the others said came before that */

    for (size_t i = 0; i < 3; i++) {
        beat(w);
        assert_in_range(w->replicas[0].said.room, 0, 200);
        assert_int_equal(w->replicas[0].said.shed, 0);
    }
    beats(w, 3);
    assert_int_equal(w->replicas[0].said.cap, 1810); /* it is known to be dead */
    assert_leaves_all_alone(w);
    world_free(w);
}

static void test_each_record_tells_of_room_once(void **state)
{
    (void)state;
    struct world *w = world_of(2, 20, 10);
    struct replica *r = &w->replicas[0];
    set(w, (int64_t[]){ 300, 0 });
    beats(w, 4);
    assert_int_equal(r->said.room, 0); /* its patience is not over */
    beats(w, 2);
    assert_int_equal(r->said.cap, 190);
    assert_int_equal(r->said.room, 15); /* a part of 150 */

    w->replicas[1].is_dead = true;
    w->now_ms += BEAT_MS;
    struct fair_verdict next = fair_share_review(&r->share, &r->peers, r->streams, true, w->now_ms);

    assert_int_equal(next.cap, 190); /* its death is not known yet */
    assert_int_equal(next.room, 0);
    world_free(w);
}

/* ---- shedding ---- */

static void test_one_that_returns_is_given_its_share_little_by_little(void **state)
{
    (void)state;
    struct world *w = world_of(3, 20, 10);
    size_t moved = 0, needed = 0;
    set(w, (int64_t[]){ 200, 200, 0 });

    beats(w, 3);
    assert_int_equal(w->replicas[0].said.shed, 0); /* not before the dead are known */
    for (size_t i = 0; i < 60; i++) {
        beat(w);
        size_t now = shed(w);
        assert_in_range(now, 0, 12);
        moved += now;
        needed += w->replicas[0].streams > w->replicas[0].said.cap;
    }

    assert_in_range(needed, 5, 15);
    assert_true(w->replicas[0].streams <= w->replicas[0].said.cap);
    assert_true(w->replicas[1].streams <= w->replicas[1].said.cap);
    assert_in_range(w->replicas[2].streams, 90, 133);
    assert_int_equal(w->replicas[2].streams, moved); /* none went to and fro */
    assert_leaves_all_alone(w);
    world_free(w);
}

static void test_none_is_refused_while_shedding_is_enough(void **state)
{
    (void)state;
    struct world *w = world_of(2, 20, 10);
    const struct replica *r = &w->replicas[0];
    set(w, (int64_t[]){ 300, 100 });
    beats(w, 6);
    assert_in_range(r->said.room, 1, 10);

    set(w, (int64_t[]){ 245, 155 }); /* cap 250, rest 225 */
    beat(w);

    assert_true(r->said.shed > 0);
    assert_int_equal(r->said.room, 0);

    set(w, (int64_t[]){ 290, 110 });
    beat(w);
    assert_in_range(r->said.room, 1, 10); /* shedding is not enough */
    set(w, (int64_t[]){ 280, 120 });
    beat(w);
    assert_true(r->said.shed > 0);
    assert_int_equal(r->said.room, 0); /* it is */
    world_free(w);
}

static void test_whatever_they_have_they_come_to_rest_within_their_caps(void **state)
{
    (void)state;
    srand(3);
    for (size_t round = 0; round < 300; round++) {
        size_t count = 2 + (size_t)rand() % (REPLICAS_MAX - 1), moved = 0;
        struct world *w = world_of(count, 1 + rand() % 50, rand() % 3);
        for (size_t i = 0; i < count; i++)
            w->replicas[i].streams = rand() % (rand() % 2 ? 10 : 1000);

        for (size_t i = 0; i < 120; i++) {
            beat(w);
            shed(w);
        }

        for (size_t i = 0; i < 10; i++) {
            beat(w);
            moved += shed(w);
        }
        assert_int_equal(moved, 0);
        for (size_t i = 0; i < count; i++)
            assert_true(w->replicas[i].streams <= w->replicas[i].said.cap);
        world_free(w);
    }
}

static void test_one_that_stays_at_its_cap_is_left_alone(void **state)
{
    (void)state;
    struct world *w = world_of(2, 20, 10);
    set(w, (int64_t[]){ 120, 90 }); /* cap 136 */
    beats(w, 20);
    assert_leaves_all_alone(w);
    world_free(w);
}

/* A proxy that is shed, or refused, has no other replica to go to. */
static void test_where_proxies_come_back_it_resigns_for_a_while(void **state)
{
    (void)state;
    struct world *w = world_of(2, 20, 10);
    const struct fair_verdict *said = &w->replicas[0].said;
    size_t resignations = 0, shedding = 0;
    set(w, (int64_t[]){ 300, 0 });

    for (size_t i = 0; i < 90; i++) {
        beat(w);
        resignations += said->resigns;
        shedding += said->shed > 0;
    }
    assert_int_equal(resignations, 1);
    assert_in_range(shedding, 50, FAIR_SHARE_TRY_MS / BEAT_MS);
    assert_leaves_all_alone(w);
    assert_int_equal(said->cap, 190);

    beats(w, FAIR_SHARE_AGAIN_MS / BEAT_MS - 60);
    assert_true(said->shed > 0);
    world_free(w);
}

static void test_with_another_replica_it_tries_again(void **state)
{
    (void)state;
    struct world *w = world_of(3, 20, 10);
    set(w, (int64_t[]){ 300, 0, 0 });
    w->replicas[2].state = "starting";
    beats(w, 90);
    assert_leaves_all_alone(w);

    w->replicas[2].state = "serving";
    beats(w, 2);

    assert_true(w->replicas[0].said.shed > 0);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_cap_is_the_share_of_those_who_serve_and_a_margin),
        cmocka_unit_test(test_the_caps_leave_a_place_for_everybody),
        cmocka_unit_test(test_nothing_is_refused_or_shed_while_nobody_has_room),
        cmocka_unit_test(test_the_streams_of_a_dead_replica_are_not_sent_to_it),
        cmocka_unit_test(test_each_record_tells_of_room_once),
        cmocka_unit_test(test_one_that_returns_is_given_its_share_little_by_little),
        cmocka_unit_test(test_none_is_refused_while_shedding_is_enough),
        cmocka_unit_test(test_whatever_they_have_they_come_to_rest_within_their_caps),
        cmocka_unit_test(test_one_that_stays_at_its_cap_is_left_alone),
        cmocka_unit_test(test_where_proxies_come_back_it_resigns_for_a_while),
        cmocka_unit_test(test_with_another_replica_it_tries_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
