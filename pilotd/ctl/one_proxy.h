/*
 * one_proxy: the one connected proxy that a verb is about: where it is, and its Envoy's own admin.
 */
#ifndef CTL_ONE_PROXY_H
#define CTL_ONE_PROXY_H

#include "base/json.h"
#include "ctl/ctl.h"

struct proxy_place {
    const char *server; /* the replica that has it */
    const char *id;
    const char *address; /* "10.0.0.7:41234": where it connects from */
};

/* By its whole id, or a part that only one has. Prints what is wrong; an exit status. */
int proxy_find(struct ctl *ctl, const char *word, struct proxy_place *place);

/* Its node id as a parameter of a URL. */
const char *proxy_id_escaped(struct arena *a, const char *id);

/* Where Envoy's own admin is: --envoy-admin, or port 15000 of where the proxy connects from. */
extern const struct flag flag_envoy_admin;
const char *proxy_envoy_admin(struct ctl *ctl, const struct proxy_place *place);

#endif
