#include "base/json.h"

#include <string.h>

const char *json_text(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

/* Measured before cJSON sees it: its own limit is 1,000 levels of recursion. */
static bool is_too_deep(const char *text, size_t size, size_t *at)
{
    size_t depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
            continue;
        }
        in_string = c == '"';
        depth += c == '{' || c == '[';
        depth -= (c == '}' || c == ']') && depth > 0;
        if (depth > JSON_MAX_DEPTH) {
            *at = i;
            return true;
        }
    }
    return false;
}

static int compare_names(const void *left, const void *right)
{
    return strcmp((*(const cJSON *const *)left)->string, (*(const cJSON *const *)right)->string);
}

/* Sorted rather than compared pair by pair: an object may have 100,000 members. */
static const cJSON *duplicate_member(const cJSON *object)
{
    size_t count = (size_t)cJSON_GetArraySize(object), filled = 0;
    const cJSON **members = xcalloc(count, sizeof *members), *child, *twice = NULL;
    cJSON_ArrayForEach (child, object)
        members[filled++] = child;
    qsort(members, count, sizeof *members, compare_names);
    for (size_t i = 1; i < count && !twice; i++)
        if (compare_names(&members[i - 1], &members[i]) == 0)
            twice = members[i];
    free(members);
    return twice;
}

/* Finds two equal names in one object, anywhere. Depth is bounded by JSON_MAX_DEPTH. */
static const cJSON *find_duplicate(const cJSON *json)
{
    const cJSON *child, *found = cJSON_IsObject(json) ? duplicate_member(json) : NULL;
    if (found)
        return found;
    cJSON_ArrayForEach (child, json)
        if ((found = find_duplicate(child)))
            return found;
    return NULL;
}

cJSON *json_parse(const char *text, size_t size_bytes, size_t limit_bytes, struct diags *d)
{
    size_t at = 0;
    if (size_bytes > limit_bytes) {
        diag_add(d,
            DIAG_ERROR,
            DIAG_TOO_LARGE,
            "",
            NULL,
            "is %zu bytes; at most %zu are accepted",
            size_bytes,
            limit_bytes);
        return NULL;
    }
    if (is_too_deep(text, size_bytes, &at)) {
        diag_add(d,
            DIAG_ERROR,
            DIAG_NOT_JSON,
            "",
            NULL,
            "nested deeper than %d levels at byte %zu",
            JSON_MAX_DEPTH,
            at);
        return NULL;
    }
    const char *end = text;
    cJSON *json = cJSON_ParseWithLengthOpts(text, size_bytes, &end, false);
    size_t stop = end ? (size_t)(end - text) : 0;
    while (json && stop < size_bytes && strchr(" \t\r\n", text[stop]) && text[stop])
        stop++;
    const cJSON *twice = json ? find_duplicate(json) : NULL;
    if (twice)
        diag_add(
            d, DIAG_ERROR, DIAG_NOT_JSON, "", NULL, "key \"%s\" is given twice", twice->string);
    else if (!json || stop != size_bytes)
        diag_add(d, DIAG_ERROR, DIAG_NOT_JSON, "", NULL, "is not JSON: stopped at byte %zu", stop);
    else
        return json;
    cJSON_Delete(json);
    return NULL;
}
