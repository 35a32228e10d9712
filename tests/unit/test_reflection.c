/* reflection: what is served can be found by file, by name and as a list. */
#include "xds/reflection.h"

#include "xds/grpc.h"
#include "xds/reflection_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define ASK(a, ...)                                                                                \
    ask((a), pb_new_ServerReflectionRequest((a), .host = pb_str("here"), __VA_ARGS__))

static const pb_ServerReflectionResponse *ask(
    struct arena *a, const pb_ServerReflectionRequest *request)
{
    struct pb_bytes bytes = pb_pack(a, &request->base), answer;
    assert_true(reflection_answer(a, bytes.data, bytes.size, &answer));
    const pb_ServerReflectionResponse *response =
        pb_unpack(a, &pb_ServerReflectionResponse_desc, answer.data, answer.size);
    assert_non_null(response);
    assert_string_equal(response->valid_host, "here");
    struct pb_bytes told = pb_pack(a, &response->original_request->base);
    assert_int_equal(told.size, bytes.size);
    assert_memory_equal(told.data, bytes.data, bytes.size);
    return response;
}

static const pb_ServerReflectionResponse *ask_symbol(struct arena *a, const char *name)
{
    return ASK(a, pb_ServerReflectionRequest_file_containing_symbol(pb_str(name)));
}

static void assert_fails(const pb_ServerReflectionResponse *response, enum grpc_status code)
{
    assert_int_equal(response->message_response_case, 7);
    assert_int_equal(response->error_response->error_code, code);
}

/* The files that came, in the order in which they did: a FileDescriptorProto begins with its name.
 */
static void assert_files(
    const pb_ServerReflectionResponse *response, const char *const *names, size_t count)
{
    assert_int_equal(response->message_response_case, 4);
    const pb_FileDescriptorResponse *files = response->file_descriptor_response;
    assert_int_equal(files->n_file_descriptor_proto, count);
    for (size_t i = 0; i < count; i++) {
        const ProtobufCBinaryData *file = &files->file_descriptor_proto[i];
        assert_int_equal(file->data[1], strlen(names[i]));
        assert_memory_equal(file->data + 2, names[i], strlen(names[i]));
    }
}

static const char *const health[] = { "grpc/health/v1/health.proto" };
static const char *const failure[] = { "envoy/admin/v3/config_dump_shared.proto",
    "google/protobuf/timestamp.proto" };

static void test_services_are_listed(void **state)
{
    static const char *const expected[] = { "envoy.service.cluster.v3.ClusterDiscoveryService",
        "envoy.service.discovery.v3.AggregatedDiscoveryService",
        "envoy.service.endpoint.v3.EndpointDiscoveryService",
        "envoy.service.listener.v3.ListenerDiscoveryService",
        "envoy.service.route.v3.RouteDiscoveryService",
        "envoy.service.status.v3.ClientStatusDiscoveryService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection" };
    struct arena *a = arena_new();
    (void)state;

    const pb_ServerReflectionResponse *response =
        ASK(a, pb_ServerReflectionRequest_list_services(pb_str("*")));

    assert_int_equal(response->message_response_case, 6);
    assert_int_equal(response->list_services_response->n_service, ARRAY_COUNT(expected));
    for (size_t i = 0; i < ARRAY_COUNT(expected); i++) {
        assert_string_equal(response->list_services_response->service[i]->name, expected[i]);
        assert_true(reflection_has_service(expected[i]));
    }
    assert_false(reflection_has_service("grpc.health.v1.HealthCheckRequest"));
    assert_false(reflection_has_service(""));
    arena_free(a);
}

static void test_a_file_comes_with_all_that_it_imports(void **state)
{
    struct arena *a = arena_new();
    (void)state;

    assert_files(ASK(a, pb_ServerReflectionRequest_file_by_filename(pb_str(health[0]))), health, 1);
    assert_files(ASK(a, pb_ServerReflectionRequest_file_by_filename(pb_str(failure[0]))),
        failure,
        ARRAY_COUNT(failure));
    assert_fails(ASK(a, pb_ServerReflectionRequest_file_by_filename(pb_str("health.proto"))),
        GRPC_NOT_FOUND);
    arena_free(a);
}

static void test_whatever_has_a_name_is_found(void **state)
{
    static const char *const names[] = { "grpc.health.v1.Health",
        "grpc.health.v1.Health.Check",
        "grpc.health.v1.HealthCheckRequest",
        "grpc.health.v1.HealthCheckRequest.service",
        "grpc.health.v1.HealthCheckResponse.ServingStatus",
        "grpc.health.v1.HealthCheckResponse.NOT_SERVING" };
    static const char *const strangers[] = { "",
        ".grpc.health.v1.Health",
        "grpc.health.v1",
        "grpc.health.v1.Health.List",
        "grpc.health.v1.HealthCheckResponse.ServingStatus.NOT_SERVING",
        "etcdserverpb.PutRequest" };
    struct arena *a = arena_new();
    (void)state;

    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        assert_files(ask_symbol(a, names[i]), health, 1);
    for (size_t i = 0; i < ARRAY_COUNT(strangers); i++)
        assert_fails(ask_symbol(a, strangers[i]), GRPC_NOT_FOUND);
    arena_free(a);
}

static void test_nothing_is_extended(void **state)
{
    struct arena *a = arena_new();
    char *name = pb_str("grpc.health.v1.HealthCheckRequest");
    (void)state;

    assert_fails(ASK(a,
                     pb_ServerReflectionRequest_file_containing_extension(pb_new_ExtensionRequest(
                         a, .containing_type = name, .extension_number = 1000))),
        GRPC_NOT_FOUND);
    const pb_ServerReflectionResponse *response =
        ASK(a, pb_ServerReflectionRequest_all_extension_numbers_of_type(name));
    assert_int_equal(response->message_response_case, 5);
    assert_string_equal(response->all_extension_numbers_response->base_type_name, name);
    assert_int_equal(response->all_extension_numbers_response->n_extension_number, 0);
    assert_fails(ASK(a,
                     pb_ServerReflectionRequest_all_extension_numbers_of_type(
                         pb_str("grpc.health.v1.Health"))),
        GRPC_NOT_FOUND);
    arena_free(a);
}

static void test_a_request_that_asks_nothing_is_told_so(void **state)
{
    struct arena *a = arena_new();
    struct pb_bytes answer;
    (void)state;

    assert_fails(ASK(a, .message_request_case = 0), GRPC_INVALID_ARGUMENT);
    assert_false(reflection_answer(a, (const uint8_t *)"\x22\x7f", 2, &answer));
    arena_free(a);
}

static void test_the_table_is_sorted_and_whole(void **state)
{
    (void)state;
    for (size_t i = 1; i < reflection_symbol_count; i++)
        assert_true(strcmp(reflection_symbols[i - 1].name, reflection_symbols[i].name) < 0);
    for (size_t i = 0; i < reflection_symbol_count; i++)
        assert_true(reflection_symbols[i].file < reflection_file_count);
    for (size_t i = 0; i < reflection_file_count; i++) {
        assert_true(i == 0 || strcmp(reflection_files[i - 1].name, reflection_files[i].name) < 0);
        assert_int_equal(reflection_files[i].needs[0], i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_services_are_listed),
        cmocka_unit_test(test_a_file_comes_with_all_that_it_imports),
        cmocka_unit_test(test_whatever_has_a_name_is_found),
        cmocka_unit_test(test_nothing_is_extended),
        cmocka_unit_test(test_a_request_that_asks_nothing_is_told_so),
        cmocka_unit_test(test_the_table_is_sorted_and_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
