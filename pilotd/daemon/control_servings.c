#include "daemon/control.h"

#include "daemon/address.h"

/* The serving loops: how they are opened and ended. */

static struct xds_limits limits_of(const struct options *o)
{
    return (struct xds_limits){
        .keepalive_ms = (uint64_t)o->keepalive_ms,
        .request_ms = (uint64_t)o->request_timeout_ms,
        .stall_ms = (uint64_t)o->stall_timeout_ms,
        .idle_ms = (uint64_t)o->idle_timeout_ms,
    };
}

bool control_open_servings(struct control *c, struct arena *a, struct error *err)
{
    size_t count = (size_t)c->options->threads;
    c->servings = ARENA_ARRAY(a, struct serving *, count);
    c->xds_address = c->sockets.xds ? address_of_socket(a, c->sockets.xds) : c->options->xds;
    c->xds_tls_address =
        c->sockets.xds_tls ? address_of_socket(a, c->sockets.xds_tls) : c->options->xds_tls;
    c->fair_share = (struct fair_share){ .margin_percent = c->options->stream_margin,
        .slack = FAIR_SHARE_SLACK };
    for (size_t i = 0; i < count; i++) {
        const struct serving_options options = {
            .index = i,
            .address = c->xds_address,
            .tls_address = c->xds_tls_address,
            .socket = c->sockets.xds,
            .tls_socket = c->sockets.xds_tls,
            .tls_context = c->certificates.context,
            .id = c->options->id,
            .max_stream_age_ms = (uint64_t)c->options->max_stream_age_ms,
            .limits = limits_of(c->options),
            .addresses = &c->addresses,
            .max_joining = ((size_t)c->options->max_joining + count - 1) / count,
            .status_access = (enum xds_status_access)c->options->client_status,
            .owner = &c->serving_owner,
            .log = &c->log,
            .xds = &c->stats.xds,
            .scopes = &c->stats.scopes,
            .refused_scopes = &c->stats.refused_scopes,
            .stale_streams = &c->stats.gate.stale_streams,
            .queue_us = &c->stats.queue_time,
            .convergence_us = &c->stats.convergence_time,
            .turned_away = &c->stats.gate.turned_away,
        };
        if (!serving_open(&options, &c->servings[i], err))
            return error_context(err, c->xds_tls_address ? "--xds and --xds-tls" : "--xds");
        c->serving_count++;
        c->xds_address = address_with_port(a, c->xds_address, serving_port(c->servings[i]));
        if (c->xds_tls_address)
            c->xds_tls_address =
                address_with_port(a, c->xds_tls_address, serving_tls_port(c->servings[i]));
    }
    roll_call_open(&c->pulse, &c->loop, SERVING_PULSE, c->servings, c->serving_count);
    roll_call_open(&c->census, &c->loop, SERVING_REPORT, c->servings, c->serving_count);
    client_status_open(&c->client_status, c->servings, c->serving_count);
    return true;
}

void control_close_servings(struct control *c)
{
    for (size_t i = 0; i < c->serving_count; i++)
        serving_stop(c->servings[i]);
    roll_call_close(&c->pulse);
    roll_call_close(&c->census);
    client_status_close(&c->client_status);
}
