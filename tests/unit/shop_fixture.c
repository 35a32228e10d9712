#include "shop_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

int shop_setup(void **state)
{
    struct shop *s = xcalloc(1, sizeof *s);
    s->a = arena_new();
    *state = s;
    return 0;
}

int shop_teardown(void **state)
{
    struct shop *s = *state;
    if (s->is_open)
        translated_fini(&s->t);
    arena_free(s->a);
    free(s);
    return 0;
}

static void add(struct shop *s, struct fixture_value value)
{
    assert_true(s->count < ARRAY_COUNT(s->values));
    s->values[s->count++] = value;
}

void shop_add_service(struct shop *s, const char *host, const char *ports, const char *more)
{
    const char *name = arena_printf(s->a, "service-%zu", s->count);
    const char *spec = arena_printf(s->a,
        "'hosts': ['%s'], 'resolution': 'STATIC', 'ports': [%s],"
        " 'endpoints': [{'address': '10.1.0.%zu'}]%s%s",
        host,
        ports,
        s->count + 1,
        *more ? ", " : "",
        more);
    add(s, make_entry(s->a, name, spec));
}

void shop_add_rule(struct shop *s, const char *name, const char *spec)
{
    add(s, make_rule(s->a, name, spec));
}

void shop_add_mesh(struct shop *s, const char *fields)
{
    add(s, make_mesh(s->a, fields));
}

/* A rule's document with another kind in it. */
void shop_add_routes(struct shop *s, const char *name, const char *spec)
{
    char *json = arena_printf(s->a,
        "{'apiVersion': 'networking.istio.io/v1', 'kind': 'VirtualService',"
        " 'metadata': {'name': '%s', 'namespace': 'default'}, 'spec': {%s}}",
        name,
        spec);
    for (char *c = json; *c; c++)
        if (*c == '\'')
            *c = '"';
    const char *key = arena_printf(s->a, "config/virtualservices/default/%s", name);
    add(s, (struct fixture_value){ key, json });
}

void shop_open_for(struct shop *s, const char *node_id, const char *metadata)
{
    char *json = arena_strdup(s->a, metadata);
    for (char *c = json; *c; c++)
        if (*c == '\'')
            *c = '"';
    translated_init(&s->t, s->values, s->count, fixture_scope(s->a, node_id, json));
    s->is_open = true;
}

void shop_open(struct shop *s, const char *metadata)
{
    shop_open_for(s, WEB_NODE, metadata);
}

static void expect(
    struct shop *s, enum xds_type type, const char *name, const char *path, const char *value)
{
    const char *found = translated_at(&s->t, type, name, path);
    if (strcmp(found, value) != 0)
        fail_msg("%s/%s is %s, not %s", name, path, found, value);
}

void shop_expect_listener(struct shop *s, const char *name, const char *path, const char *value)
{
    expect(s, XDS_LISTENER, name, path, value);
}

void shop_expect_table(struct shop *s, const char *name, const char *path, const char *value)
{
    expect(s, XDS_ROUTE, name, path, value);
}

void shop_open_orders(struct shop *s, const char *http)
{
    shop_add_service(s, ORDERS, HTTP_8080, "");
    shop_add_routes(s, "orders", arena_printf(s->a, "'hosts': ['orders'], 'http': [%s]", http));
    shop_open(s, WEB_LABELS);
}

void shop_expect_route(struct shop *s, int route, const char *path, const char *value)
{
    expect(s,
        XDS_ROUTE,
        "8080",
        arena_printf(s->a, "virtualHosts/0/routes/%d/%s", route, path),
        value);
}
