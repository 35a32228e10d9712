/*
 * reflection_table: the descriptors of what is served here, and where each name in them is.
 *
 * Made at build time by xds/reflection_table.py of the .proto files under proto/, but for etcd's.
 * Both lists are sorted by name (strcmp).
 */
#ifndef XDS_REFLECTION_TABLE_H
#define XDS_REFLECTION_TABLE_H

#include "base/base.h"

struct reflection_file {
    const char *name;
    const uint8_t *bytes; /* a FileDescriptorProto */
    size_t size_bytes;
    const uint8_t *needs; /* places of this file and of all that it imports, however far */
    size_t need_count;
};

enum reflection_kind {
    REFLECTION_MESSAGE,
    REFLECTION_FIELD,
    REFLECTION_ONEOF,
    REFLECTION_ENUM,
    REFLECTION_VALUE,
    REFLECTION_SERVICE,
    REFLECTION_METHOD,
};

struct reflection_symbol {
    const char *name; /* in full, without a dot before it */
    enum reflection_kind kind;
    uint8_t file; /* its place */
};

extern const struct reflection_file reflection_files[];
extern const size_t reflection_file_count;
extern const struct reflection_symbol reflection_symbols[];
extern const size_t reflection_symbol_count;

#endif
