#include "ctl/dry_run.h"

#include "base/json.h"
#include "ctl/files.h"

#include <string.h>

const struct flag flag_node = {
    .name = "--node",
    .value_name = "NODE.json",
    .help = "Envoy's Node: id, cluster, metadata, locality",
};
const struct flag flag_mesh = {
    .name = "--mesh",
    .value_name = "MESH.yaml",
    .help = "the MeshConfig",
};

/* ---- the proxy ---- */

static bool read_json(struct arena *a, const char *path, cJSON **out, struct error *err)
{
    const char *text;
    size_t size;
    struct diags d;
    diags_init(&d, a);
    if (!files_read(a, path, &text, &size, err))
        return false;
    *out = json_parse(text, size, FILE_LIMIT_BYTES, &d);
    return *out || error_set(err, ERROR_USAGE, "%s: %s", path, d.list.items[0].message);
}

static const char *text_or_empty(const cJSON *object, const char *name, const char *other_name)
{
    const char *text = json_text(object, name);
    if (!text)
        text = json_text(object, other_name);
    return text ? text : "";
}

static bool read_scope(struct ctl *ctl, struct scope *scope, struct error *err)
{
    const char *path = ctl_value(ctl, &flag_node);
    cJSON *node;
    if (!path)
        return error_set(err, ERROR_USAGE, "%s: --node NODE.json is needed", ctl->verb->name);
    if (!read_json(ctl->a, path, &node, err))
        return false;
    const cJSON *locality = cJSON_GetObjectItemCaseSensitive(node, "locality");
    const cJSON *metadata = cJSON_GetObjectItemCaseSensitive(node, "metadata");
    char *printed = metadata ? cJSON_PrintUnformatted(metadata) : NULL;
    const struct scope_input input = {
        .node_id = text_or_empty(node, "id", "id"),
        .metadata_json = printed ? printed : "{}",
        .region = text_or_empty(locality, "region", "region"),
        .zone = text_or_empty(locality, "zone", "zone"),
        .sub_zone = text_or_empty(locality, "sub_zone", "subZone"),
    };
    bool is_good = scope_parse(ctl->a, &input, scope, err);
    free(printed);
    cJSON_Delete(node);
    return is_good || error_context(err, "%s", path);
}

/* ---- the resources ---- */

static int add_mesh(struct ctl *ctl, struct loader *loader)
{
    const char *path = ctl_value(ctl, &flag_mesh), *text;
    size_t size;
    struct error err;
    if (!path)
        return EXIT_GOOD;
    if (!files_read(ctl->a, path, &text, &size, &err))
        return ctl_fail_error(&err);
    loader_add_mesh(loader, path, text, size);
    return EXIT_GOOD;
}

static void build(struct ctl *ctl, struct dry_run *run)
{
    struct object **objects = ARENA_ARRAY(ctl->a, struct object *, run->loader.items.count + 1);
    size_t count = 0;
    for (list_each (struct load_item, item, &run->loader.items))
        if (item->object)
            objects[count++] = item->object;
    run->snapshot = snapshot_build(objects, count, 1, TRANSLATION_LEVEL);
    struct translator *translator = translator_new(NULL);
    translator_begin(translator, run->snapshot);
    run->view = translator_view(translator, &run->scope);
    translator_free(translator);
}

int dry_run_begin(struct ctl *ctl, struct dry_run *run)
{
    struct error err = { 0 };
    *run = (struct dry_run){ 0 };
    loader_init(&run->loader, ctl->a);
    if (!read_scope(ctl, &run->scope, &err))
        return ctl_fail_error(&err);
    int status = add_mesh(ctl, &run->loader);
    if (status == EXIT_GOOD)
        status = files_load(ctl, &run->loader);
    if (status == EXIT_GOOD && !files_print_faults(ctl, &run->loader, stderr))
        status = ctl_fail(EXIT_REFUSED, "nothing was rendered");
    if (status == EXIT_GOOD)
        build(ctl, run);
    return status;
}

void dry_run_end(struct dry_run *run)
{
    xds_view_release(run->view);
    snapshot_release(run->snapshot);
    loader_fini(&run->loader);
}
