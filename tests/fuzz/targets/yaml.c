/* Files that people write: YAML or JSON in, values and faults with their places out. */
#include "support/fuzzer.h"

#include "model/load.h"

#include <string.h>

static void check_item(struct arena *a, const struct load_item *item)
{
    INVARIANT(!item->object || item->key);
    for (list_each (const struct diag, diag, &item->diags.list))
        INVARIANT(*load_diag_text(a, item, diag));
    if (!item->value)
        return;
    /* What would be stored can be read again. */
    struct diags d;
    diags_init(&d, a);
    cJSON *json = json_parse(item->value, item->size, SIZE_MAX, &d);
    INVARIANT(json);
    cJSON_Delete(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    struct input in = input_of(bytes, size_bytes);
    struct arena *a = arena_new();
    struct loader l;
    bool is_mesh = input_byte(&in) & 1;
    struct chunk text = input_take(&in, SIZE_MAX);
    loader_init(&l, a);
    if (is_mesh)
        loader_add_mesh(&l, "fuzz.yaml", (const char *)text.bytes, text.size);
    else
        loader_add(&l, "fuzz.yaml", (const char *)text.bytes, text.size);
    loader_finish(&l);
    for (list_each (const struct load_item, item, &l.items))
        check_item(a, item);
    loader_fini(&l);
    arena_free(a);
    return 0;
}
