/* What must hold of the key `cluster`: whatever is done to it by hand, the cluster stays the same.
 */
#include "world.h"

#include <string.h>

enum { START_US = 4 * SIM_SECOND };

/* The value's text, or NULL where it is none. */
static const char *epoch_of(struct world *w, const char *value)
{
    char text[65];
    if (sscanf(value, "{\"epoch\":\"%64[0-9a-f]\"", text) != 1)
        return NULL;
    return arena_strdup(w->a, text);
}

/* Where all replicas were there all the time, they know it. */
void check_epoch_committed(struct world *w)
{
    const struct etcd_version *v = etcd_get(&w->etcd, CLUSTER_KEY);
    const char *text = v && v->mod == w->etcd.revision ? epoch_of(w, v->value) : NULL;
    if (!text)
        return;
    bool is_known = w->moods == 0 && w->sim->now_us > w->began_us + START_US;
    if (w->epoch && is_known && strcmp(w->epoch, text) != 0)
        sim_fail(w->sim, "an epoch is made once", "%s, and before %s", text, w->epoch);
    w->epoch = text;
}

/* Nobody may have known it when it was garbled. */
void check_epoch_rest(struct world *w)
{
    const struct etcd_version *v = etcd_get(&w->etcd, CLUSTER_KEY);
    if (!v || (!epoch_of(w, v->value) && w->moods == 0))
        sim_fail(w->sim, "the key cluster is mended", "%s", v ? v->value : "it is not there");
    for (size_t i = 0; i < w->replica_count && v && epoch_of(w, v->value); i++)
        if (strcmp(w->replicas[i].control.epoch.text, epoch_of(w, v->value)) != 0)
            sim_fail(w->sim,
                "all replicas know the epoch",
                "%s: %s",
                w->replicas[i].id,
                w->replicas[i].control.epoch.text);
}
