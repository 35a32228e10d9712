/* The scopes of one serving loop and of the control loop: who is told of which view, and when a
 * scope is wanted. */
#include "daemon/scope_table.h"
#include "daemon/scopes.h"
#include "mesh_fixture.h"
#include "xds_views.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define NODE(number) "sidecar~10.0.0." #number "~web.default~default.svc.cluster.local"

struct world {
    struct scope_table table;
    struct arena *a;
    const struct scope *scope, *other;
    int wanted, dropped;
};

struct stream {
    struct xds_subscriber subscriber;
    struct world *world;
    int views;
    int64_t revision, previewed;
    struct stream *leaves; /* on its view that one unsubscribes; or itself */
    struct stream *joins;  /* on its view that one subscribes */
};

static void on_want(struct scope_table *t, struct shared_scope *scope)
{
    (void)scope;
    container_of(t, struct world, table)->wanted++;
}

static void on_drop(struct scope_table *t, struct shared_scope *scope)
{
    (void)scope;
    container_of(t, struct world, table)->dropped++;
}

static int setup(void **state)
{
    struct world *w = xcalloc(1, sizeof *w);
    w->table = (struct scope_table){ .on_want = on_want, .on_drop = on_drop };
    w->a = arena_new();
    w->scope = fixture_scope(w->a, NODE(1), "{}");
    w->other = fixture_scope(w->a, NODE(2), "{}");
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    scope_table_fini(&w->table);
    arena_free(w->a);
    free(w);
    return 0;
}

static void join(struct stream *s, const struct scope *scope);

static void on_view(struct xds_subscriber *subscriber, struct xds_view *view)
{
    struct stream *s = container_of(subscriber, struct stream, subscriber);
    s->views++;
    s->revision = view->revision;
    if (s->leaves)
        scope_table_remove(&s->world->table, &s->leaves->subscriber);
    s->leaves = NULL;
    if (s->joins)
        join(s->joins, s->world->scope);
    s->joins = NULL;
}

static void on_preview(struct xds_subscriber *subscriber, struct xds_view *view)
{
    container_of(subscriber, struct stream, subscriber)->previewed = view->revision;
}

static void wait_for(struct stream *s, const struct scope *scope, uint64_t ticket)
{
    s->subscriber.on_view = on_view;
    s->subscriber.on_preview = on_preview;
    scope_table_add(&s->world->table, scope, &s->subscriber, ticket);
}

static void join(struct stream *s, const struct scope *scope)
{
    wait_for(s, scope, 1);
    scope_table_decide(&s->world->table, 1, true);
}

static void leave(struct stream *s)
{
    scope_table_remove(&s->world->table, &s->subscriber);
}

static void tell(struct world *w, const struct scope *scope, int64_t revision)
{
    struct xds_view *view = xds_view_of(revision, NULL, "C:a=1");
    scope_table_view(&w->table, scope->key, view);
    xds_view_release(view);
}

static void test_a_scope_is_wanted_from_its_first_stream_to_its_last(void **state)
{
    struct world *w = *state;
    struct stream one = { .world = w }, two = { .world = w };

    join(&one, w->scope);
    join(&two, w->scope);
    assert_int_equal(w->wanted, 1);
    leave(&one);
    assert_int_equal(w->dropped, 0);
    leave(&two);
    assert_int_equal(w->dropped, 1);
    assert_false(scope_table_has(&w->table, w->scope->key));
}

static void test_who_waits_is_shown_what_there_is_as_a_preview(void **state)
{
    struct world *w = *state;
    struct stream first = { .world = w }, late = { .world = w };
    wait_for(&first, w->scope, 1);
    assert_int_equal(first.previewed, 0);

    tell(w, w->scope, 5);
    wait_for(&late, w->scope, 2);
    scope_table_decide(&w->table, 1, true);
    tell(w, w->scope, 6);

    assert_int_equal(first.previewed, 5);
    assert_int_equal(first.revision, 6);
    assert_int_equal(late.previewed, 6);
    assert_int_equal(late.views, 0);
    leave(&first);
    leave(&late);
}

static void test_a_view_goes_to_the_streams_of_its_scope_alone(void **state)
{
    struct world *w = *state;
    struct stream one = { .world = w }, two = { .world = w }, other = { .world = w };
    join(&one, w->scope);
    join(&two, w->scope);
    join(&other, w->other);

    tell(w, w->scope, 5);

    assert_int_equal(one.revision, 5);
    assert_int_equal(two.revision, 5);
    assert_int_equal(other.views, 0);
    leave(&one);
    leave(&two);
    leave(&other);
    tell(w, w->scope, 6); /* nobody wants it any more */
    assert_int_equal(one.views, 1);
}

static void test_who_comes_later_has_the_newest_view_at_once(void **state)
{
    struct world *w = *state;
    struct stream one = { .world = w }, late = { .world = w };
    join(&one, w->scope);
    tell(w, w->scope, 1);
    tell(w, w->scope, 2);

    join(&late, w->scope);

    assert_int_equal(late.views, 1);
    assert_int_equal(late.revision, 2);
    leave(&one);
    leave(&late);
}

/* Each of three streams, told in turn, makes each of them leave. */
static void test_streams_may_leave_while_a_view_is_told(void **state)
{
    struct world *w = *state;

    for (int teller = 0; teller < 3; teller++)
        for (int leaver = 0; leaver < 3; leaver++) {
            struct stream s[3] = { { .world = w }, { .world = w }, { .world = w } };
            for (int i = 0; i < 3; i++)
                join(&s[i], w->scope);
            s[teller].leaves = &s[leaver];

            tell(w, w->scope, 1);

            for (int i = 0; i < 3; i++) {
                assert_int_equal(s[i].views, i == leaver ? s[i].views : 1);
                if (i != leaver)
                    leave(&s[i]);
            }
            assert_false(scope_table_has(&w->table, w->scope->key));
        }
}

static void test_the_last_stream_may_leave_while_it_is_told(void **state)
{
    struct world *w = *state;
    struct stream one = { .world = w };
    one.leaves = &one;
    join(&one, w->scope);

    tell(w, w->scope, 1);

    assert_int_equal(one.views, 1);
    assert_int_equal(w->dropped, 1);
}

static void test_who_joins_while_a_view_is_told_is_told_once(void **state)
{
    struct world *w = *state;
    struct stream one = { .world = w }, two = { .world = w }, new = { .world = w };
    join(&one, w->scope);
    join(&two, w->scope);
    two.joins = &new;

    tell(w, w->scope, 3);

    assert_int_equal(new.views, 1);
    assert_int_equal(new.revision, 3);
    assert_int_equal(one.views, 1);
    leave(&one);
    leave(&two);
    leave(&new);
}

/* ---- the control loop's side ---- */

static void test_a_scope_waits_until_its_view_is_published(void **state)
{
    struct world *w = *state;
    struct scopes scopes = { 0 };
    struct shared_scope *one = shared_scope_new(w->scope), *two = shared_scope_new(w->other);
    struct fixture_value none = { "mesh", "{}" };
    struct snapshot *snapshot = fixture_snapshot(&none, 1);
    size_t count;

    assert_null(scopes_want(&scopes, one));
    assert_null(scopes_want(&scopes, two));
    assert_int_equal(scopes.waiting, 2);
    struct publication *p = publication_new(snapshot, (struct hash128){ 0 }, 1);
    p->views[0] =
        (struct published_view){ shared_scope_retain(one), xds_view_of(1, NULL, "C:a=1") };
    scopes_take(&scopes, p);

    assert_int_equal(scopes.waiting, 1);
    assert_ptr_equal(scopes_want(&scopes, one), p->views[0].view); /* another loop's */
    struct shared_scope **waiting = scopes_list(&scopes, true, &count);
    assert_int_equal(count, 1);
    assert_ptr_equal(waiting[0], two);
    shared_scope_release(waiting[0]);
    free(waiting);

    scopes_drop(&scopes, one->scope.key);
    assert_int_equal(scopes.by_key.count, 2);
    scopes_drop(&scopes, one->scope.key);
    scopes_drop(&scopes, two->scope.key);
    assert_int_equal(scopes.by_key.count, 0);
    assert_int_equal(scopes.waiting, 0);

    publication_release(p);
    snapshot_release(snapshot);
    shared_scope_release(one);
    shared_scope_release(two);
    scopes_fini(&scopes);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static void test_who_waits_is_told_nothing_until_let_in(void **state)
{
    struct world *w = *state;
    struct stream first = { .world = w }, second = { .world = w }, gone = { .world = w };
    tell(w, w->scope, 1); /* for nobody */
    wait_for(&first, w->scope, 3);
    wait_for(&gone, w->scope, 3);
    wait_for(&second, w->scope, 4);

    tell(w, w->scope, 2);
    tell(w, w->scope, 3);
    leave(&gone);
    assert_int_equal(first.views + second.views, 0);

    assert_int_equal(scope_table_decide(&w->table, 3, true), 1);
    assert_int_equal(first.views, 1);
    assert_int_equal(first.revision, 3);
    assert_int_equal(second.views, 0);
    assert_true(scope_table_has_waiting(&w->table));

    tell(w, w->scope, 4);
    assert_int_equal(first.revision, 4);
    assert_int_equal(scope_table_decide(&w->table, 9, true), 1);
    assert_int_equal(second.revision, 4);
    assert_false(scope_table_has_waiting(&w->table));
    leave(&first);
    leave(&second);
}

static void test_who_is_let_in_may_leave_and_take_another_along(void **state)
{
    struct world *w = *state;
    struct stream one = { .world = w }, two = { .world = w }, three = { .world = w };
    wait_for(&one, w->scope, 1);
    wait_for(&two, w->scope, 1);
    wait_for(&three, w->scope, 1);
    tell(w, w->scope, 1);
    one.leaves = &two;
    three.leaves = &three;

    assert_int_equal(scope_table_decide(&w->table, 1, true), 2);

    assert_int_equal(two.views, 0);
    leave(&one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_scope_is_wanted_from_its_first_stream_to_its_last),
        TEST(test_who_waits_is_shown_what_there_is_as_a_preview),
        TEST(test_a_view_goes_to_the_streams_of_its_scope_alone),
        TEST(test_who_comes_later_has_the_newest_view_at_once),
        TEST(test_streams_may_leave_while_a_view_is_told),
        TEST(test_the_last_stream_may_leave_while_it_is_told),
        TEST(test_who_joins_while_a_view_is_told_is_told_once),
        TEST(test_a_scope_waits_until_its_view_is_published),
        TEST(test_who_waits_is_told_nothing_until_let_in),
        TEST(test_who_is_let_in_may_leave_and_take_another_along),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
