/*
 * route: what the verb is made of: the call that the command line describes, and the two ways to
 * show what becomes of it.
 */
#ifndef CTL_ROUTE_H
#define CTL_ROUTE_H

#include "base/json.h"
#include "ctl/dry_run.h"
#include "translate/walk.h"
#include "translate/walk_origin.h"

/* Flags that describe the call (route_call.c). */
extern const struct flag flag_call_inbound, flag_call_address, flag_call_tls, flag_call_sni,
    flag_call_alpn, flag_call_http2, flag_call_method, flag_call_header;

/* The call of the command line: a URL, or HOST:PORT. False after saying what is wrong. */
bool route_call_parse(struct ctl *ctl, const struct dry_run *run, struct call *call);

struct route_result {
    const struct call *call;
    const struct walk *walk;
    const struct walk_origin *origin;
};
/* The caller's (cJSON_Delete). */
cJSON *route_json(const struct route_result *r);
void route_print(struct arena *a, const struct route_result *r, FILE *out);

#endif
