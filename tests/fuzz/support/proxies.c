#include "proxies.h"

#include "proto/pb_json.h"
#include "tests/unit/xds_views.h"

#include <string.h>

enum { CROWD = 2500 };

static const char *const views[MADE_VIEWS] = {
    "",
    "C:a=1 C:b=1 E:a=1 E:b=1 L:web=1 R:web=1 V:web/a=1 V:web/b=1",
    "C:a=2 C:b=1 E:a=2 E:b=1 L:web=1 R:web=2 V:web/a=2 V:web/c=1 V:80/a=1",
    "C:a=2 C:c=1 E:a=2 E:c=1 L:web=2 L:in=1 R:web=3",
    "C:b=1 L:web=2",
    "C:a=1 C:b=2 C:c=2 C:d=1 E:a=1 E:b=2 E:c=1 E:d=1 L:web=1 L:in=2 R:web=1 R:80=1 V:80/a=1 "
    "V:80/b=1",
};

struct xds_view *made_view(unsigned index)
{
    static struct xds_view *made[MADE_VIEWS];
    unsigned at = index % MADE_VIEWS;
    if (!made[at])
        made[at] = xds_view_of(at + 1, NULL, views[at]);
    return made[at];
}

struct xds_view *made_crowd(void)
{
    static struct xds_view *made;
    struct xds_resource **lists[XDS_TYPE_COUNT] = { 0 };
    size_t counts[XDS_TYPE_COUNT] = { [XDS_CLUSTER] = CROWD };
    if (made)
        return made;
    lists[XDS_CLUSTER] = xcalloc(CROWD, sizeof *lists[XDS_CLUSTER]);
    for (unsigned i = 0; i < CROWD; i++) {
        char name[16];
        snprintf(name, sizeof name, "c%u", i);
        lists[XDS_CLUSTER][i] =
            xds_resource_new(XDS_CLUSTER, name, (const uint8_t *)name, strlen(name));
    }
    made = xds_view_new(1, NULL, lists, counts);
    free(lists[XDS_CLUSTER]);
    return made;
}

bool read_node(struct arena *a, const struct xds_node *node, struct scope *scope, struct error *err)
{
    cJSON *json = pb_struct_json(node->metadata, node->metadata_bytes, err);
    char *text = json ? cJSON_PrintUnformatted(json) : NULL;
    cJSON_Delete(json);
    if (!text)
        return false;
    struct scope_input input = {
        .node_id = node->id,
        .metadata_json = text,
        .region = node->region,
        .zone = node->zone,
        .sub_zone = node->sub_zone,
    };
    bool is_good = scope_parse(a, &input, scope, err);
    cJSON_free(text);
    return is_good;
}
