/*
 * admin: one GET on a replica's admin address; and which replicas there are.
 */
#ifndef CTL_ADMIN_H
#define CTL_ADMIN_H

#include "base/error.h"
#include "base/json.h"
#include "ctl/ctl.h"

#include <time.h>

enum { ADMIN_TIMEOUT_MS = 5000, ADMIN_ANSWER_LIMIT_BYTES = 256 * 1024 * 1024 };

/* The JSON of http://ADDRESS/PATH; the caller's. ERROR_UNREACHABLE when nobody answers there. */
cJSON *admin_get(const char *address, const char *path, struct error *err);

/* The answer as it is, in `a`. */
bool admin_get_text(
    struct arena *a, const char *address, const char *path, const char **text, struct error *err);

/* A POST without a body. */
bool admin_post_text(
    struct arena *a, const char *address, const char *path, const char **text, struct error *err);

/* Any answer, whatever it says: its status, and the server's clock (0: not told). */
struct admin_probe {
    long status;
    time_t date;
};
bool admin_probe(
    const char *address, const char *path, struct admin_probe *probe, struct error *err);

/* Those of --server, and those that the first of them that answers knows of. */
string_list admin_servers(struct ctl *ctl);
/* Those of --server alone. */
string_list admin_named_servers(struct ctl *ctl);

#endif
