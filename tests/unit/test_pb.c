/* proto: the builders, their bytes, proto JSON, and Structs that a client sends. */
#include "proto/pb.h"
#include "proto/pb_json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct arena *a;

static int new_arena(void **state)
{
    (void)state;
    a = arena_new();
    return 0;
}

static int free_arena(void **state)
{
    (void)state;
    arena_free(a);
    return 0;
}

/* A message with a map, Any, Duration, wrappers, enums, oneofs, and messages that repeat. */
static pb_Cluster *a_cluster(void)
{
    pb_upstreams_HttpProtocolOptions *http = pb_new_upstreams_HttpProtocolOptions(a,
        pb_upstreams_HttpProtocolOptions_explicit_http_config(
            pb_new_HttpProtocolOptions_ExplicitHttpConfig(a,
                pb_HttpProtocolOptions_ExplicitHttpConfig_http2_protocol_options(
                    pb_new_Http2ProtocolOptions(a, .max_concurrent_streams = pb_u32(a, 0))))));
    pb_CircuitBreakers_Thresholds *limits = pb_new_CircuitBreakers_Thresholds(
        a, .priority = PB_RoutingPriority_HIGH, .max_retries = pb_u32(a, UINT32_MAX));
    return pb_new_Cluster(a,
        .name = pb_str("outbound|80||reviews.default.svc.cluster.local"),
        pb_Cluster_type(PB_Cluster_DiscoveryType_EDS),
        .connect_timeout = pb_millis(a, 1500),
        .lb_policy = PB_Cluster_LbPolicy_LEAST_REQUEST,
        .circuit_breakers =
            pb_new_CircuitBreakers(a, PB_ONE(a, thresholds, CircuitBreakers_Thresholds, limits)),
        .common_lb_config = pb_new_Cluster_CommonLbConfig(
            a, .healthy_panic_threshold = pb_new_Percent(a, .value = 0)),
        PB_ONE(a,
            typed_extension_protocol_options,
            Cluster_TypedExtensionProtocolOptionsEntry,
            pb_new_Cluster_TypedExtensionProtocolOptionsEntry(a,
                .key = pb_str("envoy.extensions.upstreams.http.v3.HttpProtocolOptions"),
                .value = pb_any(a, &http->base))));
}

static void assert_json(cJSON *json, const char *expected)
{
    char *text = cJSON_PrintUnformatted(json);
    assert_string_equal(text, expected);
    cJSON_free(text);
    cJSON_Delete(json);
}

static void test_equal_structs_give_equal_bytes(void **state)
{
    (void)state;

    struct pb_bytes first = pb_pack(a, &a_cluster()->base);
    struct pb_bytes second = pb_pack(a, &a_cluster()->base);

    assert_int_equal(first.size, second.size);
    assert_memory_equal(first.data, second.data, first.size);
}

static void test_a_built_message_comes_back_from_its_bytes(void **state)
{
    (void)state;

    struct pb_bytes bytes = pb_pack(a, &a_cluster()->base);
    const pb_Cluster *cluster = pb_unpack(a, &pb_Cluster_desc, bytes.data, bytes.size);

    assert_non_null(cluster);
    assert_int_equal(cluster->cluster_discovery_type_case,
        ENVOY__CONFIG__CLUSTER__V3__CLUSTER__CLUSTER_DISCOVERY_TYPE_TYPE);
    assert_int_equal(cluster->type, PB_Cluster_DiscoveryType_EDS);
    assert_int_equal(cluster->connect_timeout->seconds, 1);
    assert_int_equal(cluster->connect_timeout->nanos, 500000000);
    assert_int_equal(cluster->circuit_breakers->thresholds[0]->max_retries->value, UINT32_MAX);
    assert_string_equal(cluster->alt_stat_name, "");
    assert_null(pb_unpack(a, &pb_Cluster_desc, bytes.data, bytes.size - 1));
}

static void test_an_any_names_its_type(void **state)
{
    (void)state;

    pb_Any *any = pb_any(a, &pb_millis(a, 3)->base);

    assert_string_equal(any->type_url, "type.googleapis.com/google.protobuf.Duration");
    assert_int_equal(any->value.len, 5);
    assert_memory_equal(any->value.data, "\x10\xc0\x8d\xb7\x01", 5); /* 2: 3,000,000 */
    assert_true(pb_any_is(any, &pb_Duration_desc));
    assert_false(pb_any_is(any, &pb_Cluster_desc));
    assert_false(pb_any_is(NULL, &pb_Duration_desc));
}

/* A table is its head and its parts, one after the other: what lets parts be packed once. */
static void test_appended_parts_equal_the_whole(void **state)
{
    (void)state;
    pb_VirtualHost *hosts[] = {
        pb_new_VirtualHost(a, .name = pb_str("allow_any")),
        pb_new_VirtualHost(a, .name = pb_str("long"), .include_request_attempt_count = true),
    };
    char long_name[300] = { 0 };
    memset(long_name, 'x', sizeof long_name - 1);
    hosts[1]->name = long_name;
    struct pb_bytes whole = pb_pack(a,
        &pb_new_RouteConfiguration(a, .name = pb_str("9080"), PB_LIST(virtual_hosts, 2, hosts))
             ->base);

    struct buf parts = { 0 };
    pb_pack_append(&parts, &pb_new_RouteConfiguration(a, .name = pb_str("9080"))->base);
    for (size_t i = 0; i < ARRAY_COUNT(hosts); i++) {
        struct pb_bytes host = pb_pack(a, &hosts[i]->base);
        pb_append_field(&parts, 2, host.data, host.size);
    }

    assert_int_equal(parts.size, whole.size);
    assert_memory_equal(parts.data, whole.data, whole.size);
    buf_fini(&parts);
}

static void test_json_shows_maps_any_durations_wrappers_enums_and_oneofs(void **state)
{
    (void)state;

    assert_json(pb_json(&a_cluster()->base),
        "{\"name\":\"outbound|80||reviews.default.svc.cluster.local\",\"type\":\"EDS\","
        "\"connectTimeout\":\"1.500s\",\"lbPolicy\":\"LEAST_REQUEST\","
        "\"circuitBreakers\":{\"thresholds\":[{\"priority\":\"HIGH\",\"maxRetries\":4294967295}]},"
        "\"commonLbConfig\":{\"healthyPanicThreshold\":{}},"
        "\"typedExtensionProtocolOptions\":{"
        "\"envoy.extensions.upstreams.http.v3.HttpProtocolOptions\":{"
        "\"@type\":\"type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions\","
        "\"explicitHttpConfig\":{\"http2ProtocolOptions\":{\"maxConcurrentStreams\":0}}}}}");
}

static void test_json_shows_a_oneof_that_is_set_to_zero(void **state)
{
    (void)state;
    pb_Value *value = pb_new_Value(a, pb_Value_bool_value(false));
    pb_HeaderMatcher *matcher = pb_new_HeaderMatcher(a, pb_HeaderMatcher_present_match(false));

    assert_json(pb_json(&pb_new_Cluster(a, pb_Cluster_type(PB_Cluster_DiscoveryType_STATIC))->base),
        "{\"type\":\"STATIC\"}");
    assert_json(pb_json(&matcher->base), "{\"presentMatch\":false}");
    assert_json(pb_json(&value->base), "false");
}

static void test_json_of_durations_has_0_3_6_or_9_decimals(void **state)
{
    (void)state;
    const struct {
        int64_t seconds;
        int32_t nanos;
        const char *json;
    } rows[] = {
        { 0, 0, "\"0s\"" },
        { 10, 0, "\"10s\"" },
        { 0, 1000000, "\"0.001s\"" },
        { 1, 1000, "\"1.000001s\"" },
        { 1, 100000001, "\"1.100000001s\"" },
        { -1, -500000000, "\"-1.500s\"" },
        { 0, -1, "\"-0.000000001s\"" },
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
        assert_json(
            pb_json(&pb_new_Duration(a, .seconds = rows[i].seconds, .nanos = rows[i].nanos)->base),
            rows[i].json);
}

static void test_json_of_bytes_is_base64(void **state)
{
    (void)state;
    static const char *const expected[] = { "{\"inlineBytes\":\"\"}",
        "{\"inlineBytes\":\"+w==\"}",
        "{\"inlineBytes\":\"+/8=\"}",
        "{\"inlineBytes\":\"+/8A\"}" };
    uint8_t bytes[] = { 0xfb, 0xff, 0x00 };
    for (size_t size = 0; size < ARRAY_COUNT(expected); size++) {
        ProtobufCBinaryData data = { .len = size, .data = bytes };
        assert_json(
            pb_json(&pb_new_DataSource(a, pb_DataSource_inline_bytes(data))->base), expected[size]);
    }
}

static void test_json_keeps_what_it_does_not_know(void **state)
{
    (void)state;
    uint8_t bytes[] = { 0xff };
    pb_Any *unknown = pb_new_Any(
        a, .type_url = pb_str("type.googleapis.com/no.Such"), .value = { .len = 1, .data = bytes });
    pb_Any *garbled = pb_any(a, &pb_new_Cluster(a)->base);
    garbled->value = unknown->value;

    assert_json(
        pb_json(&unknown->base), "{\"@type\":\"type.googleapis.com/no.Such\",\"value\":\"/w==\"}");
    assert_json(pb_json(&garbled->base),
        "{\"@type\":\"type.googleapis.com/envoy.config.cluster.v3.Cluster\",\"value\":\"/w==\"}");
    assert_json(
        pb_json(&pb_new_Cluster(a, .lb_policy = (Envoy__Config__Cluster__V3__Cluster__LbPolicy)77)
                     ->base),
        "{\"lbPolicy\":77}");
}

static void test_json_of_64_bit_integers_is_text(void **state)
{
    (void)state;

    assert_json(pb_json(&pb_new_KeyValue(a, .mod_revision = INT64_MAX)->base),
        "{\"modRevision\":\"9223372036854775807\"}");
    assert_json(
        pb_json(&pb_new_UInt64Value(a, .value = UINT64_MAX)->base), "\"18446744073709551615\"");
}

static void test_json_of_a_map_entry_without_a_value_is_the_empty_one(void **state)
{
    (void)state;
    struct error err;
    struct buf bytes = { 0 };
    pb_append_field(&bytes, 1, "\x0a\x01k", 3); /* Metadata.filter_metadata: key alone */

    assert_json(pb_json_bytes(&pb_Metadata_desc, (const uint8_t *)bytes.data, bytes.size, &err),
        "{\"filterMetadata\":{\"k\":{}}}");
    buf_fini(&bytes);
}

static void test_truncated_bytes_are_refused(void **state)
{
    (void)state;
    struct pb_bytes bytes = pb_pack(a, &a_cluster()->base);
    struct error err;

    assert_null(pb_json_bytes(&pb_Cluster_desc, bytes.data, bytes.size - 1, &err));
    assert_int_equal(err.code, ERROR_GARBLED);
    assert_non_null(strstr(err.text, "envoy.config.cluster.v3.Cluster"));
}

static void test_types_are_found_by_their_full_name(void **state)
{
    (void)state;

    assert_ptr_equal(pb_type_find("envoy.config.cluster.v3.Cluster"), &pb_Cluster_desc);
    assert_ptr_equal(pb_type_find("envoy.extensions.upstreams.http.v3.HttpProtocolOptions"),
        &pb_upstreams_HttpProtocolOptions_desc);
    assert_null(pb_type_find("envoy.config.cluster.v3.Clusters"));
    assert_null(pb_type_find(""));
}

/* ---- what clients send ---- */

enum { NESTING_MAX = 8 };

static unsigned depth_of(const ProtobufCMessageDescriptor *type, unsigned outer)
{
    unsigned deepest = outer;
    if (outer == NESTING_MAX)
        return outer;
    for (unsigned i = 0; i < type->n_fields; i++) {
        if (type->fields[i].type != PROTOBUF_C_TYPE_MESSAGE)
            continue;
        unsigned depth = depth_of(type->fields[i].descriptor, outer + 1);
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest;
}

/* protobuf-c unpacks by recursion, as deep as the bytes say: so no message that is unpacked of a
 * client's bytes may have itself inside. */
static void test_requests_cannot_nest_without_end(void **state)
{
    static const ProtobufCMessageDescriptor *const requests[] = { &pb_DiscoveryRequest_desc,
        &pb_DeltaDiscoveryRequest_desc,
        &pb_ClientStatusRequest_desc,
        &pb_HealthCheckRequest_desc,
        &pb_ServerReflectionRequest_desc };
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(requests); i++)
        assert_true(depth_of(requests[i], 0) < NESTING_MAX);
    assert_int_equal(depth_of(&pb_Route_desc, 0), NESTING_MAX); /* one that can */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_structs_give_equal_bytes),
        cmocka_unit_test(test_a_built_message_comes_back_from_its_bytes),
        cmocka_unit_test(test_an_any_names_its_type),
        cmocka_unit_test(test_appended_parts_equal_the_whole),
        cmocka_unit_test(test_json_shows_maps_any_durations_wrappers_enums_and_oneofs),
        cmocka_unit_test(test_json_shows_a_oneof_that_is_set_to_zero),
        cmocka_unit_test(test_json_of_durations_has_0_3_6_or_9_decimals),
        cmocka_unit_test(test_json_of_bytes_is_base64),
        cmocka_unit_test(test_json_keeps_what_it_does_not_know),
        cmocka_unit_test(test_json_of_64_bit_integers_is_text),
        cmocka_unit_test(test_json_of_a_map_entry_without_a_value_is_the_empty_one),
        cmocka_unit_test(test_truncated_bytes_are_refused),
        cmocka_unit_test(test_types_are_found_by_their_full_name),
        cmocka_unit_test(test_requests_cannot_nest_without_end),
    };
    return cmocka_run_group_tests(tests, new_arena, free_arena);
}
