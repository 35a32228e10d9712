/* A folder's files, as the file store reads them: the path says what may stand there. */
#include "support/fuzzer.h"

#include "base/json.h"
#include "model/object.h"
#include "replication/file_read.h"

#include <string.h>

static const char *const paths[] = {
    "routes.yaml",
    "routes.json",
    "mesh.yaml",
    "cluster.json",
    "config/virtualservices/default/a.yaml",
    "config/destinationrules/default/a.json",
    "services/default/web.yml",
    "registry/default/web/1.json",
    "replicas/r1.json",
    "holds/config/virtualservices/default/a.json",
    "tombstones/registry/default/web/1.json",
    "replicas/r1.yaml",
};

static void check_value(struct arena *a, const struct file_value *value)
{
    struct diags d;
    diags_init(&d, a);
    INVARIANT(*value->key && value->value[value->size] == '\0');
    cJSON *json = json_parse(value->value, value->size, SIZE_MAX, &d);
    INVARIANT(json);
    cJSON_Delete(json);
    object_release(object_decode(value->key, value->value, value->size, 1, &d));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    static const struct store_layout layout = { object_key_of_document };
    struct input in = input_of(bytes, size_bytes);
    struct arena *a = arena_new();
    struct diags d;
    unsigned which = input_byte(&in);
    const char *path = which < 0xf0 ? paths[which % ARRAY_COUNT(paths)] : input_text(&in, a);
    struct chunk text = input_take(&in, SIZE_MAX);
    diags_init(&d, a);
    file_can_hold_key(path);
    if (!file_has_known_extension(path))
        path = paths[0];
    struct file_values values =
        file_read(a, path, (const char *)text.bytes, text.size, &layout, &d);
    INVARIANT(values.is_whole || d.errors > 0);
    for (list_each (const struct file_value, value, &values.list))
        check_value(a, value);
    arena_free(a);
    return 0;
}
