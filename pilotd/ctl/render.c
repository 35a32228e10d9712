/* pilotctl render: the pure core alone: resources and a node in, what Envoy would be sent out. */
#include "translate/render.h"
#include "ctl/files.h"
#include "mesh/scope.h"
#include "mesh/snapshot.h"
#include "translate/translate.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static const struct flag flag_node = {
    .name = "--node",
    .value_name = "NODE.json",
    .help = "Envoy's Node: id, cluster, metadata, locality",
};
static const struct flag flag_mesh = {
    .name = "--mesh",
    .value_name = "MESH.yaml",
    .help = "the MeshConfig",
};
static const struct flag flag_directory = {
    .name = "--output",
    .letter = 'o',
    .value_name = "DIR",
    .help = "where the four files go; made when it is not there",
};
const struct flag *const render_flags[] = {
    &flag_file, &flag_node, &flag_mesh, &flag_directory, NULL
};

static const struct {
    enum xds_type type;
    const char *file;
} outputs[] = {
    { XDS_CLUSTER, "clusters.json" },
    { XDS_ENDPOINT, "endpoints.json" },
    { XDS_LISTENER, "listeners.json" },
    { XDS_ROUTE, "routes.json" },
};

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
        return error_set(err, ERROR_USAGE, "render: --node NODE.json is needed");
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

static bool write_file(const char *path, const char *text, struct error *err)
{
    FILE *out = fopen(path, "wb");
    bool is_good = out && fprintf(out, "%s\n", text) > 0;
    if (out && fclose(out) != 0)
        is_good = false;
    return is_good || error_set(err, ERROR_IO, "%s: %s", path, strerror(errno));
}

static bool write_view(struct ctl *ctl, const struct xds_view *view, struct error *err)
{
    const char *directory = ctl_value(ctl, &flag_directory);
    bool is_good = true;
    if (mkdir(directory, 0777) != 0 && errno != EEXIST)
        return error_set(err, ERROR_IO, "%s: %s", directory, strerror(errno));
    for (size_t i = 0; i < ARRAY_COUNT(outputs) && is_good; i++) {
        cJSON *json = render_json(view, outputs[i].type);
        char *printed = cJSON_Print(json);
        const char *path = arena_printf(ctl->a, "%s/%s", directory, outputs[i].file);
        is_good = write_file(path, printed, err);
        free(printed);
        cJSON_Delete(json);
    }
    return is_good;
}

static bool render(
    struct ctl *ctl, const struct loader *loader, const struct scope *scope, struct error *err)
{
    struct object **objects = ARENA_ARRAY(ctl->a, struct object *, loader->items.count + 1);
    size_t count = 0;
    for (list_each (struct load_item, item, &loader->items))
        if (item->object)
            objects[count++] = item->object;
    struct snapshot *snapshot = snapshot_build(objects, count, 1, TRANSLATION_LEVEL);
    struct translator *translator = translator_new(NULL);
    translator_begin(translator, snapshot);
    struct xds_view *view = translator_view(translator, scope);
    bool is_good = write_view(ctl, view, err);
    xds_view_release(view);
    translator_free(translator);
    snapshot_release(snapshot);
    return is_good;
}

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

int verb_render(struct ctl *ctl)
{
    struct loader loader;
    struct scope scope;
    struct error err = { 0 };
    if (!ctl_value(ctl, &flag_directory))
        return ctl_fail(EXIT_USAGE, "render: -o DIR is needed");
    if (!read_scope(ctl, &scope, &err))
        return ctl_fail_error(&err);
    loader_init(&loader, ctl->a);
    int status = add_mesh(ctl, &loader);
    if (status == EXIT_GOOD)
        status = files_load(ctl, &loader);
    if (status == EXIT_GOOD && !files_print_faults(ctl, &loader, stderr))
        status = ctl_fail(EXIT_REFUSED, "nothing was rendered");
    if (status == EXIT_GOOD && !render(ctl, &loader, &scope, &err))
        status = ctl_fail_error(&err);
    loader_fini(&loader);
    return status;
}
