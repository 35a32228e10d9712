#include "vocabulary.h"

#include <string.h>

enum kind { ROUTES, RULE, ENTRY, SERVICE, MESH, KINDS };

static const struct {
    const char *key; /* "%zu": which service it is about */
    const char *kind;
} kinds[KINDS] = {
    [ROUTES] = { "/pilot/config/virtualservices/default/v%zu", "VirtualService" },
    [RULE] = { "/pilot/config/destinationrules/default/d%zu", "DestinationRule" },
    [ENTRY] = { "/pilot/config/serviceentries/default/e%zu", "ServiceEntry" },
    [SERVICE] = { "/pilot/services/default/s%zu", NULL },
    [MESH] = { "/pilot/mesh", NULL },
};

static char *double_quoted(char *text)
{
    for (char *c = text; *c; c++)
        if (*c == '\'')
            *c = '"';
    return text;
}

const char *vocabulary_key(struct sim *sim, struct arena *a)
{
    static const unsigned shares[KINDS] = { 40, 30, 14, 10, 6 };
    uint64_t at = sim_below(sim, 100);
    enum kind kind = ROUTES;
    while (at >= shares[kind])
        at -= shares[kind++];
    size_t service = sim_below(sim, SERVICES);
    if (kind == MESH)
        return kinds[MESH].key;
    char *key = arena_strdup(a, kinds[kind].key);
    key[strlen(key) - 3] = '\0';
    return arena_printf(a, "%s%zu", key, service);
}

static const char *destination(struct sim *sim, struct arena *a, size_t service)
{
    static const char *const subsets[] = { "", ", 'subset': 'v1'", ", 'subset': 'v2'" };
    if (sim_chance(sim, 200))
        service = sim_below(sim, SERVICES);
    return arena_printf(a, "{'host': 's%zu'%s}", service, subsets[sim_below(sim, 3)]);
}

static const char *routes_spec(struct sim *sim, struct arena *a, size_t service)
{
    unsigned weight = (unsigned)sim_below(sim, 101);
    const char *first = destination(sim, a, service), *second = destination(sim, a, service);
    if (sim_chance(sim, 300))
        return arena_printf(a,
            "'hosts': ['s%zu'], 'http': [{'match': [{'headers': {'end-user': {'exact': 'u%u'}}}],"
            " 'route': [{'destination': %s}]}, {'route': [{'destination': %s}], 'timeout': '%us'}]",
            service,
            weight,
            first,
            second,
            1 + weight % 9);
    if (strcmp(first, second) == 0)
        return arena_printf(a,
            "'hosts': ['s%zu'], 'http': [{'route': [{'destination': %s}],"
            " 'retries': {'attempts': %u}}]",
            service,
            first,
            weight % 5);
    return arena_printf(a,
        "'hosts': ['s%zu'], 'http': [{'route': [{'destination': %s, 'weight': %u},"
        " {'destination': %s, 'weight': %u}]}]",
        service,
        first,
        weight,
        second,
        100 - weight);
}

static const char *rule_spec(struct sim *sim, struct arena *a, size_t service)
{
    static const char *const subsets[] = {
        "{'name': 'v1', 'labels': {'version': 'v1'}}",
        "{'name': 'v1', 'labels': {'version': 'v1'}}, {'name': 'v2', 'labels': {'version': 'v2'}}",
        "{'name': 'v2', 'labels': {'version': 'v2'}}",
    };
    return arena_printf(a,
        "'host': 's%zu', 'subsets': [%s], 'trafficPolicy':"
        " {'connectionPool': {'tcp': {'maxConnections': %u}}}",
        service,
        subsets[sim_below(sim, 3)],
        1 + (unsigned)sim_below(sim, 50));
}

static const char *entry_spec(struct sim *sim, struct arena *a, size_t service)
{
    return arena_printf(a,
        "'hosts': ['e%zu.example.com'], 'resolution': 'STATIC', 'location': 'MESH_EXTERNAL',"
        " 'ports': [{'number': 8080, 'name': 'http', 'protocol': 'HTTP'}],"
        " 'endpoints': [{'address': '10.9.0.%u'}]",
        service,
        1 + (unsigned)sim_below(sim, 200));
}

static const char *document(
    struct sim *sim, struct arena *a, enum kind kind, const char *name, size_t service)
{
    const char *spec = kind == ROUTES ? routes_spec(sim, a, service)
                       : kind == RULE ? rule_spec(sim, a, service)
                                      : entry_spec(sim, a, service);
    return arena_printf(a,
        "{'apiVersion': 'networking.istio.io/v1', 'kind': '%s',"
        " 'metadata': {'name': '%s', 'namespace': 'default'}, 'spec': {%s}}",
        kinds[kind].kind,
        name,
        spec);
}

static enum kind kind_of(const char *key)
{
    enum kind kind = ROUTES;
    while (kind < MESH && strncmp(key, kinds[kind].key, strlen(kinds[kind].key) - 3) != 0)
        kind++;
    return kind;
}

static const char *bad_value(struct sim *sim)
{
    static const char *const values[] = {
        "",
        "{",
        "[]",
        "{\"apiVersion\": \"networking.istio.io/v1\", \"spec\": {\"hosts\": 7}}",
        "{\"unknown\": true}",
        "\xff\xfe",
    };
    return values[sim_below(sim, ARRAY_COUNT(values))];
}

const char *vocabulary_value(struct sim *sim, struct arena *a, const char *key, bool is_bad)
{
    enum kind kind = kind_of(key);
    size_t service = (size_t)(key[strlen(key) - 1] - '0');
    char *text = NULL;
    if (is_bad)
        return bad_value(sim);
    if (kind == MESH)
        text = arena_printf(a,
            "{'outboundTrafficPolicy': {'mode': '%s'}, 'connectTimeout': '%us'}",
            sim_chance(sim, 500) ? "REGISTRY_ONLY" : "ALLOW_ANY",
            1 + (unsigned)sim_below(sim, 9));
    else if (kind == SERVICE)
        text = arena_printf(a,
            "{'ports': [{'name': 'http', 'number': %u, 'protocol': 'HTTP'}]}",
            sim_chance(sim, 800) ? 8080 : 9090);
    else
        text = arena_strdup(a, document(sim, a, kind, strrchr(key, '/') + 1, service));
    return double_quoted(text);
}

const char *vocabulary_instance_key(struct arena *a, size_t service, size_t instance)
{
    return arena_printf(a, "/pilot/registry/default/s%zu/i%zu", service, instance);
}

const char *vocabulary_instance(struct sim *sim, struct arena *a, size_t service, size_t instance)
{
    return double_quoted(arena_printf(a,
        "{'address': '10.1.%zu.%zu', 'ports': {'http': 8080}, 'labels': {'version': 'v%zu'},"
        " 'weight': %u}",
        service,
        instance + 1,
        1 + instance % 2,
        1 + (unsigned)sim_below(sim, 3)));
}
