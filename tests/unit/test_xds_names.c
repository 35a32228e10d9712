/* State-of-the-world: every request names the whole subscription, thousands of names, and most are
 * acknowledgements. Those must cost next to nothing, and what they leave out or add must count. */
#include "xds/stream.h"
#include "xds_views.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum {
    NAMES = 3000,
    FEW_BYTES = 4096, /* of memory, for a request that asks for nothing new */
    MANY_BYTES = NAMES * (int)sizeof(char *),
};

struct talk {
    struct arena *a;
    struct xds_stream *stream;
    struct xds_out out;
    const char *names[NAMES + 1]; /* that it asks for, and room for one more */
    char nonce[24];
    int64_t revision;
};

/* Endpoints of all names, of one of them with another content. */
static void show_view(struct talk *t, const char *changed)
{
    struct buf text = { 0 };
    for (size_t i = 0; i < NAMES; i++)
        buf_printf(&text, "E:n%04zu=one ", i);
    if (changed)
        memcpy(strstr(text.data, changed) + strlen(changed) + 1, "two", 3);
    struct xds_view *view = xds_view_of(++t->revision, NULL, text.data);
    xds_out_clear(&t->out);
    xds_stream_view(t->stream, view, &t->out);
    xds_view_release(view);
    buf_fini(&text);
}

/* Says that it took the last response and wants these names. */
static void ask(struct talk *t, size_t count)
{
    const struct xds_request request = {
        .type = XDS_ENDPOINT,
        .nonce = t->nonce,
        .version_info = "",
        .names = { t->names, count },
    };
    xds_out_clear(&t->out);
    xds_stream_request(t->stream, &request, &t->out);
}

/* How many resources came, in one response; -1: none came. */
static int taken(struct talk *t)
{
    if (!t->out.responses.count)
        return -1;
    assert_int_equal(t->out.responses.count, 1);
    memcpy(t->nonce, t->out.responses.items[0].nonce, sizeof t->nonce);
    return (int)t->out.responses.items[0].resources.count;
}

static int setup(void **state)
{
    struct talk *t = xcalloc(1, sizeof *t);
    t->a = arena_new();
    t->stream = xds_stream_new(XDS_SOTW);
    xds_out_init(&t->out);
    for (size_t i = 0; i < NAMES; i++)
        t->names[i] = arena_printf(t->a, "n%04zu", i);
    show_view(t, NULL);
    ask(t, NAMES);
    assert_int_equal(taken(t), NAMES);
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    struct talk *t = *state;
    xds_out_fini(&t->out);
    xds_stream_free(t->stream);
    arena_free(t->a);
    free(t);
    return 0;
}

static void reverse(struct talk *t)
{
    for (size_t i = 0; i < NAMES / 2; i++) {
        const char *name = t->names[i];
        t->names[i] = t->names[NAMES - 1 - i];
        t->names[NAMES - 1 - i] = name;
    }
}

static void test_the_same_names_in_another_order_cost_nothing(void **state)
{
    struct talk *t = *state;
    ask(t, NAMES);
    reverse(t);

    show_view(t, "n1234");
    assert_int_equal(taken(t), 1);
    ask(t, NAMES);

    assert_int_equal(taken(t), -1);
    assert_true(arena_size_bytes(t->out.arena) < FEW_BYTES);
    assert_int_equal(xds_stream_name_count(t->stream), NAMES);
}

static void test_a_name_that_is_left_out_is_not_sent_any_more(void **state)
{
    struct talk *t = *state;
    ask(t, NAMES);
    t->names[7] = t->names[NAMES - 1];

    ask(t, NAMES - 1);
    assert_int_equal(taken(t), -1);
    assert_true(arena_size_bytes(t->out.arena) > MANY_BYTES); /* this is what others are spared */
    show_view(t, "n0007");
    assert_int_equal(taken(t), -1);
    show_view(t, "n0008");
    assert_true(taken(t) > 0);
}

static void test_a_name_that_is_added_is_asked_for(void **state)
{
    struct talk *t = *state;
    ask(t, NAMES);
    t->names[NAMES] = "unknown";

    ask(t, NAMES + 1);
    assert_int_equal(taken(t), 0);
    ask(t, NAMES + 1);
    assert_int_equal(taken(t), -1);
    assert_true(arena_size_bytes(t->out.arena) < FEW_BYTES);
    assert_int_equal(xds_stream_name_count(t->stream), NAMES + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_the_same_names_in_another_order_cost_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_a_name_that_is_left_out_is_not_sent_any_more, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_name_that_is_added_is_asked_for, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
