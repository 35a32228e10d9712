#include "xds/discovery_codec.h"

#include "proto/pb.h"
#include "xds/grpc.h"
#include "xds/server.h"

#include <string.h>

/* ---- decoding ---- */

static string_list names_of(struct arena *a, char **names, size_t count)
{
    string_list list = { 0 };
    for (size_t i = 0; i < count; i++)
        list_push(a, &list, names[i]);
    return list;
}

/* What an Envoy says; NULL: nothing. */
static const pb_SemanticVersion *build_version(const pb_Node *node)
{
    bool has_build =
        node->user_agent_version_type_case ==
        ENVOY__CONFIG__CORE__V3__NODE__USER_AGENT_VERSION_TYPE_USER_AGENT_BUILD_VERSION;
    return has_build ? node->user_agent_build_version->version : NULL;
}

static const char *user_agent(struct arena *a, const pb_Node *node)
{
    bool has_text = node->user_agent_version_type_case ==
                    ENVOY__CONFIG__CORE__V3__NODE__USER_AGENT_VERSION_TYPE_USER_AGENT_VERSION;
    const pb_SemanticVersion *version = build_version(node);
    if (version)
        return arena_printf(a,
            "%s %u.%u.%u",
            node->user_agent_name,
            version->major_number,
            version->minor_number,
            version->patch);
    return arena_printf(a,
        "%s%s%s",
        node->user_agent_name,
        *node->user_agent_name ? " " : "",
        has_text ? node->user_agent_version : "");
}

static bool is_old_envoy(const pb_Node *node)
{
    const pb_SemanticVersion *version = build_version(node);
    return strcmp(node->user_agent_name, "envoy") == 0 && version && version->major_number <= 1 &&
           version->minor_number < XDS_OLDEST_ENVOY;
}

static bool take_node(
    struct arena *a, const pb_Node *node, struct discovery_request *out, struct error *err)
{
    if (!node)
        return true;
    if (node->metadata.len > XDS_MAX_METADATA_BYTES)
        return error_set(err,
            ERROR_REFUSED,
            "node.metadata is %zu bytes; at most %d are accepted",
            node->metadata.len,
            XDS_MAX_METADATA_BYTES);
    const pb_Locality *locality = node->locality;
    out->has_node = true;
    out->node = (struct xds_node){
        .id = node->id,
        .cluster = node->cluster,
        .region = locality ? locality->region : "",
        .zone = locality ? locality->zone : "",
        .sub_zone = locality ? locality->sub_zone : "",
        .user_agent = user_agent(a, node),
        .is_old = is_old_envoy(node),
        .metadata = node->metadata.data,
        .metadata_bytes = node->metadata.len,
    };
    return true;
}

static bool decode_sotw(struct arena *a, const uint8_t *bytes, size_t size,
    struct discovery_request *out, struct error *err)
{
    const pb_DiscoveryRequest *r = pb_unpack(a, &pb_DiscoveryRequest_desc, bytes, size);
    if (!r)
        return error_set(err, ERROR_GARBLED, "not a DiscoveryRequest");
    out->type_url = r->type_url;
    out->request.nonce = r->response_nonce;
    out->request.version_info = r->version_info;
    out->request.error_detail = r->error_detail ? r->error_detail->message : NULL;
    out->request.names = names_of(a, r->resource_names, r->n_resource_names);
    return take_node(a, r->node, out, err);
}

static bool decode_delta(struct arena *a, const uint8_t *bytes, size_t size,
    struct discovery_request *out, struct error *err)
{
    const pb_DeltaDiscoveryRequest *r = pb_unpack(a, &pb_DeltaDiscoveryRequest_desc, bytes, size);
    if (!r)
        return error_set(err, ERROR_GARBLED, "not a DeltaDiscoveryRequest");
    out->type_url = r->type_url;
    out->request.nonce = r->response_nonce;
    out->request.version_info = "";
    out->request.error_detail = r->error_detail ? r->error_detail->message : NULL;
    out->request.names = names_of(a, r->resource_names_subscribe, r->n_resource_names_subscribe);
    out->request.unsubscribe =
        names_of(a, r->resource_names_unsubscribe, r->n_resource_names_unsubscribe);
    for (size_t i = 0; i < r->n_initial_resource_versions; i++) {
        struct xds_versioned_name held = { r->initial_resource_versions[i]->key,
            r->initial_resource_versions[i]->value };
        list_push(a, &out->request.initial, held);
    }
    return take_node(a, r->node, out, err);
}

bool discovery_decode(struct arena *a, enum xds_variant variant, const uint8_t *bytes,
    size_t size_bytes, struct discovery_request *out, struct error *err)
{
    *out = (struct discovery_request){ 0 };
    return variant == XDS_SOTW ? decode_sotw(a, bytes, size_bytes, out, err)
                               : decode_delta(a, bytes, size_bytes, out, err);
}

/* ---- encoding ---- */

/* Field numbers of envoy.service.discovery.v3 and google.protobuf.Any. */
enum {
    RESPONSE_RESOURCES = 2, /* of both kinds of response */
    RESOURCE_VERSION = 1,
    RESOURCE_RESOURCE = 2,
    RESOURCE_NAME = 3,
    ANY_TYPE_URL = 1,
    ANY_VALUE = 2,
    WIRE_LENGTH_DELIMITED = 2,
};

static size_t varint_size(size_t value)
{
    size_t size = 1;
    for (; value > 0x7f; value >>= 7)
        size++;
    return size;
}

static size_t field_size(size_t content)
{
    return 1 + varint_size(content) + content; /* field numbers here are below 16 */
}

static uint8_t *put_head(uint8_t *at, unsigned field, size_t content)
{
    *at++ = (uint8_t)(field << 3 | WIRE_LENGTH_DELIMITED);
    for (; content > 0x7f; content >>= 7)
        *at++ = (uint8_t)((content & 0x7f) | 0x80);
    *at++ = (uint8_t)content;
    return at;
}

static uint8_t *put_text(uint8_t *at, unsigned field, const char *text)
{
    size_t size = strlen(text);
    at = put_head(at, field, size);
    memcpy(at, text, size);
    return at + size;
}

/* Everything of a resource's message that comes before its own bytes, which are its last field. */
static struct slice resource_prefix(
    struct arena *a, enum xds_variant variant, const struct xds_response *response, size_t at)
{
    const struct xds_resource *r = response->resources.items[at];
    const char *url = xds_type_url(r->type);
    char version[HASH128_TEXT_BYTES] = "";
    if (variant == XDS_DELTA)
        hash128_text(&response->versions.items[at], version);
    size_t any = field_size(strlen(url)) + field_size(r->size_bytes);
    size_t whole = variant == XDS_SOTW ? any
                                       : field_size(strlen(version)) + field_size(strlen(r->name)) +
                                             field_size(any);
    uint8_t *start = arena_alloc(a, field_size(whole) - r->size_bytes, 1), *end = start;
    end = put_head(end, RESPONSE_RESOURCES, whole);
    if (variant == XDS_DELTA) {
        end = put_text(end, RESOURCE_VERSION, version);
        end = put_text(end, RESOURCE_NAME, r->name);
        end = put_head(end, RESOURCE_RESOURCE, any);
    }
    end = put_text(end, ANY_TYPE_URL, url);
    end = put_head(end, ANY_VALUE, r->size_bytes);
    return (struct slice){ start, (size_t)(end - start), NULL };
}

static struct pb_bytes response_head(struct arena *a, enum xds_variant variant,
    const struct xds_response *response, const char *replica)
{
    pb_ControlPlane *control_plane = pb_new_ControlPlane(
        a, .identifier = arena_printf(a, "%s@%lld", replica, (long long)response->revision));
    char *url = pb_str(xds_type_url(response->type));
    if (variant == XDS_SOTW)
        return pb_pack(a,
            &pb_new_DiscoveryResponse(a,
                .version_info = pb_str(response->version_info),
                .type_url = url,
                .nonce = pb_str(response->nonce),
                .control_plane = control_plane)
                 ->base);
    char **removed = ARENA_ARRAY(a, char *, response->removed.count + 1);
    for (size_t i = 0; i < response->removed.count; i++)
        removed[i] = pb_str(response->removed.items[i]);
    return pb_pack(a,
        &pb_new_DeltaDiscoveryResponse(a,
            .system_version_info = pb_str(response->version_info),
            .type_url = url,
            .nonce = pb_str(response->nonce),
            PB_LIST(removed_resources, response->removed.count, removed),
            .control_plane = control_plane)
             ->base);
}

slice_list discovery_encode(struct arena *a, enum xds_variant variant,
    const struct xds_response *response, const char *replica)
{
    slice_list slices = { 0 };
    struct pb_bytes head = response_head(a, variant, response, replica);
    uint8_t *frame = arena_alloc(a, GRPC_HEAD_BYTES, 1);
    size_t total = head.size;
    list_push(a, &slices, ((struct slice){ frame, GRPC_HEAD_BYTES, NULL }));
    list_push(a, &slices, ((struct slice){ head.data, head.size, NULL }));
    for (size_t i = 0; i < response->resources.count; i++) {
        struct xds_resource *r = response->resources.items[i];
        struct slice prefix = resource_prefix(a, variant, response, i);
        list_push(a, &slices, prefix);
        list_push(a, &slices, ((struct slice){ r->bytes, r->size_bytes, r }));
        total += prefix.size + r->size_bytes;
    }
    grpc_head(frame, total);
    return slices;
}
