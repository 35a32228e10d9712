#include "base/yaml.h"

#include "base/map.h"
#include "base/path.h"

#include <ctype.h>
#include <math.h>
#include <string.h>
#include <yaml.h>

/* Longer paths are not remembered: their faults are placed at what encloses them. This bounds the
 * memory that one deep list can take. */
enum { POSITION_PATH_MAX = 512 };

struct reader {
    yaml_parser_t parser;
    const char *text;
    size_t size;
    struct arena *arena;
    struct diags *diags;
    struct map *positions; /* of the document being read */
    struct buf path;       /* of the node being read */
    bool is_stopped;       /* after a syntax fault there is nothing more to read */
};

static struct yaml_position position_of(yaml_mark_t mark)
{
    return (struct yaml_position){ (unsigned)mark.line + 1, (unsigned)mark.column + 1 };
}

static void fault(struct reader *r, struct yaml_position at, const char *hint, const char *text)
{
    struct diags *d = r->diags;
    size_t before = d->list.count;
    diag_add(d, DIAG_ERROR, DIAG_NOT_JSON, r->path.size ? r->path.data : "", hint, "%s", text);
    if (d->list.count == before)
        return;
    d->list.items[before].line = at.line;
    d->list.items[before].column = at.column;
}

/* Faults of the encoding come with an offset in bytes instead of a mark. */
static struct yaml_position position_of_byte(const struct reader *r, size_t offset)
{
    struct yaml_position at = { 1, 1 };
    for (size_t i = 0; i < offset && i < r->size; i++) {
        at.column++;
        if (r->text[i] == '\n')
            at = (struct yaml_position){ at.line + 1, 1 };
    }
    return at;
}

static void syntax_fault(struct reader *r)
{
    const yaml_parser_t *p = &r->parser;
    bool has_mark = p->error != YAML_READER_ERROR && p->error != YAML_MEMORY_ERROR;
    char text[200];
    snprintf(text,
        sizeof text,
        "is not YAML: %s%s%s",
        p->problem ? p->problem : "syntax error",
        p->context ? " " : "",
        p->context ? p->context : "");
    buf_clear(&r->path);
    fault(r,
        has_mark ? position_of(p->problem_mark) : position_of_byte(r, p->problem_offset),
        NULL,
        text);
    r->is_stopped = true;
}

/* False at a syntax fault; otherwise the caller deletes the event. */
static bool next_event(struct reader *r, yaml_event_t *event)
{
    if (!r->is_stopped && yaml_parser_parse(&r->parser, event))
        return true;
    if (!r->is_stopped)
        syntax_fault(r);
    return false;
}

/* The grammar of JSON's numbers: -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)? */
static bool is_json_number(const char *s, bool *is_integer)
{
    s += *s == '-';
    size_t digits = strspn(s, "0123456789");
    if (digits == 0 || (*s == '0' && digits > 1))
        return false;
    s += digits;
    *is_integer = !*s;
    if (*s == '.') {
        digits = strspn(++s, "0123456789");
        if (digits == 0)
            return false;
        s += digits;
    }
    if (*s == 'e' || *s == 'E') {
        s++;
        s += *s == '-' || *s == '+';
        digits = strspn(s, "0123456789");
        if (digits == 0)
            return false;
        s += digits;
    }
    return !*s;
}

static cJSON *read_number(struct reader *r, const yaml_event_t *event, bool is_integer)
{
    double number = strtod((const char *)event->data.scalar.value, NULL);
    const double exact_max = 9007199254740992.0; /* 2^53 */
    if (!isfinite(number) || (is_integer && fabs(number) >= exact_max))
        fault(r,
            position_of(event->start_mark),
            "quote it if it is meant as text",
            "is a number too large to be kept exactly");
    return cJSON_CreateNumber(isfinite(number) ? number : 0);
}

static bool is_one_of(const char *word, const char *const *words)
{
    while (*words && strcmp(*words, word) != 0)
        words++;
    return *words;
}

static cJSON *read_scalar(struct reader *r, const yaml_event_t *event)
{
    static const char *const nulls[] = { "", "~", "null", "Null", "NULL", NULL };
    static const char *const trues[] = { "true", "True", "TRUE", NULL };
    static const char *const falses[] = { "false", "False", "FALSE", NULL };
    const char *text = (const char *)event->data.scalar.value;
    bool is_integer = false;
    if (strlen(text) != event->data.scalar.length)
        fault(r, position_of(event->start_mark), NULL, "contains a NUL character");
    if (event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return cJSON_CreateString(text);
    if (is_one_of(text, nulls))
        return cJSON_CreateNull();
    if (is_one_of(text, trues))
        return cJSON_CreateTrue();
    if (is_one_of(text, falses))
        return cJSON_CreateFalse();
    if (is_json_number(text, &is_integer))
        return read_number(r, event, is_integer);
    return cJSON_CreateString(text);
}

static void remember(struct reader *r, yaml_mark_t mark)
{
    struct yaml_position at = position_of(mark);
    if (r->path.size <= POSITION_PATH_MAX)
        map_put(r->positions,
            r->path.size ? r->path.data : "",
            arena_dup(r->arena, &at, sizeof at, _Alignof(struct yaml_position)));
}

static void leave(struct reader *r, size_t path_size)
{
    r->path.size = path_size;
    if (r->path.data)
        r->path.data[path_size] = 0;
}

/* Reads past the children of a sequence or mapping that has just begun. */
static void skip_children(struct reader *r)
{
    yaml_event_t event;
    for (size_t depth = 1; depth > 0 && next_event(r, &event);) {
        depth += event.type == YAML_SEQUENCE_START_EVENT || event.type == YAML_MAPPING_START_EVENT;
        depth -= event.type == YAML_SEQUENCE_END_EVENT || event.type == YAML_MAPPING_END_EVENT;
        yaml_event_delete(&event);
    }
}

static cJSON *read_node(struct reader *r, const yaml_event_t *event, unsigned depth);

static cJSON *read_sequence(struct reader *r, unsigned depth)
{
    cJSON *array = cJSON_CreateArray();
    yaml_event_t event;
    for (size_t index = 0; next_event(r, &event); index++) {
        bool is_end = event.type == YAML_SEQUENCE_END_EVENT;
        if (!is_end) {
            size_t path_size = r->path.size;
            path_add_index(&r->path, index);
            remember(r, event.start_mark);
            cJSON_AddItemToArray(array, read_node(r, &event, depth));
            leave(r, path_size);
        }
        yaml_event_delete(&event);
        if (is_end)
            break;
    }
    return array;
}

/* The key's name, in the arena; a fault when it is none, and a name nobody can have written. */
static const char *read_key(struct reader *r, const yaml_event_t *event)
{
    if (event->type == YAML_SCALAR_EVENT) {
        const char *name = (const char *)event->data.scalar.value;
        bool is_whole = strlen(name) == event->data.scalar.length;
        if (!is_whole || event->data.scalar.anchor || event->data.scalar.tag)
            fault(r, position_of(event->start_mark), NULL, "has a key that is not a plain string");
        return arena_strdup(r->arena, name);
    }
    fault(r, position_of(event->start_mark), NULL, "has a key that is not a plain string");
    if (event->type != YAML_ALIAS_EVENT)
        skip_children(r);
    return "";
}

static void read_member(
    struct reader *r, const yaml_event_t *key, unsigned depth, struct map *seen, cJSON *object)
{
    yaml_event_t value;
    const char *name = read_key(r, key);
    size_t path_size = r->path.size;
    path_add_key(&r->path, name);
    bool is_duplicate = key->type == YAML_SCALAR_EVENT && map_put(seen, name, seen);
    if (is_duplicate)
        fault(r, position_of(key->start_mark), NULL, "is given twice");
    else
        remember(r, key->start_mark);
    if (next_event(r, &value)) {
        cJSON_AddItemToObject(object, name, read_node(r, &value, depth));
        yaml_event_delete(&value);
    }
    leave(r, path_size);
}

static cJSON *read_mapping(struct reader *r, unsigned depth)
{
    cJSON *object = cJSON_CreateObject();
    struct map seen = { 0 };
    yaml_event_t key;
    while (next_event(r, &key)) {
        bool is_end = key.type == YAML_MAPPING_END_EVENT;
        if (!is_end)
            read_member(r, &key, depth, &seen, object);
        yaml_event_delete(&key);
        if (is_end)
            break;
    }
    map_fini(&seen, NULL);
    return object;
}

static bool has_decoration(const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return event->data.scalar.anchor || event->data.scalar.tag;
    case YAML_SEQUENCE_START_EVENT:
        return event->data.sequence_start.anchor || event->data.sequence_start.tag;
    case YAML_MAPPING_START_EVENT:
        return event->data.mapping_start.anchor || event->data.mapping_start.tag;
    default:
        return event->type == YAML_ALIAS_EVENT;
    }
}

/* Always a node, so that what follows a fault is read as well. */
static cJSON *read_node(struct reader *r, const yaml_event_t *event, unsigned depth)
{
    struct yaml_position at = position_of(event->start_mark);
    if (has_decoration(event))
        fault(r, at, NULL, "uses an anchor, alias or tag, which are not accepted");
    if (event->type == YAML_ALIAS_EVENT)
        return cJSON_CreateNull();
    if (event->type == YAML_SCALAR_EVENT)
        return read_scalar(r, event);
    if (depth >= JSON_MAX_DEPTH) {
        char text[64];
        snprintf(text, sizeof text, "nested deeper than %d levels", JSON_MAX_DEPTH);
        fault(r, at, NULL, text);
        skip_children(r);
        return cJSON_CreateNull();
    }
    return event->type == YAML_SEQUENCE_START_EVENT ? read_sequence(r, depth + 1)
                                                    : read_mapping(r, depth + 1);
}

/* Reads the one node of a document that has begun. A document with a fault is left out. */
static void read_document(struct reader *r, unsigned line, struct yaml_file *out)
{
    struct yaml_document document = { .line = line, .positions = ARENA_NEW(r->arena, struct map) };
    size_t errors = r->diags->errors;
    yaml_event_t event;
    r->positions = document.positions;
    buf_clear(&r->path);
    if (next_event(r, &event)) {
        remember(r, event.start_mark);
        document.root = read_node(r, &event, 0);
        yaml_event_delete(&event);
    }
    if (cJSON_IsNull(document.root) || r->diags->errors != errors) {
        cJSON_Delete(document.root);
        document.root = NULL;
    }
    if (r->diags->errors == errors)
        list_push(out->arena, &out->documents, document);
    else
        map_fini(document.positions, NULL);
}

/* JSON writes a character beyond the first 65,536 as two \u escapes, a surrogate pair; libyaml
 * wants one \U of eight digits. Text that begins as JSON is rewritten. */
static bool is_json(const char *text, size_t size)
{
    size_t at = 0;
    while (at < size && isspace((unsigned char)text[at]))
        at++;
    return at < size && (text[at] == '{' || text[at] == '[');
}

static unsigned escape_at(const char *text, size_t size)
{
    unsigned unit = 0;
    char digits[5] = "";
    if (size < 6 || text[0] != '\\' || text[1] != 'u')
        return 0;
    memcpy(digits, text + 2, 4);
    return strspn(digits, "0123456789abcdefABCDEF") == 4 && sscanf(digits, "%x", &unit) == 1 ? unit
                                                                                             : 0;
}

static void join_surrogates(const char *text, size_t size, struct buf *out)
{
    for (size_t i = 0; i < size;) {
        unsigned high = escape_at(text + i, size - i);
        unsigned low = high >> 10 == 0x36 ? escape_at(text + i + 6, size - i - 6) : 0;
        if (low >> 10 == 0x37) {
            buf_printf(out, "\\U%08X", 0x10000 + ((high & 0x3ff) << 10) + (low & 0x3ff));
            i += 12;
            continue;
        }
        size_t piece = text[i] == '\\' && i + 1 < size ? 2 : 1;
        buf_append(out, text + i, piece);
        i += piece;
    }
}

void yaml_read(const char *text, size_t size_bytes, struct yaml_file *out, struct diags *d)
{
    *out = (struct yaml_file){ .arena = arena_new() };
    struct buf joined = { 0 };
    if (is_json(text, size_bytes) && memmem(text, size_bytes, "\\u", 2)) {
        join_surrogates(text, size_bytes, &joined);
        text = joined.data;
        size_bytes = joined.size;
    }
    struct reader r = { .text = text, .size = size_bytes, .arena = out->arena, .diags = d };
    INVARIANT(yaml_parser_initialize(&r.parser));
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, size_bytes);
    yaml_event_t event;
    for (bool is_end = false; !is_end && next_event(&r, &event);) {
        is_end = event.type == YAML_STREAM_END_EVENT;
        bool is_start = event.type == YAML_DOCUMENT_START_EVENT;
        unsigned line = position_of(event.start_mark).line;
        yaml_event_delete(&event);
        if (is_start)
            read_document(&r, line, out);
    }
    yaml_parser_delete(&r.parser);
    buf_fini(&r.path);
    buf_fini(&joined);
}

void yaml_file_fini(struct yaml_file *f)
{
    for (list_each (struct yaml_document, document, &f->documents)) {
        cJSON_Delete(document->root);
        map_fini(document->positions, NULL);
    }
    arena_free(f->arena);
    *f = (struct yaml_file){ 0 };
}

static const struct yaml_position *find_position(const struct yaml_document *doc, const char *path)
{
    char *place = xstrdup(path);
    const struct yaml_position *at = NULL;
    for (size_t size = strlen(place);; size = path_parent_size(place, size)) {
        place[size] = 0;
        at = map_find(doc->positions, place);
        if (at || size == 0)
            break;
    }
    free(place);
    return at;
}

void yaml_locate(const struct yaml_document *doc, struct diags *d)
{
    for (list_each (struct diag, diag, &d->list)) {
        const struct yaml_position *at = diag->line ? NULL : find_position(doc, diag->path);
        if (!at)
            continue;
        diag->line = at->line;
        diag->column = at->column;
    }
}
