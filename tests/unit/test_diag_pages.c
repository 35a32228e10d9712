/* The page of each code: its example gives it, and there is something to read. */
#include "mesh/snapshot.h"
#include "model/load.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static bool has_code(const struct loader *l, enum diag_code code)
{
    for (list_each (const struct load_item, item, &l->items))
        for (list_each (const struct diag, diag, &item->diags.list))
            if (diag->code == code)
                return true;
    return false;
}

static bool analysis_has_code(struct arena *a, const struct loader *l, enum diag_code code)
{
    struct object **objects = ARENA_ARRAY(a, struct object *, l->items.count + 1);
    size_t count = 0;
    bool is_found = false;
    for (list_each (const struct load_item, item, &l->items))
        if (item->object)
            objects[count++] = item->object;
    struct snapshot *snapshot = snapshot_build(objects, count, 1, level_newest);
    for (list_each (const struct finding, finding, &snapshot->findings))
        is_found = is_found || finding->diag.code == code;
    snapshot_release(snapshot);
    return is_found;
}

static void test_each_example_gives_its_code(void **state)
{
    (void)state;
    for (size_t i = 0; i < diag_page_count; i++) {
        const struct diag_page *page = &diag_pages[i];
        struct arena *a = arena_new();
        struct loader l;
        loader_init(&l, a);
        loader_add(&l, "example.yaml", page->example, strlen(page->example));
        loader_finish(&l);
        bool is_found = has_code(&l, page->code) || analysis_has_code(a, &l, page->code);
        if (*page->example && !is_found)
            fail_msg("the example of PIL%04d does not give it", (int)page->code);
        if (page->code >= 400 && page->code < 500) /* it must be of resources that are valid */
            assert_int_equal(l.errors, 0);
        loader_fini(&l);
        arena_free(a);
    }
}

/* Only what no file can say has none. */
static void test_each_page_says_something(void **state)
{
    (void)state;
    for (size_t i = 0; i < diag_page_count; i++) {
        const struct diag_page *page = &diag_pages[i];
        assert_true(*page->title && *page->meaning && *page->mend);
        bool has_none = page->code == DIAG_TOO_LARGE || page->code == DIAG_KEY_MISMATCH;
        assert_int_equal(!*page->example, has_none);
        assert_true(i == 0 || page->code > diag_pages[i - 1].code);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_example_gives_its_code),
        cmocka_unit_test(test_each_page_says_something),
    };
    return cmocka_run_group_tests_name("diag_pages", tests, NULL, NULL);
}
