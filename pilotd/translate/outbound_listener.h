/*
 * outbound_listener: one listener for calls that leave the workload, as planned; and
 * virtualOutbound, where redirected connections arrive and are handed to the others.
 */
#ifndef TRANSLATE_OUTBOUND_LISTENER_H
#define TRANSLATE_OUTBOUND_LISTENER_H

#include "translate/listener_plan.h"
#include "translate/memo.h"
#include "translate/tcp_proxy.h"

/* A way for connections that are not HTTP. */
struct listener_chain {
    string_list server_names; /* of TLS */
    cidr_list ranges;         /* where it was going */
    struct tcp_proxy proxy;   /* its access log is the mesh's */
    bool is_mongo;
    uint32_t dynamic_port; /* the server name is resolved when it is asked for; 0: it is not */
    unsigned dns_family;   /* then */
};
/* It takes what no other chain takes. */
bool listener_chain_is_default(const struct listener_chain *chain);

/* With a digest of everything in it. */
struct arg_ref listener_chain_ref(const struct listener_chain *chain);

struct outbound_listener_args {
    const char *bind, *extra_bind; /* extra_bind NULL: one address */
    uint64_t port;
    uint64_t is_bound;      /* a socket of its own, not redirection */
    const char *route_name; /* NULL: no HTTP here */
    uint64_t has_grpc_web;
    uint64_t has_dynamic_dns, dns_family; /* hosts are resolved when they are asked for */
    const char *fallback;                 /* the cluster for what no chain takes; NULL: refused */
    arg_ref_list chains;                  /* struct listener_chain */
    struct arg_ref mesh;                  /* struct mesh_config */
};
extern const struct renderer outbound_listener_renderer;

struct virtual_outbound_args {
    const char *bind, *extra_bind; /* as those of outbound_listener_args */
    uint64_t is_transparent;
    const char *fallback; /* the cluster for what no listener takes */
    struct arg_ref mesh;  /* struct mesh_config */
};
extern const struct renderer virtual_outbound_renderer;

#endif
