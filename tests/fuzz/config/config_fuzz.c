/*
 * config_fuzz: worlds in, what their proxies would be sent out; the pure core's half of the fuzzer.
 *
 * Each line of standard input is a world: {"seed": 7}, or {"seed": 7, "resources": [{"key",
 * "value"}]} to have these in place of random ones. "views": true asks for the bytes, "text": true
 * for the resources. For each, one line of JSON comes out; "fault" tells of a result that is not
 * deterministic. Whoever drives it (fuzz.py) sees a crash by the line that does not come.
 */
#include "world.h"

#include "translate/render.h"

#include <string.h>

static void add_resources(struct world *w, const cJSON *given)
{
    const cJSON *r;
    if (!given)
        world_generate(w);
    cJSON_ArrayForEach (r, given)
        world_add(w, json_text(r, "key"), json_text(r, "value"));
}

static void put_texts(const struct world *w, cJSON *answer)
{
    cJSON *list = cJSON_AddArrayToObject(answer, "resources");
    for (list_each (const struct resource, r, &w->resources)) {
        if (!r->object)
            continue;
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "key", r->key);
        cJSON_AddStringToObject(item, "value", r->value);
        cJSON_AddItemToArray(list, item);
    }
}

static cJSON *resource_json(const struct xds_resource *r)
{
    static const char digits[] = "0123456789abcdef";
    char *hex = xcalloc(r->size_bytes * 2 + 1, 1);
    for (size_t i = 0; i < r->size_bytes; i++) {
        hex[2 * i] = digits[r->bytes[i] >> 4];
        hex[2 * i + 1] = digits[r->bytes[i] & 15];
    }
    cJSON *pair = cJSON_CreateArray();
    cJSON_AddItemToArray(pair, cJSON_CreateString(r->name));
    cJSON_AddItemToArray(pair, cJSON_CreateString(hex));
    free(hex);
    return pair;
}

static cJSON *view_json(const struct xds_view *view)
{
    cJSON *types = cJSON_CreateObject();
    for (unsigned type = 0; type < XDS_TYPE_COUNT; type++) {
        cJSON *list = cJSON_AddArrayToObject(types, xds_type_short((enum xds_type)type));
        struct xds_cursor cursor = { 0 };
        struct xds_resource *r;
        while ((r = xds_view_next(view, (enum xds_type)type, &cursor)))
            cJSON_AddItemToArray(list, resource_json(r));
    }
    return types;
}

static void put_views(const struct world *w, cJSON *answer)
{
    cJSON *views = cJSON_AddArrayToObject(answer, "views");
    for (size_t i = 0; i < WORLD_PROXIES; i++) {
        cJSON *view = view_json(w->views[i]);
        cJSON_AddStringToObject(view, "node", w->nodes[i].node_id);
        cJSON_AddStringToObject(view, "metadata", w->nodes[i].metadata_json);
        cJSON_AddItemToArray(views, view);
    }
}

/* What people are shown is made as well, so that it is seen to bear everything. */
static void show(const struct world *w)
{
    for (size_t i = 0; i < WORLD_PROXIES; i++)
        for (unsigned type = 0; type < XDS_TYPE_COUNT; type++)
            cJSON_Delete(render_json(w->views[i], (enum xds_type)type));
}

static cJSON *answer_for(const cJSON *question)
{
    struct world w;
    const cJSON *seed = cJSON_GetObjectItemCaseSensitive(question, "seed");
    cJSON *answer = cJSON_CreateObject();
    world_init(&w, (uint64_t)cJSON_GetNumberValue(seed));
    add_resources(&w, cJSON_GetObjectItemCaseSensitive(question, "resources"));
    world_render(&w);
    show(&w);
    const char *fault = world_fault(&w);
    if (fault)
        cJSON_AddStringToObject(answer, "fault", fault);
    cJSON_AddNumberToObject(answer, "tried", (double)w.resources.count);
    cJSON_AddNumberToObject(answer, "valid", (double)w.valid);
    if (cJSON_GetObjectItemCaseSensitive(question, "text"))
        put_texts(&w, answer);
    if (cJSON_GetObjectItemCaseSensitive(question, "views"))
        put_views(&w, answer);
    world_fini(&w);
    return answer;
}

static void on_line(const char *line)
{
    cJSON *question = cJSON_Parse(line);
    cJSON *answer = answer_for(question);
    char *text = cJSON_PrintUnformatted(answer);
    puts(text);
    fflush(stdout);
    cJSON_free(text);
    cJSON_Delete(answer);
    cJSON_Delete(question);
}

int main(void)
{
    char *line = NULL;
    size_t capacity = 0;
    while (getline(&line, &capacity, stdin) > 0)
        on_line(line);
    free(line);
    return 0;
}
