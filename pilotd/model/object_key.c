#include "model/object.h"

#include "model/format.h"
#include "model/text.h"

#include <string.h>

enum { SEGMENTS_MAX = 4 };

/* Kinds of Istio's that will come; everything else is a mistake. */
static const char *const future_kinds[] = { "Gateway",
    "gateways",
    "Sidecar",
    "sidecars",
    "EnvoyFilter",
    "envoyfilters",
    "ProxyConfig",
    "proxyconfigs",
    "PeerAuthentication",
    "peerauthentications",
    "RequestAuthentication",
    "requestauthentications",
    "AuthorizationPolicy",
    "authorizationpolicies",
    "Telemetry",
    "telemetries" };

/* Keys that are not configuration: pilotd's own. */
static const char *const own_prefixes[] = { "replicas", "holds", "tombstones" };

static void bad_key(struct diags *d, const char *key, const char *hint, const char *what)
{
    diag_add(
        d, DIAG_ERROR, DIAG_BAD_KEY, "", hint, "the key %s %s", text_quote(d->arena, key), what);
}

static bool is_future_kind(const char *name)
{
    for (size_t i = 0; i < ARRAY_COUNT(future_kinds); i++)
        if (strcmp(future_kinds[i], name) == 0)
            return true;
    return false;
}

static void unknown_kind(struct diags *d, const char *path, const char *name)
{
    const char *names[KIND_COUNT * 2], *hint = "supported:";
    size_t count = 0;
    for (size_t i = 0; i <= KIND_MESH_CONFIG; i++) {
        const struct kind_info *info = kind_info((enum kind)i);
        names[count++] = info->name;
        if (info->plural)
            names[count++] = info->plural;
        hint = arena_printf(d->arena, "%s%s %s", hint, i ? "," : "", info->name);
    }
    bool is_future = is_future_kind(name);
    const char *nearest = is_future ? NULL : diag_nearest(name, names, count);
    if (nearest)
        hint = arena_printf(d->arena, "did you mean \"%s\"?", nearest);
    diag_add(d,
        DIAG_ERROR,
        DIAG_UNKNOWN_KIND,
        path,
        hint,
        is_future ? "%s is not supported yet" : "unknown kind %s",
        text_quote(d->arena, name));
}

/* Cuts the key at its slashes; SEGMENTS_MAX + 1 when there are more. */
static size_t split(struct arena *a, const char *key, const char *segments[SEGMENTS_MAX])
{
    char *rest = arena_strdup(a, key);
    for (size_t count = 0; count < SEGMENTS_MAX; count++) {
        segments[count] = rest;
        rest = strchr(rest, '/');
        if (!rest)
            return count + 1;
        *rest++ = '\0';
    }
    return SEGMENTS_MAX + 1;
}

static bool has_format(
    struct diags *d, const char *key, const char *part, const struct format *format)
{
    if (format->accepts(part))
        return true;
    bad_key(d,
        key,
        NULL,
        arena_printf(d->arena,
            "has %s where there must be %s",
            text_quote(d->arena, part),
            format->must_be));
    return false;
}

static bool parse_config(
    const char *key, const char *const segments[], struct object_key *out, struct diags *d)
{
    enum kind kind = KIND_NONE;
    for (size_t i = 0; i < KIND_MESH_CONFIG; i++)
        if (strcmp(kind_info((enum kind)i)->plural, segments[1]) == 0)
            kind = (enum kind)i;
    if (kind == KIND_NONE) {
        unknown_kind(d, "", segments[1]);
        return false;
    }
    *out = (struct object_key){ .kind = kind, .ns = segments[2], .name = segments[3] };
    return has_format(d, key, out->ns, &format_namespace) &&
           has_format(d, key, out->name, &format_resource_name);
}

static bool parse_service(
    const char *key, const char *const segments[], struct object_key *out, struct diags *d)
{
    *out = (struct object_key){ KIND_REGISTRY_SERVICE, .ns = segments[1], .name = segments[2] };
    return has_format(d, key, out->ns, &format_namespace) &&
           has_format(d, key, out->name, &format_namespace);
}

static bool parse_instance(
    const char *key, const char *const segments[], struct object_key *out, struct diags *d)
{
    *out = (struct object_key){
        KIND_REGISTRY_INSTANCE, .ns = segments[1], .service = segments[2], .name = segments[3]
    };
    return has_format(d, key, out->ns, &format_namespace) &&
           has_format(d, key, out->service, &format_namespace) &&
           has_format(d, key, out->name, &format_not_empty);
}

/* The layouts, by their first segment. */
static const struct {
    const char *first, *layout;
    size_t segments;
    bool (*parse)(const char *, const char *const[], struct object_key *, struct diags *);
} layouts[] = {
    { "config", "config/KIND/NAMESPACE/NAME", 4, parse_config },
    { "services", "services/NAMESPACE/SERVICE", 3, parse_service },
    { "registry", "registry/NAMESPACE/SERVICE/INSTANCE", 4, parse_instance },
};

bool object_key_parse(struct arena *a, const char *key, struct object_key *out, struct diags *d)
{
    const char *segments[SEGMENTS_MAX];
    const char *firsts[ARRAY_COUNT(layouts) + 1] = { "mesh" };
    size_t count = split(a, key, segments);
    *out = (struct object_key){ .kind = KIND_NONE, .ns = "", .name = key };
    if (strcmp(key, "cluster") == 0)
        return true;
    for (size_t i = 0; i < ARRAY_COUNT(own_prefixes); i++)
        if (count > 1 && strcmp(segments[0], own_prefixes[i]) == 0)
            return true;
    if (strcmp(key, "mesh") == 0) {
        *out = (struct object_key){ KIND_MESH_CONFIG, .ns = "", .name = "mesh" };
        return true;
    }
    for (size_t i = 0; i < ARRAY_COUNT(layouts); i++) {
        firsts[i + 1] = layouts[i].first;
        if (strcmp(segments[0], layouts[i].first) != 0)
            continue;
        if (count == layouts[i].segments)
            return layouts[i].parse(key, segments, out, d);
        bad_key(d, key, NULL, arena_printf(a, "must be %s", layouts[i].layout));
        return false;
    }
    const char *nearest = diag_nearest(segments[0], firsts, ARRAY_COUNT(firsts));
    bad_key(d,
        key,
        nearest ? arena_printf(a, "did you mean \"%s\"?", nearest) : NULL,
        "is outside the layout of the keyspace");
    return false;
}

const char *object_key_text(struct arena *a, enum kind kind, const char *ns, const char *name)
{
    switch (kind) {
    case KIND_MESH_CONFIG:
        return "mesh";
    case KIND_REGISTRY_SERVICE:
        return arena_printf(a, "services/%s/%s", ns, name);
    case KIND_REGISTRY_INSTANCE: /* name: SERVICE/INSTANCE */
        return arena_printf(a, "registry/%s/%s", ns, name);
    default:
        return arena_printf(a, "config/%s/%s/%s", kind_info(kind)->plural, ns, name);
    }
}

const char *object_key_of_document(
    struct arena *a, const char *kind, const char *ns, const char *name, struct diags *d)
{
    for (size_t i = 0; i <= KIND_MESH_CONFIG; i++)
        if (strcmp(kind_info((enum kind)i)->name, kind) == 0)
            return object_key_text(a, (enum kind)i, ns, name);
    unknown_kind(d, "kind", kind);
    return NULL;
}
