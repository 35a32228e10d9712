#include "translate_fixture.h"

#include "proto/pb_json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* ---- values ---- */

static const char *double_quoted(struct arena *a, const char *text)
{
    char *copy = arena_strdup(a, text);
    for (char *c = copy; *c; c++) {
        if (*c == '\'')
            *c = '"';
    }
    return copy;
}

static struct fixture_value make_resource(
    struct arena *a, const char *kind, const char *plural, const char *name, const char *spec)
{
    const char *json = arena_printf(a,
        "{'apiVersion': 'networking.istio.io/v1', 'kind': '%s',"
        " 'metadata': {'name': '%s', 'namespace': 'default'}, 'spec': {%s}}",
        kind,
        name,
        spec);
    return (struct fixture_value){ arena_printf(a, "config/%s/default/%s", plural, name),
        double_quoted(a, json) };
}

struct fixture_value make_entry(struct arena *a, const char *name, const char *spec)
{
    return make_resource(a, "ServiceEntry", "serviceentries", name, spec);
}

struct fixture_value make_rule(struct arena *a, const char *name, const char *spec)
{
    return make_resource(a, "DestinationRule", "destinationrules", name, spec);
}

static struct fixture_value make_value(struct arena *a, const char *key, const char *fields)
{
    return (struct fixture_value){ key, double_quoted(a, arena_printf(a, "{%s}", fields)) };
}

struct fixture_value make_mesh(struct arena *a, const char *fields)
{
    return make_value(a, "mesh", fields);
}

struct fixture_value make_service(struct arena *a, const char *name, const char *fields)
{
    return make_value(a, arena_printf(a, "services/default/%s", name), fields);
}

struct fixture_value make_instance(
    struct arena *a, const char *service_and_name, const char *fields)
{
    return make_value(a, arena_printf(a, "registry/default/%s", service_and_name), fields);
}

/* ---- views ---- */

void translated_init(struct translated *t, const struct fixture_value *values, size_t count,
    const struct scope *scope)
{
    *t = (struct translated){ .a = arena_new(),
        .snapshot = fixture_snapshot(values, count),
        .translator = translator_new(NULL) };
    translator_begin(t->translator, t->snapshot);
    t->view = translator_view(t->translator, scope);
}

void translated_fini(struct translated *t)
{
    for (list_each (cJSON *, message, &t->messages))
        cJSON_Delete(*message);
    xds_view_release(t->view);
    translator_free(t->translator);
    snapshot_release(t->snapshot);
    arena_free(t->a);
}

static cJSON *message_find(struct translated *t, enum xds_type type, const char *name)
{
    struct xds_resource *r = xds_view_find(t->view, type, name);
    struct error err = { 0 };
    if (!r)
        return NULL;
    const char *type_name = strrchr(xds_type_url(type), '/') + 1;
    cJSON *message = pb_json_bytes(pb_type_find(type_name), r->bytes, r->size_bytes, &err);
    if (!message)
        fail_msg("%s: %s", name, err.text);
    list_push(t->a, &t->messages, message);
    return message;
}

static cJSON *step_into(cJSON *node, const char *step)
{
    return cJSON_IsArray(node) ? cJSON_GetArrayItem(node, atoi(step))
                               : cJSON_GetObjectItemCaseSensitive(node, step);
}

const char *translated_at(
    struct translated *t, enum xds_type type, const char *name, const char *path)
{
    cJSON *node = message_find(t, type, name);
    char *rest = arena_strdup(t->a, path);
    for (char *step; node && (step = strsep(&rest, "/")) && *step;)
        node = step_into(node, step);
    if (!node)
        return "(absent)";
    if (cJSON_IsString(node))
        return arena_strdup(t->a, node->valuestring);
    char *printed = cJSON_PrintUnformatted(node);
    const char *copy = arena_strdup(t->a, printed);
    free(printed);
    return copy;
}
