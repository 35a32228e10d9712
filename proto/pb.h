/*
 * pb: Envoy's messages as C expressions.
 *
 *     return pb_new_Cluster(a,
 *         .name = pb_str(name),
 *         pb_Cluster_type(PB_Cluster_DiscoveryType_EDS),
 *         .connect_timeout = pb_millis(a, timeout_ms));
 *
 * pb_new_MESSAGE(a, …) copies a designated initialiser into the arena: nothing is freed. Names
 * are the message's own, nested ones joined by '_' (pb_Cluster_EdsClusterConfig); a field of a
 * oneof is set with pb_MESSAGE_field(value), an enum value is PB_MESSAGE_Enum_VALUE (PB_Enum_VALUE
 * when it is not nested). Two messages of one name are told apart by RENAMED in pb_names.py
 * (pb_upstreams_HttpProtocolOptions). All this is pb_names.h, made at build time from our .proto
 * files. To add a field: add it to the .proto file with upstream's number and name.
 *
 * Equal structs give equal bytes (protobuf-c writes fields in number order, map entries in the
 * order of the array: sort them).
 */
#ifndef PROTO_PB_H
#define PROTO_PB_H

#include "base/arena.h"
#include "base/buf.h"

#include "pb_names.h"

/* The three macros everything is built with. */
#define PB(a, T, ...)                                                                              \
    ((pb_##T *)arena_dup((a),                                                                      \
        &(pb_##T){ .base = PROTOBUF_C_MESSAGE_INIT(&pb_##T##_desc), __VA_ARGS__ },                 \
        sizeof(pb_##T),                                                                            \
        _Alignof(pb_##T)))
/* A repeated field from an array of pointers: PB_LIST(routes, n, array). */
#define PB_LIST(field, count, array) .n_##field = (count), .field = (array)
/* A repeated field with one element. */
#define PB_ONE(a, field, T, x)                                                                     \
    PB_LIST(                                                                                       \
        field, 1, (pb_##T **)arena_dup((a), &(pb_##T *){ (x) }, sizeof(void *), _Alignof(void *)))

/* What a peer gave us may not be UTF-8, and then a proto3 string that holds it is refused by those
 * who read it: with '?' in the place of each byte that is none. */
const char *pb_utf8(struct arena *a, const char *text);

/* protobuf-c's strings are char *, but packing never writes through them. NULL gives "". */
char *pb_str(const char *text);
/* The same for a repeated string: .n_domains = list.count, .domains = pb_strs(&list). */
char **pb_strs(const string_list *list);

pb_Duration *pb_millis(struct arena *a, int64_t ms);
pb_UInt32Value *pb_u32(struct arena *a, uint32_t value);
pb_BoolValue *pb_bool(struct arena *a, bool value);
pb_DoubleValue *pb_double(struct arena *a, double value);

/* Any: the type URL comes from the message's own descriptor. */
pb_Any *pb_any(struct arena *a, const ProtobufCMessage *message);

/* The bytes, in the arena. */
struct pb_bytes {
    const uint8_t *data;
    size_t size;
};
struct pb_bytes pb_pack(struct arena *a, const ProtobufCMessage *message);
void pb_pack_append(struct buf *out, const ProtobufCMessage *message);

/* The message in the arena, never to be freed; NULL when the bytes are none of this type. One byte
 * follows each string and each bytes field, and it is zero: so a key without a NUL is a C string.
 */
void *pb_unpack(
    struct arena *a, const ProtobufCMessageDescriptor *type, const void *bytes, size_t size_bytes);

/* Whether an Any (or NULL) holds a message of this type. */
bool pb_any_is(const pb_Any *any, const ProtobufCMessageDescriptor *type);

/* Appends a length-delimited field by hand (tag, length, bytes): tables put together from parts. */
void pb_append_field(struct buf *out, unsigned field_number, const void *bytes, size_t size_bytes);

#endif
