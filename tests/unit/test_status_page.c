/* The status page: parts of long lists, and that no name becomes markup. */
#include "daemon/html_out.h"
#include "daemon/listings.h"
#include "daemon/page.h"
#include "mesh_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define HOSTILE "</td><script>alert(1)</script>\"'&"

static struct buf text_of(const char *text)
{
    struct buf out = { 0 };
    buf_text(&out, "");
    html_text(&out, text);
    return out;
}

static void test_no_text_becomes_markup(void **state)
{
    static const struct {
        const char *text, *html;
    } cases[] = {
        { "<b a=\"x\" c='y'>&", "&lt;b a=&quot;x&quot; c=&#39;y&#39;&gt;&amp;" },
        { "gr\xc3\xbc\xc3\x9f \xe2\x86\x92 \xf0\x9f\x98\x80",
            "gr\xc3\xbc\xc3\x9f \xe2\x86\x92 \xf0\x9f\x98\x80" },
        { "a\x01"
          "b\x7f",
            "a\xef\xbf\xbd"
            "b\xef\xbf\xbd" },
        { "\xc3<", "\xef\xbf\xbd&lt;" }, /* half a character hides nothing */
        { "\xff\x80", "\xef\xbf\xbd\xef\xbf\xbd" },
        { "\xe2\x80\xaex", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdx" }, /* from right to left */
        { "\xe2\x81\xa6x", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdx" },
        { NULL, "" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct buf out = text_of(cases[i].text);
        assert_string_equal(out.data ? out.data : "", cases[i].html);
        buf_fini(&out);
    }
}

static void test_a_question_is_escaped_for_an_address(void **state)
{
    struct buf out = { 0 };
    (void)state;

    html_url(&out, "a b&c=\"<\xc3\xbc");

    assert_string_equal(out.data, "a%20b%26c%3D%22%3C%C3%BC");
    buf_fini(&out);
}

/* ---- ranges ---- */

static void test_a_range_is_what_the_question_says(void **state)
{
    struct arena *a = arena_new();
    struct range range;
    (void)state;

    assert_null(range_parse(a, "search=a+b%2Bc&from=7&limit=3&sort=state&order=desc", &range));

    assert_string_equal(range.search, "a b+c");
    assert_int_equal(range.from, 7);
    assert_int_equal(range.limit, 3);
    assert_string_equal(range.sort, "state");
    assert_true(range.is_descending);
    assert_null(range_parse(a, "", &range));
    assert_int_equal(range.limit, RANGE_LIMIT_DEFAULT);
    arena_free(a);
}

static void test_a_range_has_limits(void **state)
{
    static const char *const wrong[] = { "limit=0",
        "limit=201",
        "limit=x",
        "from=-1",
        "from=99999999999999999999",
        "from=1x",
        "order=up" };
    struct arena *a = arena_new();
    struct range range;
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(wrong); i++)
        assert_non_null(range_parse(a, wrong[i], &range));
    arena_free(a);
}

/* ---- proxies ---- */

static struct buf proxies_report(size_t count)
{
    struct buf report = { 0 };
    buf_text(&report, "[");
    for (size_t i = 0; i < count; i++)
        buf_printf(&report,
            "%s{\"id\":\"p%05zu\",\"address\":\"10.0.0.%zu\",\"userAgent\":\"envoy\",\"types\":{"
            "\"CDS\":{\"state\":\"%s\"},\"LDS\":{\"state\":\"synced\"}}}",
            i ? "," : "",
            count - i,
            i % 7,
            i == 3 ? "nacked" : "synced");
    buf_text(&report, "]");
    return report;
}

static cJSON *list_proxies(size_t count, const char *query)
{
    struct arena *a = arena_new();
    struct buf report = proxies_report(count);
    struct range range;
    assert_null(range_parse(a, query, &range));
    cJSON *json = listing_proxies(&report, 1, &range);
    buf_fini(&report);
    arena_free(a);
    return json;
}

static const char *id_at(const cJSON *json, int at)
{
    return json_text(
        cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(json, "proxies"), at), "id");
}

static void test_proxies_are_sorted_and_cut(void **state)
{
    cJSON *json = list_proxies(1000, "from=2&limit=2");
    (void)state;

    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(json, "proxies")), 2);
    assert_string_equal(id_at(json, 0), "p00003");
    assert_string_equal(id_at(json, 1), "p00004");
    cJSON_Delete(json);
    json = list_proxies(1000, "order=desc&limit=1");
    assert_string_equal(id_at(json, 0), "p01000");
    cJSON_Delete(json);
    json = list_proxies(10, "from=10");
    assert_null(id_at(json, 0));
    cJSON_Delete(json);
    assert_null(list_proxies(1, "sort=colour"));
}

static void test_a_proxy_is_as_well_as_its_worst_type(void **state)
{
    cJSON *json = list_proxies(10, "sort=state&limit=1");
    (void)state;

    assert_string_equal(id_at(json, 0), "p00007");
    cJSON_Delete(json);
    json = list_proxies(10, "search=NACK");
    assert_string_equal(id_at(json, 0), "p00007");
    assert_null(id_at(json, 1));
    cJSON_Delete(json);
}

/* ---- services and routes ---- */

static struct snapshot *shop(void)
{
    static const struct fixture_value values[] = {
        { "services/default/web",
            "{\"ports\":[{\"name\":\"http\",\"number\":80,\"protocol\":\"HTTP\"}]}" },
        { "registry/default/web/i1",
            "{\"address\":\"10.1.0.1\",\"ports\":{\"http\":8080},\"labels\":{\"v\":\"1\"}}" },
        { "registry/default/web/i2",
            "{\"address\":\"10.1.0.2\",\"ports\":{\"http\":8080},\"labels\":{\"v\":\"2\"},"
            "\"health\":\"draining\"}" },
        { "config/destinationrules/default/web",
            "{\"apiVersion\":\"networking.istio.io/v1\",\"kind\":\"DestinationRule\",\"metadata\":{"
            "\"name\":\"web\"},\"spec\":{\"host\":\"web\",\"subsets\":[{\"name\":\"v1\","
            "\"labels\":{\"v\":\"1\"}}]}}" },
        { "config/virtualservices/default/web",
            "{\"apiVersion\":\"networking.istio.io/v1\",\"kind\":\"VirtualService\",\"metadata\":{"
            "\"name\":\"web\"},\"spec\":{\"hosts\":[\"web\"],\"http\":[{\"match\":[{\"uri\":{"
            "\"prefix\":\"/<b>\"}}],\"route\":[{\"destination\":{\"host\":\"web\",\"subset\":"
            "\"v1\"},\"weight\":90},{\"destination\":{\"host\":\"none\"},\"weight\":10}]}]}}" },
    };
    return fixture_snapshot(values, ARRAY_COUNT(values));
}

static char *printed(cJSON *json)
{
    char *text = cJSON_PrintUnformatted(json);
    cJSON_Delete(json);
    return text;
}

static void test_services_have_their_health(void **state)
{
    struct snapshot *s = shop();
    const struct range range = { .limit = 10, .search = "WEB", .sort = "" };
    const struct range other = { .limit = 10, .search = "nobody", .sort = "" };
    (void)state;

    char *text = printed(listing_services(s, &range));
    char *nothing = printed(listing_services(s, &other));

    assert_non_null(strstr(text, "\"endpoints\":2,\"healthy\":1,\"draining\":1,\"unhealthy\":0"));
    assert_non_null(strstr(nothing, "\"total\":1,\"matching\":0"));
    assert_non_null(strstr(nothing, "\"services\":[]"));
    free(text);
    free(nothing);
    snapshot_release(s);
}

static void test_routes_lead_to_subsets_with_their_splits(void **state)
{
    struct snapshot *s = shop();
    const struct range range = { .limit = 10, .search = "", .sort = "" };
    (void)state;

    char *text = printed(listing_graph(s, &range));

    assert_non_null(strstr(text, "\"match\":[\"path prefix /<b>\"]"));
    assert_non_null(strstr(text, "\"subset\":\"v1\",\"weight\":90,\"endpoints\":1,\"healthy\":1"));
    assert_non_null(strstr(text, "\"problem\":\"no such host\""));
    free(text);
    snapshot_release(s);
}

/* ---- the page ---- */

static void test_hostile_names_are_shown_and_nothing_else(void **state)
{
    struct snapshot *s = shop();
    struct range range = { .limit = 10, .search = HOSTILE, .sort = "" };
    struct buf out = { 0 }, report = { 0 };
    cJSON *proxy = cJSON_CreateObject(), *list = cJSON_CreateArray();
    (void)state;
    cJSON_AddStringToObject(proxy, "id", HOSTILE);
    cJSON_AddStringToObject(proxy, "userAgent", HOSTILE);
    cJSON_AddItemToArray(list, proxy);
    char *text = printed(list);
    buf_text(&report, text);
    cJSON *proxies = listing_proxies(&report, 1, &range);
    range.search = "";
    cJSON *graph = listing_graph(s, &range);
    const struct page page = {
        .path = "/ui/proxies", .title = "Proxies", .id = HOSTILE, .proxies = proxies, .graph = graph
    };

    page_render(&out, &page);

    assert_null(strstr(out.data, "<script>"));
    assert_null(strstr(out.data, "/<b>"));
    assert_non_null(
        strstr(out.data, "&lt;/td&gt;&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;"));
    assert_non_null(strstr(out.data, "path prefix /&lt;b&gt;"));
    assert_non_null(strstr(out.data, "1 to 1 of 1"));
    assert_null(strstr(out.data, "{{"));
    cJSON_Delete(proxies);
    cJSON_Delete(graph);
    snapshot_release(s);
    buf_fini(&out);
    buf_fini(&report);
    free(text);
}

static void test_parts_are_linked_and_bounded(void **state)
{
    struct buf out = { 0 };
    cJSON *proxies = list_proxies(10000, "search=p&from=50&limit=50");
    const struct page page = {
        .path = "/ui/proxies", .title = "Proxies", .id = "r", .proxies = proxies
    };
    (void)state;

    page_render(&out, &page);

    assert_true(out.size < 64 * 1024);
    assert_non_null(strstr(out.data, "51 to 100 of 10000"));
    assert_non_null(strstr(out.data, "?search=p&amp;limit=50&amp;from=0\">Previous</a>"));
    assert_non_null(strstr(out.data, "?search=p&amp;limit=50&amp;from=100\">Next</a>"));
    cJSON_Delete(proxies);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_text_becomes_markup),
        cmocka_unit_test(test_a_question_is_escaped_for_an_address),
        cmocka_unit_test(test_a_range_is_what_the_question_says),
        cmocka_unit_test(test_a_range_has_limits),
        cmocka_unit_test(test_proxies_are_sorted_and_cut),
        cmocka_unit_test(test_a_proxy_is_as_well_as_its_worst_type),
        cmocka_unit_test(test_services_have_their_health),
        cmocka_unit_test(test_routes_lead_to_subsets_with_their_splits),
        cmocka_unit_test(test_hostile_names_are_shown_and_nothing_else),
        cmocka_unit_test(test_parts_are_linked_and_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
