/*
 * schema_fields: how a kind writes its tables (schema.h says what they are for).
 *
 *     static const struct field destination_fields[] = {
 *         STRING(destination, host, .flags = FIELD_REQUIRED, .format = &format_fqdn),
 *         OBJECT(destination, port, port_selector),
 *         UNSUPPORTED("tunnel", NULL),
 *     };
 *     static SCHEMA(destination, .check = check_destination);
 *
 * A row names the struct, its member and, for objects, the struct inside; the JSON name is the
 * member's in lowerCamelCase. The compiler refuses a row whose member has another type.
 */
#ifndef MODEL_SCHEMA_FIELDS_H
#define MODEL_SCHEMA_FIELDS_H

#include "model/format.h"
#include "model/schema.h"

struct decoder;

enum field_kind {
    FIELD_STRING,     /* const char * */
    FIELD_BOOL,       /* bool */
    FIELD_OPT_BOOL,   /* struct opt_bool */
    FIELD_U32,        /* uint32_t; 0 is absence, as in proto3, unless required */
    FIELD_OPT_U32,    /* struct opt_u32 */
    FIELD_DOUBLE,     /* double */
    FIELD_OPT_DOUBLE, /* struct opt_double */
    FIELD_DURATION,   /* struct duration; at least 1ms unless FIELD_MAY_BE_ZERO */
    FIELD_ENUM,       /* an enum */
    FIELD_OBJECT,     /* const struct X * */
    FIELD_INLINE,     /* struct X */
    FIELD_LIST,       /* LIST(…) of item_kind */
    FIELD_MAP,        /* LIST(struct { const char *key; … value; }) of item_kind, sorted by key */
    FIELD_RAW,        /* const cJSON *, of the tree that is decoded */
    FIELD_UNSUPPORTED, /* no member: refused by name, unless it has proto3's default value */
    FIELD_NO_EFFECT,   /* no member: a warning, unless it is empty; what is in it must fit `of` */
    FIELD_TOLERATED,   /* no member: passed over; others' bookkeeping */
};

enum field_flags {
    FIELD_REQUIRED = 1,    /* there, and not empty */
    FIELD_KEEP_EMPTY = 2,  /* "" is a value (else it is absence) */
    FIELD_MAY_BE_ZERO = 4, /* durations */
    FIELD_ANY_CASE = 8,    /* enums */
};

struct enum_value {
    const char *name;
    int value;
    bool is_unsupported; /* of Istio's, but refused by name */
};

struct field {
    const char *name; /* snake_case */
    enum field_kind kind, item_kind;
    unsigned flags;
    unsigned oneof; /* rows with one number, not 0, exclude each other */
    size_t offset, item_size, value_offset;
    struct {
        double min, max; /* both 0: any. Durations: milliseconds */
    } range;
    const struct enum_value *values;
    size_t value_count;
    int fallback;                /* enums: the value when the field is absent */
    const struct format *format; /* of the string, or of each string in the list or map */
    const struct format *key_format;
    const struct schema *of;
    const char *neutral; /* UNSUPPORTED: the text that asks for nothing; may be NULL */
    const char *hint;    /* UNSUPPORTED and NO_EFFECT: what to do, or why; may be NULL */
};

struct schema {
    const char *name; /* the table's, by which its documentation is found (field_docs.def) */
    size_t size;
    const struct field *fields;
    size_t field_count;
    /* Rules across fields. Called when the object itself is decoded without an error. */
    void (*check)(struct decoder *d, void *object);
};

#define SCHEMA(T, ...) SCHEMA_AS(T, T, __VA_ARGS__)
#define SCHEMA_AS(table, T, ...)                                                                   \
    const struct schema table##_schema = { .name = #table,                                         \
        .size = sizeof(struct T),                                                                  \
        .fields = table##_fields,                                                                  \
        .field_count = ARRAY_COUNT(table##_fields),                                                \
        __VA_ARGS__ }

/* The member's offset, if it has that type. */
#define MEMBER(T, m, type)                                                                         \
    (offsetof(struct T, m) + 0 * sizeof(char[_Generic(((struct T *)0)->m, type : 1)]))
#define MEMBER_LIST(T, m, type)                                                                    \
    (offsetof(struct T, m) + 0 * sizeof(char[_Generic(((struct T *)0)->m.items, type * : 1)]))
/* A map's items begin with their key. */
#define MEMBER_MAP(T, m, item, type)                                                               \
    (MEMBER_LIST(T, m, struct item) + 0 * MEMBER(item, value, type) +                              \
        0 * sizeof(char[offsetof(struct item, key) == 0 ? 1 : -1]))

#define STRING(T, m, ...) STRING_AS(#m, T, m, __VA_ARGS__)
#define STRING_AS(json_name, T, m, ...)                                                            \
    {                                                                                              \
        .name = json_name, .kind = FIELD_STRING, .offset = MEMBER(T, m, const char *), __VA_ARGS__ \
    }
#define BOOL(T, m, ...)                                                                            \
    {                                                                                              \
        .name = #m, .kind = FIELD_BOOL, .offset = MEMBER(T, m, bool), __VA_ARGS__                  \
    }
#define OPT_BOOL(T, m, ...)                                                                        \
    {                                                                                              \
        .name = #m, .kind = FIELD_OPT_BOOL, .offset = MEMBER(T, m, struct opt_bool), __VA_ARGS__   \
    }
#define U32(T, m, ...)                                                                             \
    {                                                                                              \
        .name = #m, .kind = FIELD_U32, .offset = MEMBER(T, m, uint32_t), __VA_ARGS__               \
    }
#define OPT_U32(T, m, ...)                                                                         \
    {                                                                                              \
        .name = #m, .kind = FIELD_OPT_U32, .offset = MEMBER(T, m, struct opt_u32), __VA_ARGS__     \
    }
#define DOUBLE(T, m, ...)                                                                          \
    {                                                                                              \
        .name = #m, .kind = FIELD_DOUBLE, .offset = MEMBER(T, m, double), __VA_ARGS__              \
    }
#define OPT_DOUBLE(T, m, ...)                                                                      \
    {                                                                                              \
        .name = #m, .kind = FIELD_OPT_DOUBLE, .offset = MEMBER(T, m, struct opt_double),           \
        __VA_ARGS__                                                                                \
    }
#define DURATION(T, m, ...)                                                                        \
    {                                                                                              \
        .name = #m, .kind = FIELD_DURATION, .offset = MEMBER(T, m, struct duration), __VA_ARGS__   \
    }
#define ENUM(T, m, E, table, ...)                                                                  \
    {                                                                                              \
        .name = #m, .kind = FIELD_ENUM, .offset = MEMBER(T, m, enum E), .values = (table),         \
        .value_count = ARRAY_COUNT(table), __VA_ARGS__                                             \
    }
#define OBJECT(T, m, S, ...) OBJECT_AS(T, m, S, S, __VA_ARGS__)
/* A struct that is spelled differently in different places: by the table of another name. */
#define OBJECT_AS(T, m, S, table, ...)                                                             \
    {                                                                                              \
        .name = #m, .kind = FIELD_OBJECT, .offset = MEMBER(T, m, const struct S *),                \
        .of = &table##_schema, __VA_ARGS__                                                         \
    }
#define OBJECT_NAMED(json_name, T, m, S, table, ...)                                               \
    {                                                                                              \
        .name = json_name, .kind = FIELD_OBJECT, .offset = MEMBER(T, m, const struct S *),         \
        .of = &table##_schema, __VA_ARGS__                                                         \
    }
#define OBJECTS(T, m, S, ...) OBJECTS_AS(T, m, S, S, __VA_ARGS__)
#define OBJECTS_AS(T, m, S, table, ...)                                                            \
    {                                                                                              \
        .name = #m, .kind = FIELD_LIST, .item_kind = FIELD_INLINE,                                 \
        .offset = MEMBER_LIST(T, m, struct S), .item_size = sizeof(struct S),                      \
        .of = &table##_schema, __VA_ARGS__                                                         \
    }
#define STRINGS(T, m, ...)                                                                         \
    {                                                                                              \
        .name = #m, .kind = FIELD_LIST, .item_kind = FIELD_STRING,                                 \
        .offset = MEMBER_LIST(T, m, const char *), .item_size = sizeof(const char *), __VA_ARGS__  \
    }
#define LABELS(T, m, ...) LABELS_AS(#m, T, m, __VA_ARGS__)
#define LABELS_AS(json_name, T, m, ...)                                                            \
    {                                                                                              \
        .name = json_name, .kind = FIELD_MAP, .item_kind = FIELD_STRING,                           \
        .offset = MEMBER_MAP(T, m, label, const char *), .item_size = sizeof(struct label),        \
        .value_offset = offsetof(struct label, value), __VA_ARGS__                                 \
    }
#define U32_MAP(T, m, item, ...)                                                                   \
    {                                                                                              \
        .name = #m, .kind = FIELD_MAP, .item_kind = FIELD_U32,                                     \
        .offset = MEMBER_MAP(T, m, item, uint32_t), .item_size = sizeof(struct item),              \
        .value_offset = offsetof(struct item, value), __VA_ARGS__                                  \
    }
#define OBJECT_MAP_AS(T, m, item, S, table, ...)                                                   \
    {                                                                                              \
        .name = #m, .kind = FIELD_MAP, .item_kind = FIELD_INLINE,                                  \
        .offset = MEMBER_MAP(T, m, item, struct S), .item_size = sizeof(struct item),              \
        .value_offset = offsetof(struct item, value), .of = &table##_schema, __VA_ARGS__           \
    }
#define RAW(T, m, ...)                                                                             \
    {                                                                                              \
        .name = #m, .kind = FIELD_RAW, .offset = MEMBER(T, m, const cJSON *), __VA_ARGS__          \
    }
#define UNSUPPORTED(json_name, why)                                                                \
    {                                                                                              \
        .name = json_name, .kind = FIELD_UNSUPPORTED, .hint = why                                  \
    }
#define UNSUPPORTED_UNLESS(json_name, text)                                                        \
    {                                                                                              \
        .name = json_name, .kind = FIELD_UNSUPPORTED, .neutral = text                              \
    }
#define NO_EFFECT(json_name, why)                                                                  \
    {                                                                                              \
        .name = json_name, .kind = FIELD_NO_EFFECT, .hint = why                                    \
    }
#define NO_EFFECT_CHECKED(json_name, table, why)                                                   \
    {                                                                                              \
        .name = json_name, .kind = FIELD_NO_EFFECT, .of = &table##_schema, .hint = why             \
    }
#define TOLERATED(json_name)                                                                       \
    {                                                                                              \
        .name = json_name, .kind = FIELD_TOLERATED                                                 \
    }

/* For checks. `at` is a path from the object that is checked ("route[1].weight"), or "" for itself;
 * hint may be NULL. */
void schema_fault(struct decoder *d, enum diag_code code, const char *at, const char *hint,
    const char *fmt, ...) PRINTF_LIKE(5, 6);
void schema_warn(struct decoder *d, enum diag_code code, const char *at, const char *hint,
    const char *fmt, ...) PRINTF_LIKE(5, 6);
/* Texts that live until the decoding ends: paths, hints. */
const char *schema_text(struct decoder *d, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The path of a map's item: `at` with the key after it. */
const char *schema_key(struct decoder *d, const char *at, const char *key);
struct arena *schema_arena(const struct decoder *d);   /* for what becomes part of the object */
struct arena *schema_scratch(const struct decoder *d); /* until the decoding ends */
const char *schema_namespace(const struct decoder *d); /* the resource's; "" when it has none */

#endif
