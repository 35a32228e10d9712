#include "model_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

int model_setup(void **state)
{
    struct model_fixture *f = xcalloc(1, sizeof *f);
    f->a = arena_new();
    *state = f;
    return 0;
}

int model_teardown(void **state)
{
    struct model_fixture *f = *state;
    for (list_each (struct loader *, loader, &f->loaders))
        loader_fini(*loader);
    arena_free(f->a);
    free(f);
    return 0;
}

static const struct loader *load(struct model_fixture *f, const char *yaml)
{
    struct loader *loader = ARENA_NEW(f->a, struct loader);
    loader_init(loader, f->a);
    list_push(f->a, &f->loaders, loader);
    loader_add(loader, "", yaml, strlen(yaml));
    loader_finish(loader);
    return loader;
}

static const char *resource(struct model_fixture *f, const char *kind, const char *spec)
{
    return arena_printf(f->a,
        "apiVersion: networking.istio.io/v1\n"
        "kind: %s\n"
        "metadata: {name: a, namespace: default}\n"
        "spec: %s\n",
        kind,
        spec);
}

static const char *join(struct model_fixture *f, const struct loader *loader, bool with_place)
{
    const char *text = "";
    for (list_each (const struct load_item, item, &loader->items))
        for (list_each (const struct diag, diag, &item->diags.list)) {
            const char *line = load_diag_text(f->a, item, diag) + strlen(":");
            if (!with_place)
                line = strchr(line, ' ') + 1;
            text = arena_printf(f->a, "%s%s%s", text, *text ? "\n" : "", line);
        }
    return text;
}

const char *faults(struct model_fixture *f, const char *kind, const char *spec)
{
    return join(f, load(f, resource(f, kind, spec)), false);
}

const char *faults_in_file(struct model_fixture *f, const char *yaml)
{
    return join(f, load(f, yaml), true);
}

const void *spec_of(struct model_fixture *f, const char *kind, const char *spec)
{
    const struct loader *loader = load(f, resource(f, kind, spec));
    if (loader->errors)
        fail_msg("%s", join(f, loader, false));
    assert_int_equal(loader->items.count, 1);
    return loader->items.items[0].object->spec;
}

void assert_faults(
    struct model_fixture *f, const char *kind, const struct fault_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *found = faults(f, kind, cases[i].spec);
        if (strcmp(found, cases[i].faults) != 0)
            fail_msg("%s\nmust have the faults:\n%s\nbut has:\n%s",
                cases[i].spec,
                cases[i].faults,
                found);
    }
}
