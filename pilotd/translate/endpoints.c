#include "translate/assignment.h"

struct endpoints_args {
    struct assignment_args assignment;
};
static const struct arg endpoints_rows[] = { ASSIGNMENT_ARG_ROWS(
    struct endpoints_args, assignment) };

static const char *endpoints_name(struct arena *a, const void *opaque)
{
    const struct endpoints_args *args = opaque;
    return assignment_cluster_name(a, &args->assignment);
}

static ProtobufCMessage *endpoints_render(struct arena *a, const void *opaque)
{
    const struct endpoints_args *args = opaque;
    return &assignment_build(a, &args->assignment)->base;
}

static const struct renderer endpoints_renderer = {
    .name = "endpoints",
    .type = XDS_ENDPOINT,
    .args_bytes = sizeof(struct endpoints_args),
    .args = endpoints_rows,
    .arg_count = ARRAY_COUNT(endpoints_rows),
    .name_of = endpoints_name,
    .render = endpoints_render,
};

void select_endpoints(struct selection *sel)
{
    outbound_cluster_list clusters = outbound_clusters_of(sel);
    for (list_each (struct outbound_cluster, cluster, &clusters)) {
        if (cluster->discovery != DISCOVERY_EDS)
            continue;
        struct endpoints_args args = { .assignment = assignment_args_of(sel, cluster) };
        selection_add(sel, memo_render(sel->memo, &endpoints_renderer, &args));
    }
}
