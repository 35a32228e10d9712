/* pilotctl analyze: what the resources of the store come to together. */
#include "ctl/analysis.h"
#include "ctl/files.h"
#include "ctl/output.h"
#include "ctl/world.h"

#include <string.h>

const struct flag *const analyze_flags[] = { &flag_file, STORE_FLAGS, READ_FLAGS, NULL };

static const struct column columns[] = {
    { "RESOURCE" },
    { "CODE" },
    { "PLACE" },
    { "FINDING" },
    { "HINT", .is_wide = true },
};

static const char *row_json(struct arena *a, const struct finding *finding, const char *code)
{
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "key", finding->key);
    cJSON_AddStringToObject(json, "code", code);
    cJSON_AddStringToObject(json, "path", finding->diag.path);
    cJSON_AddStringToObject(json, "message", finding->diag.message);
    if (finding->diag.hint)
        cJSON_AddStringToObject(json, "hint", finding->diag.hint);
    return output_text(a, json);
}

/* In a file it stands at a line. */
static const char *place(
    struct arena *a, const struct loader *loader, const struct finding *finding)
{
    struct diag diag = finding->diag;
    const struct load_item *item = loader_locate(loader, finding->key, &diag);
    if (!item)
        return finding->diag.path;
    return arena_printf(a, "%s:%u:%u", item->file, diag.line, diag.column);
}

static void add_rows(struct arena *a, const struct loader *loader, const struct snapshot *snapshot,
    struct answer *answer)
{
    for (list_each (const struct finding, finding, &snapshot->findings)) {
        const char *code = arena_printf(a, "PIL%04d", (int)finding->diag.code);
        const char *title = key_title(a, finding->key);
        struct row row = {
            .name = arena_printf(a, "%s:%s:%s", title, finding->diag.path, code),
            .json = row_json(a, finding, code),
            .tone = TONE_DOUBT,
            .cells = CELLS(a,
                title,
                code,
                place(a, loader, finding),
                arena_strdup(a, finding->diag.message),
                arena_strdup(a, finding->diag.hint)),
        };
        list_push(a, &answer->rows, row);
    }
}

static int ask_store(struct ctl *ctl, const struct loader *loader, struct answer *answer)
{
    struct session session;
    struct change change = { .loader = loader };
    struct error err = { 0 };
    int status = session_open(&session, ctl);
    if (status != EXIT_GOOD)
        return status;
    change.writes = writes_of_files(ctl->a, loader, &change.count);
    struct snapshot *snapshot = analysis_snapshot(&session, &change, &err);
    session_close(&session);
    if (!snapshot)
        return ctl_fail_error(&err);
    add_rows(ctl->a, loader, snapshot, answer);
    answer->columns = columns;
    answer->column_count = ARRAY_COUNT(columns);
    answer->status = snapshot->findings.count ? EXIT_FINDINGS : EXIT_GOOD;
    snapshot_release(snapshot);
    return EXIT_GOOD;
}

static int ask(struct ctl *ctl, struct answer *answer)
{
    struct loader loader;
    int status = EXIT_GOOD;
    loader_init(&loader, ctl->a);
    if (ctl_is_set(ctl, &flag_file))
        status = files_load(ctl, &loader);
    if (status == EXIT_GOOD && !files_print_faults(ctl, &loader, stderr))
        status = EXIT_REFUSED;
    if (status == EXIT_GOOD)
        status = ask_store(ctl, &loader, answer);
    loader_fini(&loader);
    return status;
}

int verb_analyze(struct ctl *ctl)
{
    return output_run(ctl, ask);
}
