/*
 * admin: one GET on a replica's admin address; and which replicas there are.
 */
#ifndef CTL_ADMIN_H
#define CTL_ADMIN_H

#include "base/error.h"
#include "base/json.h"
#include "ctl/ctl.h"

enum { ADMIN_TIMEOUT_MS = 5000, ADMIN_ANSWER_LIMIT_BYTES = 256 * 1024 * 1024 };

/* The JSON of http://ADDRESS/PATH; the caller's. ERROR_UNREACHABLE when nobody answers there. */
cJSON *admin_get(const char *address, const char *path, struct error *err);

/* Those of --server, and those that the first of them that answers knows of. */
string_list admin_servers(struct ctl *ctl);
/* Those of --server alone. */
string_list admin_named_servers(struct ctl *ctl);

#endif
