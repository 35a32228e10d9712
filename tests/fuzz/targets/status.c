/*
 * Questions about proxies (CSDS): the question as bytes, of proxies that said odd things. The pages
 * come to an end, and each is made of messages.
 */
#include "support/proxies.h"

#include "proto/pb.h"
#include "xds/grpc.h"
#include "xds/status_page.h"

#include <string.h>

enum { PROXIES = 3, PAGES_MAX = 64, STEPS_MAX = 8 };

struct proxy {
    struct xds_node node;
    struct xds_stream *stream;
};

/* Its stream has come to somewhere: some types asked for, some refused with words of its own. */
static void talk(struct proxy *p, struct arena *a, struct input *in)
{
    struct xds_out out;
    unsigned view = input_byte(in);
    xds_out_init(&out);
    xds_stream_view(p->stream, view == 0xff ? made_crowd() : made_view(view), &out);
    for (unsigned i = input_below(in, STEPS_MAX); i > 0; i--) {
        unsigned what = input_byte(in);
        char nonce[8];
        snprintf(nonce, sizeof nonce, "%u", what >> 4);
        struct xds_request request = {
            .type = (enum xds_type)(what & 3),
            .nonce = what >> 4 ? nonce : "",
            .error_detail = what & 4 ? input_text(in, a) : NULL,
            .version_info = "",
        };
        if (what & 8)
            list_push(a, &request.names, input_text(in, a));
        xds_stream_request(p->stream, &request, &out);
        xds_out_clear(&out);
    }
    xds_out_fini(&out);
}

static void check_summary(const struct proxy *p)
{
    for (unsigned type = 0; type < XDS_TYPE_COUNT; type++) {
        struct xds_type_status status;
        xds_stream_status(p->stream, (enum xds_type)type, &status);
        INVARIANT(status.last_nack && status.acked_revision <= status.sent_revision);
    }
}

static void make_proxy(struct proxy *p, struct arena *a, struct input *in)
{
    const char *id = input_text(in, a), *agent = input_text(in, a);
    p->node = (struct xds_node){ id, "", "eu", agent, "", agent, NULL, 0 };
    p->stream = xds_stream_new(input_byte(in) & 1 ? XDS_DELTA : XDS_SOTW);
    talk(p, a, in);
    check_summary(p);
}

static void check_page(struct arena *a, const struct status_page *page)
{
    const uint8_t *at = (const uint8_t *)page->configs.data;
    size_t left = page->configs.size, configs = 0;
    while (left > 0) {
        size_t size = left;
        if (page->is_framed) {
            INVARIANT(left >= GRPC_HEAD_BYTES && at[0] == 0);
            size = (size_t)at[1] << 24 | (size_t)at[2] << 16 | (size_t)at[3] << 8 | at[4];
            at += GRPC_HEAD_BYTES;
            left -= GRPC_HEAD_BYTES;
        }
        INVARIANT(size <= left);
        const pb_ClientStatusResponse *m = pb_unpack(a, &pb_ClientStatusResponse_desc, at, size);
        INVARIANT(m);
        configs += m->n_config;
        at += size;
        left -= size;
    }
    INVARIANT(configs == page->count);
}

/* As rpc_status.c does it: page after page, until there was nothing more to add. */
static void read_pages(
    struct arena *a, const struct proxy *proxies, struct status_query *query, bool is_framed)
{
    struct status_page *page = status_page_new(query, 1, is_framed);
    for (unsigned pages = 0; !page->is_last; pages++) {
        INVARIANT(pages < PAGES_MAX);
        page->is_last = true;
        for (unsigned serial = PROXIES; serial > 0 && page->is_last; serial--) {
            const struct proxy *p = &proxies[serial - 1];
            if (serial > page->serial || !status_query_takes(query, p->node.id))
                continue;
            page->is_last =
                status_page_add(page, &p->node, p->stream, serial) && !status_page_is_full(page);
        }
        check_page(a, page);
        buf_clear(&page->configs);
        page->count = 0;
    }
    status_page_free(page);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    struct input in = input_of(bytes, size_bytes);
    struct arena *a = arena_new();
    struct proxy proxies[PROXIES];
    struct status_query *query;
    struct error err;
    bool is_framed = input_byte(&in) & 1;
    struct chunk question = input_chunk(&in);
    if (status_query_new(question.bytes, question.size, &query, &err)) {
        for (size_t i = 0; i < PROXIES; i++)
            make_proxy(&proxies[i], a, &in);
        status_query_is_exact(query);
        read_pages(a, proxies, query, is_framed);
        for (size_t i = 0; i < PROXIES; i++)
            xds_stream_free(proxies[i].stream);
    } else {
        INVARIANT(*err.text);
    }
    arena_free(a);
    return 0;
}
