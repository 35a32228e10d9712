#include "proto/pb_json.h"

#include "proto/pb.h"

#include <math.h>
#include <string.h>
#include <time.h>

const ProtobufCMessageDescriptor *pb_type_find(const char *full_name)
{
#define ROW(descriptor) &descriptor,
    static const ProtobufCMessageDescriptor *const types[] = { PB_MESSAGES(ROW) };
#undef ROW
    for (size_t i = 0; i < ARRAY_COUNT(types); i++)
        if (strcmp(types[i]->name, full_name) == 0)
            return types[i];
    return NULL;
}

/* ---- single values ---- */

static cJSON *number_json(double number)
{
    if (isnan(number))
        return cJSON_CreateString("NaN");
    if (isinf(number))
        return cJSON_CreateString(number > 0 ? "Infinity" : "-Infinity");
    return cJSON_CreateNumber(number);
}

static cJSON *bytes_json(const uint8_t *bytes, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *text = xcalloc((size + 2) / 3 * 4 + 1, 1), *to = text;
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        uint32_t group = (uint32_t)bytes[i] << 16 | (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
                         (left > 2 ? bytes[i + 2] : 0);
        *to++ = digits[group >> 18];
        *to++ = digits[group >> 12 & 63];
        *to++ = left > 1 ? digits[group >> 6 & 63] : '=';
        *to++ = left > 2 ? digits[group & 63] : '=';
    }
    cJSON *json = cJSON_CreateString(text);
    free(text);
    return json;
}

static cJSON *integer_json(int64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)value);
    return cJSON_CreateString(text);
}

static cJSON *unsigned_json(uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    return cJSON_CreateString(text);
}

static cJSON *enum_json(const ProtobufCEnumDescriptor *type, int number)
{
    const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(type, number);
    return value ? cJSON_CreateString(value->name) : cJSON_CreateNumber(number);
}

/* Where a value lies, seen as each of the types it may have. */
union place {
    const void *at;
    const int32_t *int32;
    const uint32_t *uint32;
    const int64_t *int64;
    const uint64_t *uint64;
    const float *float32;
    const double *float64;
    const protobuf_c_boolean *boolean;
    const char *const *string;
    const ProtobufCBinaryData *bytes;
    const ProtobufCMessage *const *message;
};

static const char *text_of(union place p)
{
    return *p.string ? *p.string : "";
}

/* An entry of a map may come without its value: then it is the type's empty one. */
static cJSON *message_json(const ProtobufCMessageDescriptor *type, const ProtobufCMessage *message)
{
    if (message)
        return pb_json(message);
    ProtobufCMessage *empty = xcalloc(1, type->sizeof_message);
    protobuf_c_message_init(type, empty);
    cJSON *json = pb_json(empty);
    free(empty);
    return json;
}

static cJSON *value_json(const ProtobufCFieldDescriptor *field, const void *at)
{
    union place p = { at };
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        return cJSON_CreateNumber(*p.int32);
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        return cJSON_CreateNumber(*p.uint32);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return integer_json(*p.int64);
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return unsigned_json(*p.uint64);
    case PROTOBUF_C_TYPE_FLOAT:
        return number_json((double)*p.float32);
    case PROTOBUF_C_TYPE_DOUBLE:
        return number_json(*p.float64);
    case PROTOBUF_C_TYPE_BOOL:
        return cJSON_CreateBool(*p.boolean);
    case PROTOBUF_C_TYPE_ENUM:
        return enum_json(field->descriptor, *p.int32);
    case PROTOBUF_C_TYPE_STRING:
        return cJSON_CreateString(text_of(p));
    case PROTOBUF_C_TYPE_BYTES:
        return bytes_json(p.bytes->data, p.bytes->len);
    case PROTOBUF_C_TYPE_MESSAGE:
        return message_json(field->descriptor, *p.message);
    }
    INVARIANT(!"a type of protobuf-c's that is not in this list");
    return NULL;
}

static size_t value_size(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return sizeof(uint64_t);
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    default:
        return sizeof(uint32_t);
    }
}

/* ---- fields ---- */

static const void *field_at(const ProtobufCMessage *m, unsigned offset)
{
    return (const char *)m + offset;
}

/* A field outside a oneof is left out at its type's zero. */
static bool is_zero(const ProtobufCFieldDescriptor *field, const void *at)
{
    static const uint64_t zero = 0;
    union place p = { at };
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
        return text_of(p)[0] == '\0';
    case PROTOBUF_C_TYPE_BYTES:
        return p.bytes->len == 0;
    default:
        return memcmp(at, &zero, value_size(field->type)) == 0;
    }
}

/* "max_requests" and "MaxRequests": capital at the start or not, and after each underscore. */
static void camel_case(const char *name, bool is_capital, char *text, size_t size)
{
    size_t used = 0;
    for (; *name && used + 1 < size; name++) {
        if (*name == '_') {
            is_capital = true;
            continue;
        }
        bool is_lower = *name >= 'a' && *name <= 'z';
        text[used++] = is_capital && is_lower ? (char)(*name - 'a' + 'A') : *name;
        is_capital = false;
    }
    text[used] = '\0';
}

enum { NAME_BYTES = 128 };

/* protobuf-c forgets that a field was declared as a map, but the entries' message is named by rule:
 * inside the parent, after the field. */
static bool is_map(const ProtobufCMessageDescriptor *parent, const ProtobufCFieldDescriptor *field)
{
    if (field->type != PROTOBUF_C_TYPE_MESSAGE || field->label != PROTOBUF_C_LABEL_REPEATED)
        return false;
    const ProtobufCMessageDescriptor *entry = field->descriptor;
    char camel[NAME_BYTES], by_rule[NAME_BYTES * 2 + 8];
    camel_case(field->name, true, camel, sizeof camel);
    snprintf(by_rule, sizeof by_rule, "%s.%sEntry", parent->name, camel);
    return strcmp(entry->name, by_rule) == 0;
}

static cJSON *map_json(const ProtobufCMessage *const *entries, size_t count)
{
    cJSON *object = cJSON_CreateObject();
    for (size_t i = 0; i < count; i++) {
        const ProtobufCFieldDescriptor *fields = entries[i]->descriptor->fields;
        INVARIANT(fields[0].type == PROTOBUF_C_TYPE_STRING);
        const char *key = text_of((union place){ field_at(entries[i], fields[0].offset) });
        cJSON_AddItemToObject(
            object, key, value_json(&fields[1], field_at(entries[i], fields[1].offset)));
    }
    return object;
}

static cJSON *repeated_json(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *field)
{
    size_t count = *(const size_t *)field_at(m, field->quantifier_offset);
    const char *items = *(const char *const *)field_at(m, field->offset);
    if (count == 0)
        return NULL;
    if (is_map(m->descriptor, field))
        return map_json((const ProtobufCMessage *const *)(const void *)items, count);
    cJSON *array = cJSON_CreateArray();
    for (size_t i = 0; i < count; i++)
        cJSON_AddItemToArray(array, value_json(field, items + i * value_size(field->type)));
    return array;
}

/* A Node's metadata is kept as bytes only against deep nesting; it is a Struct. */
static cJSON *node_metadata_json(const ProtobufCBinaryData *metadata)
{
    struct error err;
    if (metadata->len == 0)
        return NULL;
    cJSON *json = pb_struct_json(metadata->data, metadata->len, &err);
    return json ? json : bytes_json(metadata->data, metadata->len);
}

/* NULL when the field is not there. */
static cJSON *field_json(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *field)
{
    const void *at = field_at(m, field->offset);
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return repeated_json(m, field);
    if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
        const uint32_t *set = field_at(m, field->quantifier_offset);
        return *set == field->id ? value_json(field, at) : NULL;
    }
    if (m->descriptor == &pb_Node_desc && at == &((const pb_Node *)(const void *)m)->metadata)
        return node_metadata_json(at);
    return is_zero(field, at) ? NULL : value_json(field, at);
}

static void add_fields(cJSON *object, const ProtobufCMessage *m)
{
    for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &m->descriptor->fields[i];
        char name[NAME_BYTES];
        camel_case(field->name, false, name, sizeof name);
        cJSON *json = field_json(m, field);
        if (json)
            cJSON_AddItemToObject(object, name, json);
    }
}

/* ---- messages with a form of their own ---- */

typedef cJSON *json_of(const ProtobufCMessage *m);

static json_of any_json;

static cJSON *wrapper_json(const ProtobufCMessage *m)
{
    const ProtobufCFieldDescriptor *field = &m->descriptor->fields[0];
    return value_json(field, field_at(m, field->offset));
}

/* Seconds with 0, 3, 6 or 9 decimals. */
static cJSON *duration_json(const ProtobufCMessage *m)
{
    const pb_Duration *d = (const void *)m;
    bool is_negative = d->seconds < 0 || d->nanos < 0;
    unsigned long long seconds = (unsigned long long)d->seconds;
    unsigned fraction = (unsigned)d->nanos;
    int decimals = 9;
    if (is_negative) {
        seconds = -seconds;
        fraction = -fraction;
    }
    for (; decimals > 0 && fraction % 1000 == 0; decimals -= 3)
        fraction /= 1000;
    char text[64];
    if (decimals)
        snprintf(
            text, sizeof text, "%s%llu.%0*us", is_negative ? "-" : "", seconds, decimals, fraction);
    else
        snprintf(text, sizeof text, "%s%llus", is_negative ? "-" : "", seconds);
    return cJSON_CreateString(text);
}

/* RFC 3339, with 0, 3, 6 or 9 decimals. */
static cJSON *timestamp_json(const ProtobufCMessage *m)
{
    const pb_Timestamp *t = (const void *)m;
    time_t seconds = t->seconds;
    struct tm utc = { 0 };
    gmtime_r(&seconds, &utc);
    char text[64], decimals[16] = "";
    int digits = 9;
    unsigned fraction = (unsigned)t->nanos;
    for (; digits > 0 && fraction % 1000 == 0; digits -= 3)
        fraction /= 1000;
    if (digits)
        snprintf(decimals, sizeof decimals, ".%0*u", digits, fraction);
    snprintf(text,
        sizeof text,
        "%04d-%02d-%02dT%02d:%02d:%02d%sZ",
        utc.tm_year + 1900,
        utc.tm_mon + 1,
        utc.tm_mday,
        utc.tm_hour,
        utc.tm_min,
        utc.tm_sec,
        decimals);
    return cJSON_CreateString(text);
}

static cJSON *struct_json(const ProtobufCMessage *m)
{
    cJSON *members = field_json(m, &m->descriptor->fields[0]);
    return members ? members : cJSON_CreateObject();
}

static cJSON *list_json(const ProtobufCMessage *m)
{
    cJSON *items = field_json(m, &m->descriptor->fields[0]);
    return items ? items : cJSON_CreateArray();
}

static cJSON *struct_value_json(const ProtobufCMessage *m)
{
    const pb_Value *value = (const void *)m;
    if (value->kind_case == GOOGLE__PROTOBUF__VALUE__KIND_NULL_VALUE)
        return cJSON_CreateNull();
    for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
        cJSON *json = field_json(m, &m->descriptor->fields[i]);
        if (json)
            return json;
    }
    return cJSON_CreateNull();
}

static json_of *form_of(const ProtobufCMessageDescriptor *type)
{
    static const struct {
        const ProtobufCMessageDescriptor *type;
        json_of *json;
    } forms[] = {
        { &pb_Any_desc, any_json },
        { &pb_Duration_desc, duration_json },
        { &pb_Timestamp_desc, timestamp_json },
        { &pb_BoolValue_desc, wrapper_json },
        { &pb_DoubleValue_desc, wrapper_json },
        { &pb_StringValue_desc, wrapper_json },
        { &pb_UInt32Value_desc, wrapper_json },
        { &pb_UInt64Value_desc, wrapper_json },
        { &pb_Struct_desc, struct_json },
        { &pb_ListValue_desc, list_json },
        { &pb_Value_desc, struct_value_json },
    };
    for (size_t i = 0; i < ARRAY_COUNT(forms); i++)
        if (forms[i].type == type)
            return forms[i].json;
    return NULL;
}

static cJSON *any_json(const ProtobufCMessage *m)
{
    const pb_Any *any = (const void *)m;
    cJSON *object = cJSON_CreateObject();
    const char *url = any->type_url ? any->type_url : "", *slash = strrchr(url, '/');
    if (*url == '\0')
        return object;
    cJSON_AddStringToObject(object, "@type", url);
    const ProtobufCMessageDescriptor *type = pb_type_find(slash ? slash + 1 : url);
    ProtobufCMessage *inner =
        type ? protobuf_c_message_unpack(type, NULL, any->value.len, any->value.data) : NULL;
    if (!inner)
        cJSON_AddItemToObject(object, "value", bytes_json(any->value.data, any->value.len));
    else if (form_of(type))
        cJSON_AddItemToObject(object, "value", pb_json(inner));
    else
        add_fields(object, inner);
    if (inner)
        protobuf_c_message_free_unpacked(inner, NULL);
    return object;
}

/* ---- the public face ---- */

cJSON *pb_json(const ProtobufCMessage *message)
{
    json_of *form = form_of(message->descriptor);
    if (form)
        return form(message);
    cJSON *object = cJSON_CreateObject();
    add_fields(object, message);
    return object;
}

cJSON *pb_json_bytes(const ProtobufCMessageDescriptor *type, const uint8_t *bytes,
    size_t size_bytes, struct error *err)
{
    ProtobufCMessage *message = protobuf_c_message_unpack(type, NULL, size_bytes, bytes);
    if (!message) {
        error_set(err, ERROR_GARBLED, "%zu bytes are not a %s", size_bytes, type->name);
        return NULL;
    }
    cJSON *json = pb_json(message);
    protobuf_c_message_free_unpacked(message, NULL);
    return json;
}
