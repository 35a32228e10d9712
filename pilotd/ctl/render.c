/* pilotctl render: the pure core alone: resources and a node in, what Envoy would be sent out. */
#include "translate/render.h"
#include "ctl/dry_run.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static const struct flag flag_directory = {
    .name = "--output",
    .letter = 'o',
    .value_name = "DIR",
    .help = "where the files go, one for each type; made when it is not there",
};
const struct flag *const render_flags[] = {
    &flag_file, &flag_node, &flag_mesh, STORE_FLAGS, &flag_directory, NULL
};

static const struct {
    enum xds_type type;
    const char *file;
} outputs[] = {
    { XDS_CLUSTER, "clusters.json" },
    { XDS_ENDPOINT, "endpoints.json" },
    { XDS_LISTENER, "listeners.json" },
    { XDS_ROUTE, "routes.json" },
    { XDS_VIRTUAL_HOST, "virtual_hosts.json" },
};

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

int verb_render(struct ctl *ctl)
{
    struct dry_run run;
    struct error err = { 0 };
    if (!ctl_value(ctl, &flag_directory))
        return ctl_fail(EXIT_USAGE, "render: -o DIR is needed");
    int status = dry_run_begin(ctl, &run);
    if (status == EXIT_GOOD && !write_view(ctl, run.view, &err))
        status = ctl_fail_error(&err);
    dry_run_end(&run);
    return status;
}
