/*
 * walk_parts: the steps of a walk, and how they read what was sent. Private to walk*.c.
 */
#ifndef TRANSLATE_WALK_PARTS_H
#define TRANSLATE_WALK_PARTS_H

#include "proto/pb.h"
#include "translate/walk.h"

/* Which member of a oneof is set, by protobuf-c's names less their long beginnings. */
#define CASE_OF_ROUTE(name)    ENVOY__CONFIG__ROUTE__V3__##name
#define CASE_OF_LISTENER(name) ENVOY__CONFIG__LISTENER__V3__##name
#define CASE_OF_MANAGER(name)                                                                      \
    ENVOY__EXTENSIONS__FILTERS__NETWORK__HTTP_CONNECTION_MANAGER__V3__##name
#define CASE_OF_TCP_PROXY(name) ENVOY__EXTENSIONS__FILTERS__NETWORK__TCP_PROXY__V3__##name

/* A walk under way. Each step fills its part of `walk`. */
struct walking {
    struct arena *a;
    const struct xds_view *view;
    const struct call *call;
    struct walk *walk;
};

/* Ends it; false, so that a step can `return walk_stop(…);`. */
bool walk_stop(struct walking *w, enum walk_end end, const char *why);

/* ---- what was sent (walk_sent.c): messages taken apart in the arena ---- */

/* NULL: there is none of that name. */
const void *sent_find(const struct walking *w, enum xds_type type, const char *name);
/* A route table with all of its virtual hosts, also where these were sent apart. */
const pb_RouteConfiguration *sent_table(const struct walking *w, const char *name);
typedef LIST(const pb_Listener *) sent_listener_list;
sent_listener_list sent_listeners(const struct walking *w);
/* NULL when `any` is NULL or holds another type. */
const void *sent_any(
    const struct walking *w, const pb_Any *any, const ProtobufCMessageDescriptor *type);
/* IP:PORT, [IP]:PORT, NAME:PORT or a path. */
const char *sent_address(struct arena *a, const pb_Address *address);

/* ---- texts (walk_text.c) ---- */

const char *text_of_duration(struct arena *a, const pb_Duration *d); /* "1.5s"; NULL: "none" */
double percent_of_fraction(const pb_FractionalPercent *f);           /* NULL: 0 */
const char *text_join(struct arena *a, char *const *texts, size_t count);
void walk_note(struct arena *a, walk_fact_list *facts, const char *name, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

/* ---- the steps: false when the walk has ended ---- */

/* walk_listener.c, walk_chain.c */
const pb_Listener *walk_find_listener(struct walking *w);
void walk_inspect(struct walking *w, const pb_Listener *listener);
const pb_FilterChain *walk_find_chain(struct walking *w, const pb_Listener *listener);

/* walk_hosts.c: the path and authority as the connection manager has them, then by them */
const pb_VirtualHost *walk_find_host(struct walking *w, const pb_HttpConnectionManager *manager);
/* walk_routes.c */
const pb_Route *walk_find_route(struct walking *w, const pb_VirtualHost *host);
/* NULL when it matches; else why not. walk_match.c */
const char *walk_mismatch(const struct walking *w, const pb_RouteMatch *match);
/* A request's header, several joined by commas; pseudo headers too. NULL: it has none. */
const char *walk_header(const struct walking *w, const char *name);

/* walk_action.c */
void walk_take_action(struct walking *w, const pb_Route *route);
void walk_carry_bytes(struct walking *w, const pb_TcpProxy *proxy);
/* walk_answer.c */
void walk_redirect(struct walking *w, const pb_Route *route);
void walk_respond(struct walking *w, const pb_DirectResponseAction *response);
/* The path after the rewrite of what `match` took of it. */
const char *walk_rewrite_prefix(
    const struct walking *w, const pb_RouteMatch *match, const char *replacement);
const char *walk_rewrite_regex(const struct walking *w, const pb_RegexMatchAndSubstitute *rewrite);

/* walk_clusters.c: one destination more */
void walk_add_cluster(
    struct walking *w, const char *cluster, double percent, walk_fact_list facts, bool is_mirror);

/* walk_transport.c */
void walk_note_transport(const struct walking *w, walk_fact_list *facts, const pb_Cluster *cluster);
/* The name of the transport socket match that takes such an endpoint; NULL: the cluster's own. */
const char *walk_transport_match(const pb_Cluster *cluster, const pb_Metadata *metadata);

#endif
