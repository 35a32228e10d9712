#include "mesh/topology.h"

#include <string.h>

enum { SUBZONE, NETWORK, REGION, ZONE, PLACES };
static const char *const keys[PLACES] = {
    [SUBZONE] = "topology.istio.io/subzone",
    [NETWORK] = "topology.istio.io/network",
    [REGION] = "topology.kubernetes.io/region",
    [ZONE] = "topology.kubernetes.io/zone",
};

static int compare_labels(const void *left, const void *right)
{
    return strcmp(((const struct label *)left)->key, ((const struct label *)right)->key);
}

static bool is_said(const char *const *values, const char *key)
{
    for (size_t i = 0; i < PLACES; i++)
        if (*values[i] && strcmp(keys[i], key) == 0)
            return true;
    return false;
}

label_list labels_with_topology(
    struct arena *a, const label_list *labels, const struct locality *where, const char *network)
{
    bool is_labelled = labels_find(labels, keys[NETWORK]) != NULL;
    const char *values[PLACES] = {
        [SUBZONE] = where->sub_zone,
        [NETWORK] = is_labelled ? "" : network,
        [REGION] = where->region,
        [ZONE] = where->zone,
    };
    label_list all = { 0 };
    if (!*values[SUBZONE] && !*values[NETWORK] && !*values[REGION] && !*values[ZONE])
        return *labels;
    for (list_each (const struct label, label, labels))
        if (!is_said(values, label->key))
            list_push(a, &all, *label);
    for (size_t i = 0; i < PLACES; i++)
        if (*values[i])
            list_push(a, &all, ((struct label){ keys[i], values[i] }));
    qsort(all.items, all.count, sizeof *all.items, compare_labels);
    return all;
}
