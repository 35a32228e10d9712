#include "daemon/triggers.h"

#include <uv.h>

/* Keys under other prefixes are pilotd's own. */
static const struct {
    const char *prefix;
    enum trigger trigger;
} rows[] = {
    { "registry/", TRIGGER_ENDPOINT },
    { "config/workloadentries/", TRIGGER_ENDPOINT },
    { "services/", TRIGGER_SERVICE },
    { "config/serviceentries/", TRIGGER_SERVICE },
    { "config/", TRIGGER_CONFIG },
    { "mesh", TRIGGER_GLOBAL },
};

void triggers_heard(struct triggers *t, const char *key, bool is_in_force)
{
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        if (!begins_with(key, rows[i].prefix))
            continue;
        metric_add(&t->stats->inbound[rows[i].trigger], 1);
        t->is_pending[rows[i].trigger] |= is_in_force;
        if (is_in_force && !t->since_ns)
            t->since_ns = uv_hrtime();
        return;
    }
}

uint64_t triggers_take(struct triggers *t)
{
    uint64_t since_ns = t->since_ns;
    for (size_t i = 0; i < TRIGGERS; i++) {
        metric_add(&t->stats->pushes[i], t->is_pending[i]);
        t->is_pending[i] = false;
    }
    t->since_ns = 0;
    return since_ns;
}
