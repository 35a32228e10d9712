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

/* Where it was garbled while nobody was there who knew it, it stays so. */
bool epoch_is_at_rest(struct world *w, bool is_told)
{
    const struct etcd_version *v = etcd_get(&w->etcd, CLUSTER_KEY);
    const char *text = v ? epoch_of(w, v->value) : NULL, *id = "nobody", *known = text;
    for (size_t i = 0; text && i < w->replica_count; i++)
        if (strcmp(w->replicas[i].control.epoch.text, text) != 0) {
            id = w->replicas[i].id;
            known = w->replicas[i].control.epoch.text;
        }
    bool is_good = text ? known == text : v && w->moods != 0;
    if (!is_good && is_told)
        sim_fail(w->sim,
            "the key cluster is mended, and known",
            "%s: %s knows %s",
            v ? v->value : "it is not there",
            id,
            known ? known : "it");
    return is_good;
}
