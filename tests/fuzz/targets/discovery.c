/*
 * Requests of a discovery stream, as bytes, and views that change meanwhile: whatever a proxy says,
 * each response is a message, of resources that there are, under a nonce of its own, and no more
 * than one for each type is on its way.
 */
#include "support/proxies.h"

#include "proto/pb.h"
#include "xds/discovery_codec.h"
#include "xds/grpc.h"

#include <string.h>

enum { RESPONSE_LIMIT_BYTES = 4096, STEPS_MAX = 64 };

struct conversation {
    enum xds_variant variant;
    struct xds_stream *stream;
    char nonces[XDS_TYPE_COUNT][24]; /* of the last responses */
};

/* ---- what comes out ---- */

static size_t unpacked_count(
    struct arena *a, enum xds_variant variant, const uint8_t *bytes, size_t size)
{
    if (variant == XDS_SOTW) {
        const pb_DiscoveryResponse *m = pb_unpack(a, &pb_DiscoveryResponse_desc, bytes, size);
        INVARIANT(m && *m->nonce);
        return m->n_resources;
    }
    const pb_DeltaDiscoveryResponse *m = pb_unpack(a, &pb_DeltaDiscoveryResponse_desc, bytes, size);
    INVARIANT(m && *m->nonce);
    return m->n_resources;
}

static void check_bytes(struct conversation *c, const struct xds_response *response)
{
    struct arena *a = arena_new();
    struct buf bytes = { 0 };
    slice_list slices = discovery_encode(a, c->variant, response, "fuzz");
    for (list_each (const struct slice, slice, &slices))
        buf_append(&bytes, slice->data, slice->size);
    const uint8_t *head = (const uint8_t *)bytes.data;
    size_t said = (size_t)head[1] << 24 | (size_t)head[2] << 16 | (size_t)head[3] << 8 | head[4];
    INVARIANT(head[0] == 0 && said + GRPC_HEAD_BYTES == bytes.size);
    INVARIANT(
        unpacked_count(a, c->variant, head + GRPC_HEAD_BYTES, said) == response->resources.count);
    if (response->removed.count == 0) /* those are names that the proxy said */
        INVARIANT(bytes.size < RESPONSE_LIMIT_BYTES);
    buf_fini(&bytes);
    arena_free(a);
}

static void check_response(struct conversation *c, const struct xds_response *response)
{
    struct xds_type_status status;
    xds_stream_status(c->stream, response->type, &status);
    INVARIANT(status.is_in_flight);
    INVARIANT(*response->nonce && strcmp(response->nonce, c->nonces[response->type]) != 0);
    for (size_t i = 0; i < response->resources.count; i++)
        INVARIANT(response->resources.items[i]->type == response->type);
    snprintf(c->nonces[response->type], sizeof *c->nonces, "%s", response->nonce);
    check_bytes(c, response);
}

static void check_out(struct conversation *c, struct xds_out *out)
{
    unsigned seen = 0;
    for (list_each (const struct xds_response, response, &out->responses)) {
        INVARIANT(!(seen >> response->type & 1));
        seen |= 1u << response->type;
        check_response(c, response);
    }
    xds_out_clear(out);
}

/* ---- what goes in ---- */

static void hear_bytes(struct conversation *c, struct chunk message, struct xds_out *out)
{
    struct arena *a = arena_new();
    struct discovery_request request;
    struct error err;
    struct scope scope;
    if (discovery_decode(a, c->variant, message.bytes, message.size, &request, &err)) {
        if (request.has_node)
            read_node(a, &request.node, &scope, &err);
        if (xds_type_from_url(request.type_url, &request.request.type))
            xds_stream_request(c->stream, &request.request, out);
    }
    arena_free(a);
}

/* What a proxy that goes on well would say: it took, or refused, the last of that type. */
static void hear_answer(struct conversation *c, struct input *in, struct xds_out *out)
{
    static const char *const names[] = { "a", "b", "c", "web", "in", "gone", "web/a", "*" };
    struct arena *a = arena_new();
    enum xds_type type = (enum xds_type)input_below(in, XDS_TYPE_COUNT);
    unsigned what = input_byte(in), subscribed = input_byte(in);
    struct xds_request request = {
        .type = type,
        .nonce = what & 1 ? c->nonces[type] : "",
        .error_detail = what & 2 ? "no" : NULL,
        .version_info = "",
    };
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        if (subscribed >> i & 1)
            list_push(a, &request.names, names[i]);
        else if (c->variant == XDS_DELTA && what & 4)
            list_push(a, &request.unsubscribe, names[i]);
        if (c->variant == XDS_DELTA && what & 8)
            list_push(a, &request.initial, ((struct xds_versioned_name){ names[i], "1" }));
    }
    xds_stream_request(c->stream, &request, out);
    arena_free(a);
}

static void step(struct conversation *c, struct input *in, struct xds_out *out)
{
    unsigned what = input_byte(in);
    switch (what % 4) {
    case 0:
        hear_bytes(c, input_chunk(in), out);
        break;
    case 1:
        hear_answer(c, in, out);
        break;
    case 2:

        xds_stream_view(c->stream, made_view(what / 4), out);
        break;
    default:
        if (xds_stream_awaits_names(c->stream))
            xds_stream_stop_awaiting(c->stream, out);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    struct input in = input_of(bytes, size_bytes);
    struct conversation c = { .variant = input_byte(&in) & 1 ? XDS_DELTA : XDS_SOTW };
    struct xds_out out;
    c.stream = xds_stream_new(c.variant);
    xds_out_init(&out);
    for (unsigned i = 0; i < STEPS_MAX && !input_is_over(&in); i++) {
        step(&c, &in, &out);
        check_out(&c, &out);
        INVARIANT(xds_stream_name_count(c.stream) <= size_bytes + (i + 1) * 16);
    }
    struct xds_status_cursor cursor = { 0 };
    struct xds_resource_status status;
    while (xds_stream_next_status(c.stream, &cursor, &status))
        INVARIANT(status.name);
    xds_out_fini(&out);
    xds_stream_free(c.stream);
    return 0;
}
