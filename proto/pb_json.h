/*
 * pb_json: a protobuf-c message as proto JSON (the mapping of protobuf's "ProtoJSON Format" page):
 * lowerCamelCase names, enums by name, 64-bit integers as strings, Any opened up by its type URL,
 * wrappers and Duration in their short forms. For people and tests; nothing that is hashed.
 */
#ifndef PROTO_PB_JSON_H
#define PROTO_PB_JSON_H

#include "base/error.h"
#include "base/json.h"

#include <protobuf-c/protobuf-c.h>

cJSON *pb_json(const ProtobufCMessage *message);
/* From serialised bytes: of the descriptor, or of the type behind a type URL that proto/ knows. */
cJSON *pb_json_bytes(const ProtobufCMessageDescriptor *type, const uint8_t *bytes,
    size_t size_bytes, struct error *err);
const ProtobufCMessageDescriptor *pb_type_find(
    const char *full_name); /* "envoy.config.…" or NULL */

/* A serialised google.protobuf.Struct (a proxy's metadata) as a JSON object, read by hand with a
 * depth limit (JSON_MAX_DEPTH): protobuf-c itself would recurse as deep as a client likes. */
cJSON *pb_struct_json(const uint8_t *bytes, size_t size_bytes, struct error *err);

#endif
