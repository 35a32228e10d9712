#include "proto/pb.h"

#include <string.h>

char *pb_str(const char *text)
{
    return text ? (char *)(uintptr_t)text : (char *)(uintptr_t) "";
}

char **pb_strs(const string_list *list)
{
    return (char **)(uintptr_t)list->items;
}

pb_Duration *pb_millis(struct arena *a, int64_t ms)
{
    return pb_new_Duration(a, .seconds = ms / 1000, .nanos = (int32_t)(ms % 1000) * 1000000);
}

pb_UInt32Value *pb_u32(struct arena *a, uint32_t value)
{
    return pb_new_UInt32Value(a, .value = value);
}

pb_BoolValue *pb_bool(struct arena *a, bool value)
{
    return pb_new_BoolValue(a, .value = value);
}

pb_DoubleValue *pb_double(struct arena *a, double value)
{
    return pb_new_DoubleValue(a, .value = value);
}

struct pb_bytes pb_pack(struct arena *a, const ProtobufCMessage *message)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *data = arena_alloc(a, size, 1);
    protobuf_c_message_pack(message, data);
    return (struct pb_bytes){ data, size };
}

void pb_pack_append(struct buf *out, const ProtobufCMessage *message)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    buf_reserve(out, size);
    protobuf_c_message_pack(message, (uint8_t *)out->data + out->size);
    out->size += size;
    out->data[out->size] = '\0';
}

static void *arena_provide(void *arena, size_t size_bytes)
{
    return arena_alloc(arena, size_bytes + 1, _Alignof(max_align_t));
}

static void arena_ignore(void *arena, void *memory)
{
    (void)arena, (void)memory;
}

void *pb_unpack(
    struct arena *a, const ProtobufCMessageDescriptor *type, const void *bytes, size_t size_bytes)
{
    ProtobufCAllocator allocator = { arena_provide, arena_ignore, a };
    return protobuf_c_message_unpack(type, &allocator, size_bytes, bytes);
}

bool pb_any_is(const pb_Any *any, const ProtobufCMessageDescriptor *type)
{
    const char *name = any ? strrchr(any->type_url, '/') : NULL;
    return name && strcmp(name + 1, type->name) == 0;
}

pb_Any *pb_any(struct arena *a, const ProtobufCMessage *message)
{
    struct pb_bytes bytes = pb_pack(a, message);
    return pb_new_Any(a,
        .type_url = arena_printf(a, "type.googleapis.com/%s", message->descriptor->name),
        .value = { .len = bytes.size, .data = (uint8_t *)(uintptr_t)bytes.data });
}

static void append_varint(struct buf *out, uint64_t value)
{
    do {
        uint8_t byte = (uint8_t)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        buf_append(out, &byte, 1);
        value >>= 7;
    } while (value);
}

void pb_append_field(struct buf *out, unsigned field_number, const void *bytes, size_t size_bytes)
{
    enum { WIRE_LENGTH_DELIMITED = 2 };
    append_varint(out, (uint64_t)field_number << 3 | WIRE_LENGTH_DELIMITED);
    append_varint(out, size_bytes);
    buf_append(out, bytes, size_bytes);
}
