#include "mesh/scope.h"

#include "base/buf.h"
#include "base/json.h"
#include "mesh/topology.h"

#include <string.h>

enum { METADATA_LIMIT_BYTES = 1024 * 1024, ID_PARTS = 4 };

static const struct {
    const char *name;
    enum proxy_type type;
} proxy_types[] = { { "sidecar", PROXY_SIDECAR }, { "router", PROXY_ROUTER } };

static const char *const interceptions[] = {
    [INTERCEPTION_REDIRECT] = "REDIRECT",
    [INTERCEPTION_TPROXY] = "TPROXY",
    [INTERCEPTION_NONE] = "NONE",
};

static bool parse_type(const char *name, struct scope *out, struct error *err)
{
    for (size_t i = 0; i < ARRAY_COUNT(proxy_types); i++)
        if (strcmp(name, proxy_types[i].name) == 0) {
            out->type = proxy_types[i].type;
            return true;
        }
    return error_set(
        err, ERROR_USAGE, "node id: type must be sidecar or router, not \"%.40s\"", name);
}

/* "default.svc.cluster.local" is the domain cluster.local as seen from a namespace. */
static const char *mesh_domain(struct arena *a, const char *node_domain)
{
    const char *svc = strstr(node_domain, ".svc.");
    return arena_strdup(a, svc ? svc + strlen(".svc.") : node_domain);
}

static bool parse_id(struct arena *a, const char *id, struct scope *out, struct error *err)
{
    char *rest = arena_strdup(a, id), *parts[ID_PARTS];
    size_t count = 0;
    while (rest && count < ID_PARTS)
        parts[count++] = strsep(&rest, "~");
    if (count != ID_PARTS || rest || !*parts[1] || !*parts[2] || !*parts[3])
        return error_set(err,
            ERROR_USAGE,
            "node id must be TYPE~IP~NAME.NAMESPACE~DOMAIN, as "
            "sidecar~10.0.0.7~web-1.default~default.svc.cluster.local, not \"%.120s\"",
            id);
    const char *dot = strrchr(parts[2], '.');
    if (!dot || dot == parts[2] || !dot[1])
        return error_set(err, ERROR_USAGE, "node id: \"%.80s\" must be NAME.NAMESPACE", parts[2]);
    out->id = parts[2];
    out->ns = dot + 1;
    out->domain = mesh_domain(a, parts[3]);
    list_push(a, &out->addresses, parts[1]);
    return parse_type(parts[0], out, err);
}

/* False when it is there and no string. */
static bool take_text(
    struct arena *a, const cJSON *metadata, const char *name, const char **out, struct error *err)
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(metadata, name);
    if (!member || cJSON_IsNull(member))
        return true;
    if (!cJSON_IsString(member))
        return error_set(err, ERROR_USAGE, "node metadata: %s must be a string", name);
    *out = arena_strdup(a, member->valuestring);
    return true;
}

/* True, false, or the same as text, which is all that some tools can write. */
static bool take_bool(const cJSON *metadata, const char *name, bool *out, struct error *err)
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(metadata, name);
    const char *text = cJSON_IsString(member) ? member->valuestring : "";
    *out = cJSON_IsTrue(member) || strcmp(text, "true") == 0;
    if (!member || cJSON_IsNull(member) || cJSON_IsBool(member) || *out ||
        strcmp(text, "false") == 0)
        return true;
    return error_set(err, ERROR_USAGE, "node metadata: %s must be true or false", name);
}

static int compare_labels(const void *left, const void *right)
{
    return strcmp(((const struct label *)left)->key, ((const struct label *)right)->key);
}

static bool take_labels(
    struct arena *a, const cJSON *metadata, label_list *labels, struct error *err)
{
    const cJSON *object = cJSON_GetObjectItemCaseSensitive(metadata, "LABELS"), *member;
    if (!object || cJSON_IsNull(object))
        return true;
    if (!cJSON_IsObject(object))
        return error_set(err, ERROR_USAGE, "node metadata: LABELS must be an object");
    cJSON_ArrayForEach (member, object) {
        if (!cJSON_IsString(member))
            return error_set(
                err, ERROR_USAGE, "node metadata: LABELS.%.60s must be a string", member->string);
        struct label label = { arena_strdup(a, member->string),
            arena_strdup(a, member->valuestring) };
        list_push(a, labels, label);
    }
    if (labels->count)
        qsort(labels->items, labels->count, sizeof *labels->items, compare_labels);
    return true;
}

static bool take_interception(const char *mode, struct scope *out, struct error *err)
{
    for (size_t i = 0; mode && i < ARRAY_COUNT(interceptions); i++)
        if (strcmp(mode, interceptions[i]) == 0) {
            out->interception = (enum interception)i;
            return true;
        }
    return !mode || error_set(err,
                        ERROR_USAGE,
                        "node metadata: INTERCEPTION_MODE must be REDIRECT, TPROXY or NONE, not "
                        "\"%.40s\"",
                        mode);
}

/* INSTANCE_IPS, comma-separated, stands for the id's address. */
static void take_addresses(struct arena *a, const char *ips, struct scope *out)
{
    char *rest = arena_strdup(a, ips);
    string_list addresses = { 0 };
    for (char *ip; (ip = strsep(&rest, ","));)
        if (*ip)
            list_push(a, &addresses, ip);
    if (addresses.count)
        out->addresses = addresses;
}

static bool take_metadata(
    struct arena *a, const cJSON *metadata, struct scope *out, struct error *err)
{
    const char *ips = NULL, *mode = NULL, *ns = NULL, *auto_addresses = "", *generator = "";
    const struct {
        const char *name, **to;
    } texts[] = {
        { "NAMESPACE", &ns },
        { "CLUSTER_ID", &out->cluster_id },
        { "NETWORK", &out->network },
        { "SERVICE_ACCOUNT", &out->service_account },
        { "INSTANCE_IPS", &ips },
        { "DNS_AUTO_ALLOCATE", &auto_addresses },
        { "INTERCEPTION_MODE", &mode },
        { "GENERATOR", &generator },
    };
    bool is_good = take_bool(metadata, "VHDS", &out->splits_tables, err) &&
                   take_bool(metadata, "REDIRECT_IPV6", &out->redirects_ipv6, err);
    for (size_t i = 0; is_good && i < ARRAY_COUNT(texts); i++)
        is_good = take_text(a, metadata, texts[i].name, texts[i].to, err);
    is_good =
        is_good && take_labels(a, metadata, &out->labels, err) && take_interception(mode, out, err);
    if (ns && *ns)
        out->ns = ns;
    out->labels = labels_with_topology(a, &out->labels, &out->locality, out->network);
    out->takes_auto_addresses = strcmp(auto_addresses, "true") == 0;
    out->is_grpc = strcmp(generator, "grpc") == 0;
    if (is_good && ips)
        take_addresses(a, ips, out);
    return is_good;
}

/* Each part says its size first, and labels how many they are: whatever bytes a client sends, two
 * keys are equal only if all their parts are. */
static void add_part(struct buf *key, const char *part)
{
    buf_printf(key, "%zu:%s", strlen(part), part);
}

static void make_keys(struct arena *a, struct scope *s)
{
    struct buf key = { 0 };
    bool is_none = s->interception == INTERCEPTION_NONE;
    add_part(&key, proxy_types[s->type].name);
    add_part(&key, s->ns);
    add_part(&key, s->domain);
    add_part(&key, s->locality.region);
    add_part(&key, s->locality.zone);
    add_part(&key, s->locality.sub_zone);
    add_part(&key, s->network);
    add_part(&key, s->cluster_id);
    add_part(&key, is_none ? s->bind_address : "");
    buf_printf(&key,
        "%d%d%d%d%d;",
        *s->service_account != '\0',
        s->takes_auto_addresses,
        s->is_grpc,
        s->splits_tables,
        s->redirects_ipv6);
    buf_printf(&key, "%zu;", s->labels.count);
    for (list_each (struct label, label, &s->labels)) {
        add_part(&key, label->key);
        add_part(&key, label->value);
    }
    s->outbound_key = arena_strndup(a, key.data, key.size);
    add_part(&key, interceptions[s->interception]);
    for (size_t i = 0; i < s->addresses.count; i++)
        add_part(&key, s->addresses.items[i]);
    s->key = arena_strndup(a, key.data, key.size);
    buf_fini(&key);
}

bool scope_parse(
    struct arena *a, const struct scope_input *input, struct scope *out, struct error *err)
{
    struct diags d;
    *out = (struct scope){
        .cluster_id = "",
        .network = "",
        .service_account = "",
        .locality = { arena_strdup(a, input->region),
            arena_strdup(a, input->zone),
            arena_strdup(a, input->sub_zone) },
    };
    diags_init(&d, a);
    if (!parse_id(a, input->node_id, out, err))
        return false;
    cJSON *metadata =
        json_parse(input->metadata_json, strlen(input->metadata_json), METADATA_LIMIT_BYTES, &d);
    if (!metadata)
        return error_set(err, ERROR_USAGE, "node metadata: %s", d.list.items[0].message);
    bool is_good = take_metadata(a, metadata, out, err);
    cJSON_Delete(metadata);
    out->splits_tables &= input->is_aggregated_delta && !out->is_grpc;
    const char *first = out->addresses.items[0];
    bool is_loopback = begins_with(first, "127.") || strcmp(first, "::1") == 0;
    out->bind_address = is_loopback ? first : "127.0.0.1";
    make_keys(a, out);
    return is_good;
}

struct scope *scope_dup(struct arena *a, const struct scope *s)
{
    struct scope *copy = arena_dup(a, s, sizeof *s, _Alignof(struct scope));
    copy->id = arena_strdup(a, s->id);
    copy->ns = arena_strdup(a, s->ns);
    copy->domain = arena_strdup(a, s->domain);
    copy->cluster_id = arena_strdup(a, s->cluster_id);
    copy->network = arena_strdup(a, s->network);
    copy->service_account = arena_strdup(a, s->service_account);
    copy->bind_address = arena_strdup(a, s->bind_address);
    copy->outbound_key = arena_strdup(a, s->outbound_key);
    copy->key = arena_strdup(a, s->key);
    copy->locality = (struct locality){ arena_strdup(a, s->locality.region),
        arena_strdup(a, s->locality.zone),
        arena_strdup(a, s->locality.sub_zone) };
    copy->addresses = (string_list){ 0 };
    for (size_t i = 0; i < s->addresses.count; i++)
        list_push(a, &copy->addresses, arena_strdup(a, s->addresses.items[i]));
    copy->labels = (label_list){ 0 };
    for (list_each (struct label, label, &s->labels))
        list_push(a,
            &copy->labels,
            ((struct label){ arena_strdup(a, label->key), arena_strdup(a, label->value) }));
    return copy;
}
