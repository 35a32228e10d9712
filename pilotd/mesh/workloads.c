/* WorkloadEntries by their labels, so that a selector reads only those that have one of its pairs.
 */
#include "mesh/index.h"

#include <string.h>

/* Two label sets as one, sorted; `strong` wins. */
static label_list merge_labels(struct arena *a, const label_list *weak, const label_list *strong)
{
    label_list merged = { 0 };
    size_t i = 0, j = 0;
    while (i < weak->count || j < strong->count) {
        int order = i == weak->count     ? 1
                    : j == strong->count ? -1
                                         : strcmp(weak->items[i].key, strong->items[j].key);
        list_push(a, &merged, order < 0 ? weak->items[i] : strong->items[j]);
        i += order <= 0;
        j += order >= 0;
    }
    return merged;
}

static int compare_labelled(const struct labelled_workload *a, const struct labelled_workload *b)
{
    int order = strcmp(a->workload->object->ns, b->workload->object->ns);
    if (!order)
        order = strcmp(a->label.key, b->label.key);
    return order ? order : strcmp(a->label.value, b->label.value);
}

static int compare_labelled_items(const void *left, const void *right)
{
    const struct labelled_workload *a = left, *b = right;
    int order = compare_labelled(a, b);
    return order ? order : object_compare_age(a->workload->object, b->workload->object);
}

/* The empty pair, which no label is, stands for every workload of the namespace. */
void index_workloads(struct snapshot *s)
{
    static const struct label any = { "", "" };
    const struct object_list *objects = &s->objects[KIND_WORKLOAD_ENTRY];
    struct snapshot_index *index = s->index;
    for (size_t i = 0; i < objects->count; i++) {
        const struct workload_entry *spec = objects->items[i]->spec;
        struct workload *w = ARENA_NEW(s->arena, struct workload);
        w->object = objects->items[i];
        w->labels = merge_labels(s->arena, &spec->labels, &w->object->labels);
        list_push(s->arena, &index->workloads, ((struct labelled_workload){ any, w }));
        for (list_each (const struct label, label, &w->labels))
            list_push(s->arena, &index->workloads, ((struct labelled_workload){ *label, w }));
    }
    if (index->workloads.count)
        qsort(index->workloads.items,
            index->workloads.count,
            sizeof *index->workloads.items,
            compare_labelled_items);
}

/* The first entry that is not before the probe or, `past` it, the first after it. */
static size_t bound(
    const struct snapshot_index *index, const struct labelled_workload *probe, bool past)
{
    size_t low = 0, high = index->workloads.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_labelled(&index->workloads.items[middle], probe) < (past ? 1 : 0))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct workload_slice with_label(
    const struct snapshot *s, const char *ns, const struct label *label)
{
    const struct object object = { .ns = ns };
    struct workload workload = { .object = &object };
    const struct labelled_workload probe = { *label, &workload };
    size_t first = bound(s->index, &probe, false), end = bound(s->index, &probe, true);
    return (struct workload_slice){ s->index->workloads.items + first, end - first };
}

struct workload_slice workloads_find(
    const struct snapshot *s, const char *ns, const label_list *wanted)
{
    static const struct label any = { "", "" };
    struct workload_slice fewest = with_label(s, ns, &any);
    for (list_each (const struct label, label, wanted)) {
        struct workload_slice slice = with_label(s, ns, label);
        if (slice.count < fewest.count)
            fewest = slice;
    }
    return fewest;
}
