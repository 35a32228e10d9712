/* endpoints: who is in a cluster, how they are grouped by place, and which come first. */
#include "translate_fixture.h"

#include "xds/resource.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define LOC "outbound|80||loc.test"

/* Five instances in four places of three regions. */
#define LOC_SPEC                                                                                   \
    "'hosts': ['loc.test'], 'resolution': 'STATIC',"                                               \
    "'ports': [{'number': 80, 'name': 'http', 'protocol': 'HTTP'}], 'endpoints': ["                \
    "{'address': '10.4.0.5', 'locality': 'r3/z1/s1', 'labels': {'version': 'v2'}},"                \
    "{'address': '10.4.0.1', 'locality': 'r1/z1/s1', 'labels': {'version': 'v2'}},"                \
    "{'address': '10.4.0.2', 'locality': 'r1/z1/s2', 'labels': {'version': 'v1'}},"                \
    "{'address': '10.4.0.3', 'locality': 'r1/z2/s1', 'labels': {'version': 'v2'}},"                \
    "{'address': '10.4.0.4', 'locality': 'r2/z1/s1', 'labels': {'version': 'v1'}, 'weight': 3}]"

struct fixture {
    struct arena *a;
    struct fixture_value values[8];
    size_t count;
    struct translated t;
    bool is_translated;
};

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    f->a = arena_new();
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    if (f->is_translated)
        translated_fini(&f->t);
    arena_free(f->a);
    free(f);
    return 0;
}

static void add(struct fixture *f, struct fixture_value value)
{
    f->values[f->count++] = value;
}

/* For a proxy at r1/z1/s1 with the label version=v1. */
static struct scope *scope_at(
    struct arena *a, const char *region, const char *zone, const char *sub_zone)
{
    const struct scope_input input = {
        .node_id = WEB_NODE,
        .metadata_json = "{\"LABELS\": {\"version\": \"v1\"}}",
        .region = region,
        .zone = zone,
        .sub_zone = sub_zone,
    };
    struct scope *scope = ARENA_NEW(a, struct scope);
    struct error err;
    assert_true(scope_parse(a, &input, scope, &err));
    return scope;
}

static void translate(struct fixture *f)
{
    translated_init(&f->t, f->values, f->count, scope_at(f->a, "r1", "z1", "s1"));
    f->is_translated = true;
}

static const char *part(struct fixture *f, const char *cluster, const char *path)
{
    return translated_at(&f->t, XDS_ENDPOINT, cluster, path);
}

static void expect(struct fixture *f, const char *cluster, const char *path, const char *value)
{
    assert_string_equal(part(f, cluster, path), value);
}

/* Each group as "sub-zone… priority*weight: last part of each address". */
static const char *groups_of(struct fixture *f, const char *cluster)
{
    const char *text = "";
    for (int i = 0; strcmp(part(f, cluster, arena_printf(f->a, "endpoints/%d", i)), "(absent)");
         i++) {
        const char *at = arena_printf(f->a, "endpoints/%d", i);
        const char *priority = part(f, cluster, arena_printf(f->a, "%s/priority", at));
        text = arena_printf(f->a,
            "%s%s%s/%s/%s %s*%s",
            text,
            i ? ", " : "",
            part(f, cluster, arena_printf(f->a, "%s/locality/region", at)),
            part(f, cluster, arena_printf(f->a, "%s/locality/zone", at)),
            part(f, cluster, arena_printf(f->a, "%s/locality/subZone", at)),
            strcmp(priority, "(absent)") ? priority : "0",
            part(f, cluster, arena_printf(f->a, "%s/loadBalancingWeight", at)));
    }
    return text;
}

#define ADDRESS(group, index)                                                                      \
    "endpoints/" #group "/lbEndpoints/" #index "/endpoint/address/socketAddress"

/* ---- who ---- */

static void test_endpoints_are_grouped_by_place_in_order(void **state)
{
    struct fixture *f = *state;
    add(f, make_entry(f->a, "loc", LOC_SPEC));

    translate(f);

    assert_string_equal(
        groups_of(f, LOC), "r1/z1/s1 0*1, r1/z1/s2 0*1, r1/z2/s1 0*1, r2/z1/s1 0*3, r3/z1/s1 0*1");
    expect(f, LOC, "clusterName", LOC);
    expect(f, LOC, ADDRESS(0, 0), "{\"address\":\"10.4.0.1\",\"portValue\":80}");
    expect(f, LOC, "endpoints/3/lbEndpoints/0/loadBalancingWeight", "3");
}

static void test_a_subset_has_only_its_endpoints_and_may_have_none(void **state)
{
    struct fixture *f = *state;
    add(f, make_entry(f->a, "loc", LOC_SPEC));
    add(f,
        make_rule(f->a,
            "loc",
            "'host': 'loc.test', 'subsets': ["
            "{'name': 'v1', 'labels': {'version': 'v1'}},"
            "{'name': 'v9', 'labels': {'version': 'v9'}}, {'name': 'all'}]"));

    translate(f);

    assert_string_equal(groups_of(f, "outbound|80|v1|loc.test"), "r1/z1/s2 0*1, r2/z1/s1 0*3");
    assert_string_equal(groups_of(f, "outbound|80|v9|loc.test"), "");
    expect(f, "outbound|80|v9|loc.test", "clusterName", "outbound|80|v9|loc.test");
    assert_string_equal(groups_of(f, "outbound|80|all|loc.test"), groups_of(f, LOC));
}

static void test_health_decides_who_is_called(void **state)
{
    struct fixture *f = *state;
    add(f, make_instance(f->a, "web/a", "'address': '10.0.0.1', 'ports': {'http': 80}"));
    add(f,
        make_instance(
            f->a, "web/b", "'address': '10.0.0.2', 'ports': {'http': 80}, 'health': 'draining'"));
    add(f,
        make_instance(
            f->a, "web/c", "'address': '10.0.0.3', 'ports': {'http': 80}, 'health': 'unhealthy'"));

    translate(f);

    const char *web = "outbound|80||web.default.svc.cluster.local";
    expect(f, web, "endpoints/0/lbEndpoints/0/healthStatus", "(absent)");
    expect(f, web, "endpoints/0/lbEndpoints/1/healthStatus", "DRAINING");
    expect(f, web, "endpoints/0/lbEndpoints/2/healthStatus", "UNHEALTHY");
}

static void test_an_instance_is_reached_at_its_own_port(void **state)
{
    struct fixture *f = *state;
    add(f,
        make_service(f->a,
            "web",
            "'ports': [{'name': 'http', 'number': 80, 'protocol': 'HTTP', 'targetPort': 8080},"
            "{'name': 'admin', 'number': 90, 'protocol': 'HTTP'}]"));
    add(f, make_instance(f->a, "web/a", "'address': '10.0.0.1', 'ports': {'http': 8081}"));

    translate(f);

    expect(f, "outbound|80||web.default.svc.cluster.local", ADDRESS(0, 0) "/portValue", "8081");
    expect(f, "outbound|90||web.default.svc.cluster.local", "endpoints", "(absent)");
}

static void test_a_unix_address_is_a_pipe(void **state)
{
    struct fixture *f = *state;
    add(f,
        make_entry(f->a,
            "pipe",
            "'hosts': ['pipe.test'], 'resolution': 'STATIC',"
            "'ports': [{'number': 80, 'name': 'http', 'protocol': 'HTTP'}],"
            "'endpoints': [{'address': 'unix:///var/run/socket'}]"));

    translate(f);

    expect(f,
        "outbound|80||pipe.test",
        "endpoints/0/lbEndpoints/0/endpoint/address/pipe/path",
        "/var/run/socket");
}

static void test_a_name_among_addresses_is_left_out(void **state)
{
    struct fixture *f = *state;
    add(f, make_instance(f->a, "web/a", "'address': 'host.test', 'ports': {'http': 80}"));
    add(f, make_instance(f->a, "web/b", "'address': '10.0.0.2', 'ports': {'http': 80}"));

    translate(f);

    const char *web = "outbound|80||web.default.svc.cluster.local";
    expect(f, web, ADDRESS(0, 0) "/address", "10.0.0.2");
    expect(f, web, "endpoints/0/lbEndpoints/1", "(absent)");
}

static void test_weights_that_would_overflow_are_scaled_down(void **state)
{
    struct fixture *f = *state;
    struct arena *a = f->a;
    size_t count = 5000;
    struct fixture_value *values = ARENA_ARRAY(a, struct fixture_value, count);
    for (size_t i = 0; i < count; i++)
        values[i] = make_instance(a,
            arena_printf(a, "web/i%zu", i),
            arena_printf(a,
                "'address': '10.0.%zu.%zu', 'ports': {'http': 80}, 'weight': 1000000",
                i / 250,
                i % 250));

    translated_init(&f->t, values, count, scope_at(a, "", "", ""));
    f->is_translated = true;

    const char *web = "outbound|80||web.default.svc.cluster.local";
    uint64_t whole = strtoull(part(f, web, "endpoints/0/loadBalancingWeight"), NULL, 10);
    uint64_t each =
        strtoull(part(f, web, "endpoints/0/lbEndpoints/0/loadBalancingWeight"), NULL, 10);
    assert_int_equal(whole, each * count);
    assert_in_range(whole, UINT32_MAX / 4, UINT32_MAX);
}

/* ---- which come first ---- */

static void add_rule(struct fixture *f, const char *policy)
{
    add(f, make_entry(f->a, "loc", LOC_SPEC));
    add(f,
        make_rule(
            f->a, "loc", arena_printf(f->a, "'host': 'loc.test', 'trafficPolicy': {%s}", policy)));
}

#define OUTLIER "'outlierDetection': {'consecutive5xxErrors': 1}"

static void test_without_outlier_detection_all_places_are_equal(void **state)
{
    struct fixture *f = *state;
    add_rule(
        f, "'loadBalancer': {'localityLbSetting': {'failover': [{'from': 'r1', 'to': 'r3'}]}}");

    translate(f);

    assert_string_equal(
        groups_of(f, LOC), "r1/z1/s1 0*1, r1/z1/s2 0*1, r1/z2/s1 0*1, r2/z1/s1 0*3, r3/z1/s1 0*1");
}

static void test_failover_by_place_is_on_by_default_and_can_be_switched_off(void **state)
{
    struct fixture *f = *state;
    add(f, make_entry(f->a, "loc", LOC_SPEC));
    add(f,
        make_rule(f->a,
            "loc",
            "'host': 'loc.test', 'trafficPolicy': {" OUTLIER "}, 'subsets': [{'name': 'off',"
            " 'trafficPolicy': {'loadBalancer': {'localityLbSetting': {'enabled': false}}}}]"));

    translate(f);

    assert_string_equal(
        groups_of(f, LOC), "r1/z1/s1 0*1, r1/z1/s2 1*1, r1/z2/s1 2*1, r2/z1/s1 3*3, r3/z1/s1 3*1");
    assert_string_equal(groups_of(f, "outbound|80|off|loc.test"),
        "r1/z1/s1 0*1, r1/z1/s2 0*1, r1/z2/s1 0*1, r2/z1/s1 0*3, r3/z1/s1 0*1");
}

static void test_near_places_come_first_and_failover_names_the_next_region(void **state)
{
    struct fixture *f = *state;
    add_rule(f,
        OUTLIER ", 'loadBalancer': {'localityLbSetting':"
                " {'failover': [{'from': 'r1', 'to': 'r3'}]}}");

    translate(f);

    assert_string_equal(
        groups_of(f, LOC), "r1/z1/s1 0*1, r1/z1/s2 1*1, r1/z2/s1 2*1, r2/z1/s1 4*3, r3/z1/s1 3*1");
}

static void test_priorities_have_no_gaps(void **state)
{
    struct fixture *f = *state;
    add_rule(f, OUTLIER ", 'loadBalancer': {'localityLbSetting': {'enabled': true}}");

    translated_init(&f->t, f->values, f->count, scope_at(f->a, "r2", "z1", "s1"));
    f->is_translated = true;

    assert_string_equal(
        groups_of(f, LOC), "r1/z1/s1 1*1, r1/z1/s2 1*1, r1/z2/s1 1*1, r2/z1/s1 0*3, r3/z1/s1 1*1");
}

static void test_labels_can_say_who_comes_first(void **state)
{
    struct fixture *f = *state;
    add(f,
        make_entry(f->a,
            "loc",
            "'hosts': ['loc.test'], 'resolution': 'STATIC',"
            "'ports': [{'number': 80, 'name': 'http', 'protocol': 'HTTP'}], 'endpoints': ["
            "{'address': '10.4.0.1', 'locality': 'r1/z1/s1',"
            " 'labels': {'version': 'v2', 'rack': 'a'}},"
            "{'address': '10.4.0.2', 'locality': 'r1/z1/s1',"
            " 'labels': {'version': 'v1', 'rack': 'b'}},"
            "{'address': '10.4.0.3', 'locality': 'r1/z1/s1',"
            " 'labels': {'version': 'v1', 'rack': 'a'}}]"));
    add(f,
        make_rule(f->a,
            "loc",
            "'host': 'loc.test', 'trafficPolicy': {" OUTLIER
            ", 'loadBalancer': {'localityLbSetting':"
            " {'failoverPriority': ['version', 'rack=a']}}}"));

    translate(f);

    assert_string_equal(groups_of(f, LOC), "r1/z1/s1 0*1, r1/z1/s1 1*1, r1/z1/s1 2*1");
    expect(f, LOC, ADDRESS(0, 0) "/address", "10.4.0.3");
    expect(f, LOC, ADDRESS(1, 0) "/address", "10.4.0.2");
    expect(f, LOC, ADDRESS(2, 0) "/address", "10.4.0.1");
}

static void test_priorities_may_be_places(void **state)
{
    struct fixture *f = *state;
    add(f,
        make_entry(f->a,
            "loc",
            "'hosts': ['loc.test'], 'resolution': 'STATIC',"
            "'ports': [{'number': 80, 'name': 'http', 'protocol': 'HTTP'}], 'endpoints': ["
            "{'address': '10.4.0.1', 'locality': 'r2/z1'},"
            "{'address': '10.4.0.2', 'labels': {'istio-locality': 'r1.z2'}},"
            "{'address': '10.4.0.3', 'locality': 'r1/z1',"
            " 'labels': {'topology.kubernetes.io/zone': 'elsewhere'}}]"));
    add(f,
        make_rule(f->a,
            "loc",
            "'host': 'loc.test', 'trafficPolicy': {" OUTLIER
            ", 'loadBalancer': {'localityLbSetting': {'failoverPriority':"
            " ['topology.kubernetes.io/region', 'topology.kubernetes.io/zone']}}}"));

    translate(f);

    assert_string_equal(
        groups_of(f, LOC), "r1/z1/(absent) 0*1, r1/z2/(absent) 1*1, r2/z1/(absent) 2*1");
}

static void test_shares_are_split_over_the_places_that_match_and_rounded_up(void **state)
{
    struct fixture *f = *state;
    add_rule(f,
        "'loadBalancer': {'localityLbSetting': {'distribute': [{'from': 'r1/*',"
        " 'to': {'r1/*': 80, 'r3/*': 20}}]}}");

    translate(f);

    assert_string_equal(
        groups_of(f, LOC), "r1/z1/s1 0*27, r1/z1/s2 0*27, r1/z2/s1 0*27, r3/z1/s1 0*20");
}

static void test_shares_for_callers_elsewhere_are_not_ours(void **state)
{
    struct fixture *f = *state;
    add_rule(f,
        "'loadBalancer': {'localityLbSetting': {'distribute': [{'from': 'r2/*',"
        " 'to': {'r3/*': 100}}]}}");

    translate(f);

    assert_string_equal(
        groups_of(f, LOC), "r1/z1/s1 0*1, r1/z1/s2 0*1, r1/z2/s1 0*1, r2/z1/s1 0*3, r3/z1/s1 0*1");
}

static void test_the_meshs_shares_hold_unless_the_rule_switches_them_off(void **state)
{
    struct fixture *f = *state;
    add(f,
        make_mesh(
            f->a, "'localityLbSetting': {'distribute': [{'from': 'r1/*', 'to': {'r3/*': 100}}]}"));
    add(f, make_entry(f->a, "loc", LOC_SPEC));
    add(f,
        make_rule(f->a,
            "loc",
            "'host': 'loc.test', 'subsets': [{'name': 'off', 'trafficPolicy':"
            " {'loadBalancer': {'localityLbSetting': {'enabled': false}}}}]"));

    translate(f);

    assert_string_equal(groups_of(f, LOC), "r3/z1/s1 0*100");
    assert_string_equal(groups_of(f, "outbound|80|off|loc.test"),
        "r1/z1/s1 0*1, r1/z1/s2 0*1, r1/z2/s1 0*1, r2/z1/s1 0*3, r3/z1/s1 0*1");
}

static void test_callers_share_endpoints_unless_places_matter(void **state)
{
    struct fixture *f = *state;
    add_rule(f, OUTLIER ", 'loadBalancer': {'localityLbSetting': {'enabled': true}}");
    add(f,
        make_entry(f->a,
            "plain",
            "'hosts': ['plain.test'], 'resolution': 'STATIC',"
            "'ports': [{'number': 80, 'name': 'http', 'protocol': 'HTTP'}],"
            "'endpoints': [{'address': '10.5.0.1', 'locality': 'r1/z1/s1'}]"));
    translate(f);

    struct xds_view *other = translator_view(f->t.translator, scope_at(f->a, "r3", "z1", "s1"));

    const char *plain = "outbound|80||plain.test";
    assert_ptr_equal(
        xds_view_find(f->t.view, XDS_ENDPOINT, plain), xds_view_find(other, XDS_ENDPOINT, plain));
    assert_ptr_not_equal(
        xds_view_find(f->t.view, XDS_ENDPOINT, LOC), xds_view_find(other, XDS_ENDPOINT, LOC));
    xds_view_release(other);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_endpoints_are_grouped_by_place_in_order),
        TEST(test_a_subset_has_only_its_endpoints_and_may_have_none),
        TEST(test_health_decides_who_is_called),
        TEST(test_an_instance_is_reached_at_its_own_port),
        TEST(test_a_unix_address_is_a_pipe),
        TEST(test_a_name_among_addresses_is_left_out),
        TEST(test_weights_that_would_overflow_are_scaled_down),
        TEST(test_without_outlier_detection_all_places_are_equal),
        TEST(test_failover_by_place_is_on_by_default_and_can_be_switched_off),
        TEST(test_near_places_come_first_and_failover_names_the_next_region),
        TEST(test_priorities_have_no_gaps),
        TEST(test_labels_can_say_who_comes_first),
        TEST(test_priorities_may_be_places),
        TEST(test_shares_are_split_over_the_places_that_match_and_rounded_up),
        TEST(test_shares_for_callers_elsewhere_are_not_ours),
        TEST(test_the_meshs_shares_hold_unless_the_rule_switches_them_off),
        TEST(test_callers_share_endpoints_unless_places_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
