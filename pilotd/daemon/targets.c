#include "daemon/targets.h"

#include "daemon/json_out.h"

#include <string.h>

struct listing {
    struct arena *a;
    cJSON *list;
    unsigned port;
};

static void add_label(cJSON *labels, const struct scope *s, const char *name)
{
    const char *value = labels_find(&s->labels, name);
    if (value)
        json_add_text(labels, name, value);
}

static void add_locality(struct arena *a, cJSON *labels, const struct locality *l)
{
    if (*l->region)
        json_add_text(labels,
            "locality",
            arena_printf(a,
                "%s%s%s%s%s",
                l->region,
                *l->zone ? "/" : "",
                l->zone,
                *l->sub_zone ? "/" : "",
                l->sub_zone));
}

static cJSON *labels_json(struct arena *a, const struct scope *s)
{
    cJSON *labels = cJSON_CreateObject();
    json_add_text(labels, "__metrics_path__", "/stats/prometheus");
    json_add_text(labels, "namespace", s->ns);
    json_add_text(labels, "proxy", s->id);
    json_add_text(labels, "kind", s->type == PROXY_SIDECAR ? "sidecar" : "router");
    add_locality(a, labels, &s->locality);
    add_label(labels, s, "app");
    add_label(labels, s, "version");
    return labels;
}

static void add_target(const char *key, void *value, void *context)
{
    const struct scope *s = &((const struct wanted_scope *)value)->scope->scope;
    struct listing *l = context;
    (void)key;
    if (s->is_grpc || !s->addresses.count)
        return;
    const char *ip = s->addresses.items[0];
    cJSON *target = cJSON_CreateObject(), *addresses = cJSON_CreateArray();
    cJSON_AddItemToArray(addresses,
        cJSON_CreateString(arena_printf(l->a, strchr(ip, ':') ? "[%s]:%u" : "%s:%u", ip, l->port)));
    cJSON_AddItemToObject(target, "targets", addresses);
    cJSON_AddItemToObject(target, "labels", labels_json(l->a, s));
    cJSON_AddItemToArray(l->list, target);
}

void targets_list(const struct scopes *scopes, unsigned port, struct buf *out)
{
    struct listing l = { arena_new(), cJSON_CreateArray(), port };
    map_each (&scopes->by_key, add_target, &l)
        ;
    json_out(out, l.list);
    arena_free(l.a);
}
