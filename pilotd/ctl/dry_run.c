#include "ctl/dry_run.h"

#include "base/json.h"
#include "ctl/files.h"
#include "ctl/world.h"

#include <string.h>

const struct flag flag_node = {
    .name = "--node",
    .value_name = "NODE",
    .help = "Envoy's Node as a JSON file (id, metadata, locality), or a node id",
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
        return error_set(err, ERROR_USAGE, "%s: --node NODE is needed", ctl->verb->name);
    if (strchr(path, '~')) {
        const struct scope_input id = { path, "{}", "", "", "" };
        return scope_parse(ctl->a, &id, scope, err);
    }
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
        .is_aggregated_delta = true,
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

/* Of a store: with the files as if they were applied. */
static int take_store(struct ctl *ctl, struct dry_run *run)
{
    struct session session;
    struct world world;
    struct error err;
    size_t count;
    struct store_write *writes = writes_of_files(ctl->a, &run->loader, &count);
    int status = session_open(&session, ctl);
    if (status != EXIT_GOOD)
        return status;
    if (world_read(&world, &session, &err)) {
        world_write(&world, writes, count);
        world_tell(&world, stderr);
        run->snapshot = world_snapshot(&world);
    } else {
        status = ctl_fail_error(&err);
    }
    world_fini(&world);
    session_close(&session);
    return status;
}

static int take_files(struct ctl *ctl, struct dry_run *run)
{
    int status = add_mesh(ctl, &run->loader);
    if (status == EXIT_GOOD)
        status = files_load(ctl, &run->loader);
    if (status == EXIT_GOOD && !files_print_faults(ctl, &run->loader, stderr))
        status = ctl_fail(EXIT_REFUSED, "nothing was rendered");
    return status;
}

static void translate(struct dry_run *run)
{
    struct translator *translator = translator_new(NULL);
    translator_begin(translator, run->snapshot);
    run->view = translator_view(translator, &run->scope);
    translator_free(translator);
}

int dry_run_begin(struct ctl *ctl, struct dry_run *run)
{
    struct error err = { 0 };
    bool has_files = ctl_values(ctl, &flag_file).count > 0;
    *run = (struct dry_run){ 0 };
    loader_init(&run->loader, ctl->a);
    if (!read_scope(ctl, &run->scope, &err))
        return ctl_fail_error(&err);
    if (!has_files && ctl_is_set(ctl, &flag_mesh))
        return ctl_fail(EXIT_USAGE, "--mesh: goes with -f FILE; a store has its own");
    int status = has_files ? take_files(ctl, run) : EXIT_GOOD;
    if (status != EXIT_GOOD)
        return status;
    if (!has_files || ctl_is_set(ctl, &flag_store))
        status = take_store(ctl, run);
    else
        run->snapshot = snapshot_of_files(ctl->a, &run->loader);
    if (status == EXIT_GOOD)
        translate(run);
    return status;
}

void dry_run_end(struct dry_run *run)
{
    xds_view_release(run->view);
    snapshot_release(run->snapshot);
    loader_fini(&run->loader);
}
