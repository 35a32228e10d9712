/* pilotctl explain, schema: what a diagnostic or a field means, from the tables that give them. */
#include "ctl/output.h"
#include "model/field_doc.h"

#include <string.h>

static const struct flag flag_directory = {
    .name = "--dir",
    .value_name = "DIR",
    .help = "writes KIND.json for each kind into it, instead of printing",
};
const struct flag *const explain_flags[] = { &flag_output, NULL };
const struct flag *const schema_flags[] = { &flag_directory, NULL };

static bool is_data(const struct ctl *ctl)
{
    const char *format = ctl_value(ctl, &flag_output);
    return strcmp(format, "json") == 0 || strcmp(format, "yaml") == 0;
}

static void print_indented(const char *text)
{
    while (*text) {
        size_t size = strcspn(text, "\n");
        printf("%s%.*s\n", size ? "    " : "", (int)size, text);
        text += size + (text[size] == '\n');
    }
}

/* ---- codes ---- */

/* PIL0102, pil0102, 0102, 102; NULL for what is none. */
static const struct diag_page *page_of(const char *topic)
{
    char *end;
    const char *digits = strncasecmp(topic, "PIL", 3) == 0 ? topic + 3 : topic;
    long code = strtol(digits, &end, 10);
    for (size_t i = 0; *digits && !*end && i < diag_page_count; i++)
        if ((long)diag_pages[i].code == code)
            return &diag_pages[i];
    return NULL;
}

static int explain_code(const struct ctl *ctl, const struct diag_page *page)
{
    if (is_data(ctl)) {
        cJSON *json = cJSON_CreateObject();
        cJSON_AddStringToObject(json, "code", arena_printf(ctl->a, "PIL%04d", (int)page->code));
        cJSON_AddStringToObject(json, "title", page->title);
        cJSON_AddStringToObject(json, "meaning", page->meaning);
        cJSON_AddStringToObject(json, "example", page->example);
        cJSON_AddStringToObject(json, "mend", page->mend);
        return output_json(ctl, json);
    }
    printf("PIL%04d: %s\n\n%s\n", (int)page->code, page->title, page->meaning);
    if (*page->example) {
        puts("\nFor example:\n");
        print_indented(page->example);
    }
    printf("\nWhat to do:\n\n%s\n", page->mend);
    return EXIT_GOOD;
}

/* ---- fields ---- */

static const char *state_of(struct arena *a, const struct field *f)
{
    const char *hint = f->hint ? arena_printf(a, ": %s", f->hint) : "";
    switch (f->kind) {
    case FIELD_UNSUPPORTED:
        return arena_printf(a, "not supported%s", hint);
    case FIELD_NO_EFFECT:
        return arena_printf(a, "has no effect%s", hint);
    case FIELD_TOLERATED:
        return "passed over";
    default:
        return f->flags & FIELD_REQUIRED ? "required" : "";
    }
}

static const char *meaning_of(struct arena *a, const struct schema *s, const struct field *f)
{
    const struct field_doc *doc = field_doc_find(s, f);
    return doc ? doc->meaning : state_of(a, f);
}

static cJSON *field_json(struct arena *a, const struct schema *s, const struct field *f)
{
    const struct field_doc *doc = field_doc_find(s, f);
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "name", field_json_name(a, f));
    cJSON_AddStringToObject(json, "meaning", meaning_of(a, s, f));
    cJSON_AddStringToObject(json, "value", field_value_text(a, s, f));
    cJSON_AddBoolToObject(json, "required", f->flags & FIELD_REQUIRED);
    cJSON_AddStringToObject(json, "default", doc ? doc->fallback : "");
    cJSON_AddStringToObject(json, "envoy", doc ? doc->envoy : "");
    return json;
}

static void print_field(struct arena *a, const struct schema *s, const struct field *f)
{
    const struct field_doc *doc = field_doc_find(s, f);
    printf("%s\n\n", meaning_of(a, s, f));
    printf("value     %s\n", field_value_text(a, s, f));
    if (f->flags & FIELD_REQUIRED)
        puts("required");
    if (doc && *doc->fallback)
        printf("default   %s\n", doc->fallback);
    if (doc && *doc->envoy)
        printf("Envoy     %s\n", doc->envoy);
}

static void print_members(struct arena *a, const struct schema *s)
{
    puts("\nFields:\n");
    for (size_t i = 0; i < s->field_count; i++)
        printf("  %-32s %s\n", field_json_name(a, &s->fields[i]), meaning_of(a, s, &s->fields[i]));
}

static cJSON *members_json(struct arena *a, const struct schema *s)
{
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < s->field_count; i++)
        cJSON_AddItemToArray(list, field_json(a, s, &s->fields[i]));
    return list;
}

static int explain_field(const struct ctl *ctl, enum kind kind, const char *path)
{
    const struct schema *s;
    struct diags d;
    diags_init(&d, ctl->a);
    const struct field *f = field_at(kind, path, &s, &d);
    if (d.errors)
        return ctl_fail(
            EXIT_USAGE, "%s: %s", kind_info(kind)->name, diag_text(ctl->a, &d.list.items[0]));
    const struct schema *members = f ? f->of : s;
    if (is_data(ctl)) {
        cJSON *json = f ? field_json(ctl->a, s, f) : cJSON_CreateObject();
        if (members)
            cJSON_AddItemToObject(json, "fields", members_json(ctl->a, members));
        return output_json(ctl, json);
    }
    printf("%s%s%s\n\n", kind_info(kind)->name, *path ? " " : "", path);
    if (f)
        print_field(ctl->a, s, f);
    if (members)
        print_members(ctl->a, members);
    return EXIT_GOOD;
}

/* ---- the verbs ---- */

static enum kind kind_of(struct arena *a, const char *topic, const char **path)
{
    size_t size = strcspn(topic, ".");
    *path = topic[size] ? topic + size + 1 : "";
    const char *word = arena_strndup(a, topic, size);
    return kind_find(word);
}

static int list_topics(const struct ctl *ctl)
{
    cJSON *all = cJSON_CreateArray();
    for (size_t i = 0; i < diag_page_count; i++) {
        cJSON *json = cJSON_CreateObject();
        cJSON_AddStringToObject(
            json, "code", arena_printf(ctl->a, "PIL%04d", (int)diag_pages[i].code));
        cJSON_AddStringToObject(json, "title", diag_pages[i].title);
        cJSON_AddItemToArray(all, json);
        if (!is_data(ctl))
            printf("PIL%04d  %s\n", (int)diag_pages[i].code, diag_pages[i].title);
    }
    if (is_data(ctl))
        return output_json(ctl, all);
    cJSON_Delete(all);
    puts("\nKinds and their fields: pilotctl explain virtualservice.spec.http.match");
    return EXIT_GOOD;
}

int verb_explain(struct ctl *ctl)
{
    const char *topic = ctl->args.count ? ctl->args.items[0] : NULL, *path;
    if (ctl->args.count > 1)
        return ctl_fail(EXIT_USAGE, "explain: one code, kind or field is needed");
    if (!topic)
        return list_topics(ctl);
    const struct diag_page *page = page_of(topic);
    enum kind kind = kind_of(ctl->a, topic, &path);
    if (page)
        return explain_code(ctl, page);
    if (kind == KIND_NONE)
        return ctl_fail(
            EXIT_USAGE, "explain %s: neither a code (PIL0102) nor a kind (virtualservice)", topic);
    return explain_field(ctl, kind, path);
}

static int write_schema(const struct ctl *ctl, enum kind kind)
{
    char *printed = NULL;
    cJSON *json = field_json_schema(kind);
    const char *path =
        arena_printf(ctl->a, "%s/%s.json", ctl_value(ctl, &flag_directory), kind_info(kind)->name);
    FILE *out = fopen(path, "wb");
    printed = cJSON_Print(json);
    bool is_good = out && fprintf(out, "%s\n", printed) > 0;
    if (out && fclose(out) != 0)
        is_good = false;
    free(printed);
    cJSON_Delete(json);
    return is_good ? EXIT_GOOD : ctl_fail(EXIT_FINDINGS, "%s: cannot be written", path);
}

int verb_schema(struct ctl *ctl)
{
    int status = EXIT_GOOD;
    enum kind kind = ctl->args.count == 1 ? kind_find(ctl->args.items[0]) : KIND_NONE;
    if (ctl_is_set(ctl, &flag_directory) && !ctl->args.count) {
        for (enum kind each = 0; each < KIND_COUNT && status == EXIT_GOOD; each++)
            status = write_schema(ctl, each);
        return status;
    }
    if (kind == KIND_NONE)
        return ctl_fail(EXIT_USAGE, "schema: one KIND, or --dir DIR, is needed");
    cJSON *json = field_json_schema(kind);
    char *printed = cJSON_Print(json);
    puts(printed);
    free(printed);
    cJSON_Delete(json);
    return EXIT_GOOD;
}
