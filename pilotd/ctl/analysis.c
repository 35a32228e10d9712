#include "ctl/analysis.h"

#include "base/map.h"
#include "ctl/world.h"

#include <string.h>

const char *key_title(struct arena *a, const char *key)
{
    struct object_key parts;
    struct diags ignored;
    diags_init(&ignored, a);
    if (!object_key_parse(a, key, &parts, &ignored) || parts.kind == KIND_NONE || !parts.ns ||
        !*parts.ns)
        return key;
    return arena_printf(a, "%s/%s/%s", kind_info(parts.kind)->name, parts.ns, parts.name);
}

static void print_finding(
    struct arena *a, const struct loader *loader, const struct finding *finding, FILE *out)
{
    struct diag diag = finding->diag;
    const struct load_item *item = loader ? loader_locate(loader, finding->key, &diag) : NULL;
    if (item)
        fprintf(out, "%s\n", load_diag_text(a, item, &diag));
    else
        fprintf(out, "%s: warning: %s\n", key_title(a, finding->key), diag_text(a, &diag));
}

/* ---- of files ---- */

size_t analysis_of_files(struct ctl *ctl, const struct loader *loader, FILE *out)
{
    struct snapshot *snapshot = snapshot_of_files(ctl->a, loader);
    for (list_each (const struct finding, finding, &snapshot->findings))
        print_finding(ctl->a, loader, finding, out);
    size_t found = snapshot->findings.count;
    snapshot_release(snapshot);
    return found;
}

/* ---- of a change ---- */

/* What makes it the same finding; a hint may have become another one. */
static const char *finding_text(struct arena *a, const struct finding *f)
{
    return arena_printf(a, "%s %d %s %s", f->key, (int)f->diag.code, f->diag.path, f->diag.message);
}

static size_t print_new(struct arena *a, const struct snapshot *before,
    const struct snapshot *after, const struct loader *loader, FILE *out)
{
    static char known;
    struct map old = { 0 };
    size_t found = 0;
    for (list_each (const struct finding, finding, &before->findings))
        map_put(&old, finding_text(a, finding), &known);
    for (list_each (const struct finding, finding, &after->findings)) {
        if (map_find(&old, finding_text(a, finding)))
            continue;
        print_finding(a, loader, finding, out);
        found++;
    }
    map_fini(&old, NULL);
    return found;
}

bool analysis_of_change(
    struct session *s, const struct change *change, FILE *out, size_t *found, struct error *err)
{
    struct world w;
    bool is_known = world_read(&w, s, err);
    if (is_known) {
        struct snapshot *before = world_snapshot(&w);
        world_write(&w, change->writes, change->count);
        struct snapshot *after = world_snapshot(&w);
        *found = print_new(s->a, before, after, change->loader, out);
        snapshot_release(before);
        snapshot_release(after);
    }
    world_fini(&w);
    return is_known;
}

struct snapshot *analysis_snapshot(
    struct session *s, const struct change *change, struct error *err)
{
    struct world w;
    struct snapshot *snapshot = NULL;
    if (world_read(&w, s, err)) {
        world_write(&w, change->writes, change->count);
        world_tell(&w, stderr);
        snapshot = world_snapshot(&w);
    }
    world_fini(&w);
    return snapshot;
}
