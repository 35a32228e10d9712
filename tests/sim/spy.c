#include "spy.h"

#include "fake_h2.h"

static struct spy_owner *owner;

struct xds_stream *__wrap_xds_stream_new(enum xds_variant variant);
struct xds_stream *__real_xds_stream_new(enum xds_variant variant);
void __wrap_xds_stream_view(struct xds_stream *stream, struct xds_view *view, struct xds_out *out);
void __real_xds_stream_view(struct xds_stream *stream, struct xds_view *view, struct xds_out *out);
void __wrap_store_reconnect(struct store *s);
void __real_store_reconnect(struct store *s);

void spy_begin(struct spy_owner *o)
{
    owner = o;
}

struct xds_stream *__wrap_xds_stream_new(enum xds_variant variant)
{
    struct xds_stream *stream = __real_xds_stream_new(variant);
    void *client = channel_opening();
    if (client)
        owner->on_stream(owner, client, stream);
    return stream;
}

void __wrap_xds_stream_view(struct xds_stream *stream, struct xds_view *view, struct xds_out *out)
{
    owner->on_view(owner, stream, view);
    __real_xds_stream_view(stream, view, out);
}

void __wrap_store_reconnect(struct store *s)
{
    owner->on_given_up(owner, store_status(s));
    __real_store_reconnect(s);
}
