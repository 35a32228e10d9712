/*
 * pb_json: a protobuf-c message as proto JSON (the mapping of protobuf's "ProtoJSON Format" page):
 * lowerCamelCase names, enums by name, 64-bit integers as strings, Any opened up by its type URL,
 * wrappers and Duration in their short forms. For people and tests; nothing that is hashed.
 *
 * The trees are the caller's (cJSON_Delete). An Any of a type that proto/ does not know, or whose
 * bytes are not that type, keeps them in base64 under "value". A Node's metadata, which we keep as
 * bytes, is shown as the Struct it is.
 */
#ifndef PROTO_PB_JSON_H
#define PROTO_PB_JSON_H

#include "base/error.h"
#include "base/json.h"

#include <protobuf-c/protobuf-c.h>

cJSON *pb_json(const ProtobufCMessage *message);

/* From serialised bytes, or NULL with an error. For bytes made by us: types that nest in themselves
 * (Struct, Any) are followed as deep as the bytes go. */
cJSON *pb_json_bytes(const ProtobufCMessageDescriptor *type, const uint8_t *bytes,
    size_t size_bytes, struct error *err);

/* By full name ("envoy.config.cluster.v3.Cluster"); NULL when proto/ has no such message. */
const ProtobufCMessageDescriptor *pb_type_find(const char *full_name);

/*
 * A serialised google.protobuf.Struct (a proxy's metadata) as a JSON object with sorted members, or
 * NULL with an error. Safe for whatever a client sends: read by hand with a depth limit
 * (JSON_MAX_DEPTH), where protobuf-c would recurse as deep as the client likes. Refused besides:
 * strings that are not UTF-8 or hold a NUL, numbers that are not finite.
 */
cJSON *pb_struct_json(const uint8_t *bytes, size_t size_bytes, struct error *err);

#endif
