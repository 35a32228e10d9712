/* The registry's values: what registrars write, and the verdicts on what cannot be. */
#include "model/object.h"
#include "model/registry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
    struct arena *a;
    struct object *object;
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
    object_release(f->object);
    arena_free(f->a);
    free(f);
    return 0;
}

/* The faults of `value`, one a line; what decodes is in f->object until the next. */
static const char *decode(struct fixture *f, const char *key, const char *value)
{
    struct diags d;
    const char *all = "";
    diags_init(&d, f->a);
    object_release(f->object);
    f->object = object_decode(key, value, strlen(value), 1, &d);
    for (list_each (const struct diag, diag, &d.list))
        all = arena_printf(f->a, "%s%s%s", all, *all ? "\n" : "", diag_text(f->a, diag));
    return all;
}

static void test_an_instance_is_decoded(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(decode(f,
                            "registry/shop/cart/cart-1",
                            "{\"address\":\"10.0.0.1\",\"ports\":{\"http\":8080,\"grpc\":9090},"
                            "\"labels\":{\"version\":\"v2\"},\"locality\":\"r/z/s\",\"weight\":5,"
                            "\"health\":\"draining\",\"network\":\"n\",\"serviceAccount\":\"a\"}"),
        "");

    const struct registry_instance *i = f->object->spec;
    assert_int_equal(f->object->kind, KIND_REGISTRY_INSTANCE);
    assert_string_equal(f->object->ns, "shop");
    assert_string_equal(f->object->service, "cart");
    assert_string_equal(f->object->name, "cart-1");
    assert_string_equal(i->address, "10.0.0.1");
    assert_string_equal(i->ports.items[0].key, "grpc");
    assert_int_equal(i->ports.items[1].value, 8080);
    assert_string_equal(labels_find(&i->labels, "version"), "v2");
    assert_string_equal(i->locality, "r/z/s");
    assert_true(i->weight.is_set && i->weight.value == 5);
    assert_int_equal(i->health, HEALTH_DRAINING);
    assert_string_equal(i->network, "n");
    assert_string_equal(i->service_account, "a");
}

static void test_an_instance_needs_little(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(
        decode(f, "registry/a/b/c", "{\"address\":\"host.name\",\"ports\":{\"http\":1}}"), "");

    const struct registry_instance *i = f->object->spec;
    assert_int_equal(i->health, HEALTH_HEALTHY);
    assert_false(i->weight.is_set);
    assert_null(i->locality);
}

static void test_verdicts_on_instances(void **state)
{
    static const struct {
        const char *value, *faults;
    } cases[] = {
        { "{}",
            "address: is required [PIL0104]\n"
            "ports: is required [PIL0104]" },
        { "{\"address\":\"\",\"ports\":{}}",
            "address: must not be empty [PIL0104]\n"
            "ports: must not be empty [PIL0104]" },
        { "{\"address\":\"10.0.0.1:80\",\"ports\":{\"http\":\"80\",\"x\":0,\"y z\":65536}}",
            "address: must be an IP address or a host name, not \"10.0.0.1:80\" [PIL0203]\n"
            "ports.http: must be a whole number, not a string [PIL0103]\n"
            "ports.x: must be from 1 to 65535 [PIL0201]\n"
            "ports[\"y z\"]: must be a DNS label (letters, digits and '-', at most 63), not "
            "\"y z\" [PIL0203]\n"
            "ports[\"y z\"]: must be from 1 to 65535 [PIL0201]" },
        { "{\"address\":\"h\",\"ports\":{\"p\":1},\"weight\":0,\"health\":\"HEALTHY\","
          "\"locality\":\"a/b/c/d\"}",
            "weight: must be from 1 to 4294967295 [PIL0201]\n"
            "health: unknown value \"HEALTHY\"; known here: healthy, draining, unhealthy "
            "[PIL0202]\n"
            "locality: must be REGION, REGION/ZONE or REGION/ZONE/SUBZONE, not \"a/b/c/d\" "
            "[PIL0203]" },
        { "{\"adress\":\"h\",\"ports\":[80]}",
            "adress: unknown field; did you mean \"address\"? [PIL0102]\n"
            "ports: must be an object, not a list [PIL0103]\n"
            "address: is required [PIL0104]" },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
        assert_string_equal(decode(f, "registry/a/b/c", cases[i].value), cases[i].faults);
}

static void test_a_service_is_decoded(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(decode(f,
                            "services/shop/cart",
                            "{\"ports\":[{\"name\":\"http\",\"number\":80,\"protocol\":\"HTTP\","
                            "\"targetPort\":8080}],\"hosts\":[\"cart.shop\"],\"addresses\":"
                            "[\"10.1.0.1\"],\"resolution\":\"DNS\",\"exportTo\":[\"*\"],"
                            "\"labels\":{\"app\":\"cart\"}}"),
        "");

    const struct registry_service *s = f->object->spec;
    assert_int_equal(f->object->kind, KIND_REGISTRY_SERVICE);
    assert_string_equal(f->object->name, "cart");
    assert_int_equal(s->ports.items[0].protocol, PROTOCOL_HTTP);
    assert_int_equal(s->ports.items[0].target_port, 8080);
    assert_string_equal(s->hosts.items[0], "cart.shop");
    assert_string_equal(s->addresses.items[0], "10.1.0.1");
    assert_int_equal(s->resolution, RESOLUTION_DNS);
    assert_string_equal(s->export_to.items[0], "*");
    assert_string_equal(labels_find(&s->labels, "app"), "cart");
}

static void test_a_service_is_static_unless_it_says_otherwise(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(decode(f, "services/shop/cart", "{}"), "");

    const struct registry_service *s = f->object->spec;
    assert_int_equal(s->resolution, RESOLUTION_STATIC);
}

static void test_verdicts_on_services(void **state)
{
    static const struct {
        const char *value, *faults;
    } cases[] = {
        { "{\"ports\":[{\"name\":\"a\",\"number\":1},{\"name\":\"a\",\"number\":1}]}",
            "ports[1].name: \"a\" is another port's name [PIL0301]\n"
            "ports[1].number: 1 is another port's number [PIL0301]" },
        { "{\"hosts\":[\"*.x\"],\"addresses\":[\"10.0.0.0/8\"],\"resolution\":\"static\"}",
            "hosts[0]: must be a host name, not \"*.x\" [PIL0203]\n"
            "addresses[0]: must be an IP address, not \"10.0.0.0/8\" [PIL0203]\n"
            "resolution: unknown value \"static\"; known here: STATIC, DNS, DNS_ROUND_ROBIN, NONE "
            "[PIL0202]" },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
        assert_string_equal(decode(f, "services/a/b", cases[i].value), cases[i].faults);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_an_instance_is_decoded),
        TEST(test_an_instance_needs_little),
        TEST(test_verdicts_on_instances),
        TEST(test_a_service_is_decoded),
        TEST(test_a_service_is_static_unless_it_says_otherwise),
        TEST(test_verdicts_on_services),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
