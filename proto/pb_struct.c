#include "proto/pb_json.h"

#include "proto/pb.h"

#include "base/map.h"

#include <math.h>
#include <string.h>

/* The wire format, as far as google.protobuf.Struct needs it. */
enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_LENGTH = 2, WIRE_FIXED32 = 5 };

struct span {
    const uint8_t *at, *end;
};

struct field {
    uint64_t tag;   /* number and wire type in one, as TAG() gives them */
    uint64_t value; /* of a varint or a fixed one */
    struct span span;
};
#define TAG(number, wire_type) ((uint64_t)(number) << 3 | (wire_type))

static bool read_varint(struct span *s, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64 && s->at < s->end; shift += 7) {
        uint8_t byte = *s->at++;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

static bool read_fixed(struct span *s, size_t size, uint64_t *value)
{
    if ((size_t)(s->end - s->at) < size)
        return false;
    *value = 0;
    for (size_t i = 0; i < size; i++)
        *value |= (uint64_t)s->at[i] << (8 * i);
    s->at += size;
    return true;
}

static bool read_length(struct span *s, struct span *inner)
{
    uint64_t size;
    if (!read_varint(s, &size) || size > (uint64_t)(s->end - s->at))
        return false;
    *inner = (struct span){ s->at, s->at + size };
    s->at = inner->end;
    return true;
}

/* False when what follows is no field. Groups, long out of use, are none. */
static bool read_field(struct span *s, struct field *f)
{
    if (!read_varint(s, &f->tag) || f->tag >> 3 == 0)
        return false;
    switch (f->tag & 7) {
    case WIRE_VARINT:
        return read_varint(s, &f->value);
    case WIRE_FIXED64:
        return read_fixed(s, 8, &f->value);
    case WIRE_FIXED32:
        return read_fixed(s, 4, &f->value);
    case WIRE_LENGTH:
        return read_length(s, &f->span);
    default:
        return false;
    }
}

/* The well-formed UTF-8 sequences, by their first two bytes. NUL is left out: what comes of this
 * are C strings. */
static const struct utf8_form {
    uint8_t first_min, first_max, second_min, second_max, size;
} utf8_forms[] = {
    { 0x01, 0x7f, 0, 0, 1 },
    { 0xc2, 0xdf, 0x80, 0xbf, 2 },
    { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
    { 0xe1, 0xec, 0x80, 0xbf, 3 },
    { 0xed, 0xed, 0x80, 0x9f, 3 },
    { 0xee, 0xef, 0x80, 0xbf, 3 },
    { 0xf0, 0xf0, 0x90, 0xbf, 4 },
    { 0xf1, 0xf3, 0x80, 0xbf, 4 },
    { 0xf4, 0xf4, 0x80, 0x8f, 4 },
};

static bool has_form(const struct utf8_form *form, struct span s)
{
    if (*s.at < form->first_min || *s.at > form->first_max || s.end - s.at < form->size)
        return false;
    if (form->size > 1 && (s.at[1] < form->second_min || s.at[1] > form->second_max))
        return false;
    for (size_t i = 2; i < form->size; i++)
        if ((s.at[i] & 0xc0) != 0x80)
            return false;
    return true;
}

/* The length of the character at the front, 0 when there is none. */
static size_t utf8_length(struct span s)
{
    for (size_t i = 0; i < ARRAY_COUNT(utf8_forms); i++)
        if (has_form(&utf8_forms[i], s))
            return utf8_forms[i].size;
    return 0;
}

const char *pb_utf8(struct arena *a, const char *text)
{
    char *fixed = arena_strdup(a, text);
    struct span s = { (const uint8_t *)fixed, (const uint8_t *)fixed + strlen(fixed) };
    while (s.at < s.end) {
        size_t size = utf8_length(s);
        if (!size)
            fixed[s.at - (const uint8_t *)fixed] = '?';
        s.at += size ? size : 1;
    }
    return fixed;
}

static bool is_text(struct span s)
{
    while (s.at < s.end) {
        size_t size = utf8_length(s);
        if (size == 0)
            return false;
        s.at += size;
    }
    return true;
}

/* What goes down with the recursion: one level a JSON object or array, as json_parse counts. */
struct reader {
    unsigned depth;
    struct error *err;
};

static cJSON *refuse(struct reader *r, const char *why)
{
    error_set(r->err, ERROR_GARBLED, "not a google.protobuf.Struct: %s", why);
    return NULL;
}

static char *text_copy(struct reader *r, struct span s)
{
    if (!is_text(s)) {
        refuse(r, "a string is not UTF-8");
        return NULL;
    }
    size_t size = (size_t)(s.end - s.at);
    char *text = xcalloc(size + 1, 1);
    if (size)
        memcpy(text, s.at, size);
    return text;
}

static cJSON *string_json(struct reader *r, struct span s)
{
    char *text = text_copy(r, s);
    cJSON *json = text ? cJSON_CreateString(text) : NULL;
    free(text);
    return json;
}

static cJSON *number_json(struct reader *r, uint64_t bits)
{
    double number;
    memcpy(&number, &bits, sizeof number);
    return isfinite(number) ? cJSON_CreateNumber(number) : refuse(r, "a number is not finite");
}

static cJSON *value_json(struct reader *r, struct span s);
static cJSON *struct_json(struct reader *r, struct span s);

static cJSON *list_json(struct reader *r, struct span s)
{
    cJSON *list = cJSON_CreateArray();
    struct field f;
    while (list && s.at < s.end) {
        cJSON *item = NULL;
        if (!read_field(&s, &f))
            refuse(r, "garbled");
        else if (f.tag != TAG(1, WIRE_LENGTH))
            continue;
        else
            item = value_json(r, f.span);
        if (item) {
            cJSON_AddItemToArray(list, item);
        } else {
            cJSON_Delete(list);
            list = NULL;
        }
    }
    return list;
}

static cJSON *nested_json(
    struct reader *r, struct span s, cJSON *(*json)(struct reader *, struct span))
{
    if (r->depth == JSON_MAX_DEPTH)
        return refuse(r, "nested too deeply");
    r->depth++;
    cJSON *nested = json(r, s);
    r->depth--;
    return nested;
}

/* One kind of google.protobuf.Value; a field of no kind gives none and no error. */
static cJSON *kind_json(struct reader *r, const struct field *f, bool *is_kind)
{
    *is_kind = true;
    switch (f->tag) {
    case TAG(1, WIRE_VARINT):
        return cJSON_CreateNull();
    case TAG(2, WIRE_FIXED64):
        return number_json(r, f->value);
    case TAG(3, WIRE_LENGTH):
        return string_json(r, f->span);
    case TAG(4, WIRE_VARINT):
        return cJSON_CreateBool(f->value != 0);
    case TAG(5, WIRE_LENGTH):
        return nested_json(r, f->span, struct_json);
    case TAG(6, WIRE_LENGTH):
        return nested_json(r, f->span, list_json);
    default:
        *is_kind = false;
        return NULL;
    }
}

/* The last kind counts, and none is null. */
static cJSON *value_json(struct reader *r, struct span s)
{
    cJSON *value = cJSON_CreateNull();
    while (value && s.at < s.end) {
        struct field f;
        bool is_kind = true;
        cJSON *kind = read_field(&s, &f) ? kind_json(r, &f, &is_kind) : refuse(r, "garbled");
        if (is_kind) {
            cJSON_Delete(value);
            value = kind;
        }
    }
    return value;
}

/* One entry of the map: key = 1, value = 2. */
static bool take_entry(struct reader *r, struct span s, struct map *members)
{
    struct span key = { 0 }, value = { 0 };
    while (s.at < s.end) {
        struct field f;
        if (!read_field(&s, &f)) {
            refuse(r, "garbled");
            return false;
        }
        if (f.tag == TAG(1, WIRE_LENGTH))
            key = f.span;
        else if (f.tag == TAG(2, WIRE_LENGTH))
            value = f.span;
    }
    char *name = text_copy(r, key);
    cJSON *json = name ? value_json(r, value) : NULL;
    if (json)
        cJSON_Delete(map_put(members, name, json));
    free(name);
    return json != NULL;
}

static void on_member(const char *key, void *value, void *context)
{
    cJSON_AddItemToObject(context, key, value);
}

static void delete_member(void *value)
{
    cJSON_Delete(value);
}

/* Through a map: a key may come twice (the last counts) and the members come out sorted. */
static cJSON *struct_json(struct reader *r, struct span s)
{
    struct map members = { 0 };
    bool is_good = true;
    while (is_good && s.at < s.end) {
        struct field f;
        is_good = read_field(&s, &f);
        if (!is_good)
            refuse(r, "garbled");
        else if (f.tag == TAG(1, WIRE_LENGTH))
            is_good = take_entry(r, f.span, &members);
    }
    cJSON *object = is_good ? cJSON_CreateObject() : NULL;
    if (is_good)
        map_each (&members, on_member, object)
            ;
    map_fini(&members, is_good ? NULL : delete_member);
    return object;
}

cJSON *pb_struct_json(const uint8_t *bytes, size_t size_bytes, struct error *err)
{
    struct reader r = { .depth = 1, .err = err };
    return struct_json(&r, (struct span){ bytes, size_bytes ? bytes + size_bytes : bytes });
}
