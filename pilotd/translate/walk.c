#include "translate/walk.h"

#include "translate/walk_parts.h"

#include <string.h>

/* ---- how a walk ends ---- */

static const struct {
    const char *text;
    bool is_good;
} ends[WALK_ENDS] = {
    [WALK_DELIVERED] = { "delivered", true },
    [WALK_ANSWERED] = { "answered by the proxy", true },
    [WALK_REFUSED] = { "refused on purpose", false },
    [WALK_NO_LISTENER] = { "no listener matched", false },
    [WALK_NO_CHAIN] = { "no filter chain matched", false },
    [WALK_NO_CERTIFICATE] = { "the caller has no certificate of the mesh", false },
    [WALK_NOT_TLS] = { "the filter chain wants TLS", false },
    [WALK_STILL_TLS] = { "the filter chain wants HTTP, and gets TLS", false },
    [WALK_NOT_HTTP] = { "the filter chain wants HTTP", false },
    [WALK_NO_TABLE] = { "the route table was not sent", false },
    [WALK_NO_HOST] = { "no virtual host matched", false },
    [WALK_NO_ROUTE] = { "no route matched", false },
    [WALK_NO_CLUSTER] = { "the cluster was not sent", false },
    [WALK_NO_ENDPOINT] = { "no endpoint can take it", false },
};

const char *walk_end_text(enum walk_end end)
{
    return ends[end].text;
}

bool walk_end_is_good(enum walk_end end)
{
    return ends[end].is_good;
}

bool walk_stop(struct walking *w, enum walk_end end, const char *why)
{
    w->walk->end = end;
    w->walk->why = why;
    return false;
}

/* ---- what a chain does with a connection ---- */

static bool end_tls(struct walking *w, const pb_FilterChain *chain)
{
    const pb_TransportSocket *socket = chain->transport_socket;
    const pb_DownstreamTlsContext *tls =
        socket ? sent_any(w, socket->typed_config, &pb_DownstreamTlsContext_desc) : NULL;
    w->walk->ends_tls = tls;
    if (!tls)
        return true;
    if (w->call->tls == CALL_PLAINTEXT)
        return walk_stop(w, WALK_NOT_TLS, NULL);
    bool wants_certificate =
        tls->require_client_certificate && tls->require_client_certificate->value;
    if (wants_certificate && w->call->tls != CALL_MTLS)
        return walk_stop(w, WALK_NO_CERTIFICATE, NULL);
    return true;
}

static void carry_http(struct walking *w, const pb_HttpConnectionManager *manager)
{
    enum { NOT_FOUND = 404 };
    if (w->call->tls != CALL_PLAINTEXT && !w->walk->ends_tls) {
        walk_stop(w, WALK_STILL_TLS, NULL);
        return;
    }
    if (w->call->http == CALL_BYTES) {
        walk_stop(w, WALK_NOT_HTTP, NULL);
        return;
    }
    const pb_VirtualHost *host = walk_find_host(w, manager);
    const pb_Route *route = host ? walk_find_route(w, host) : NULL;
    if (route)
        walk_take_action(w, route);
    else if (w->walk->end != WALK_NO_TABLE)
        w->walk->status = NOT_FOUND;
}

static void carry(struct walking *w, const pb_FilterChain *chain)
{
    for (size_t i = 0; i < chain->n_filters; i++)
        list_push(w->a, &w->walk->filters, chain->filters[i]->name);
    for (size_t i = 0; i < chain->n_filters; i++) {
        const pb_Any *settings = chain->filters[i]->typed_config;
        const pb_HttpConnectionManager *manager =
            sent_any(w, settings, &pb_HttpConnectionManager_desc);
        const pb_TcpProxy *proxy = sent_any(w, settings, &pb_TcpProxy_desc);
        if (manager)
            carry_http(w, manager);
        else if (proxy)
            walk_carry_bytes(w, proxy);
    }
}

const struct walk *walk_build(struct arena *a, const struct xds_view *view, const struct call *call)
{
    struct walk *walk = ARENA_NEW(a, struct walk);
    struct walking w = { a, view, call, walk };
    const pb_Listener *listener = walk_find_listener(&w);
    if (!listener)
        return walk;
    walk_inspect(&w, listener);
    const pb_FilterChain *chain = walk_find_chain(&w, listener);
    if (chain && end_tls(&w, chain))
        carry(&w, chain);
    return walk;
}
