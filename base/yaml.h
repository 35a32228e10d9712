/*
 * yaml: the door to libyaml: documents in, cJSON trees out, with the line and column of every key.
 *
 * JSON is YAML here, so both are read by one function. YAML 1.2 core types; a plain scalar is a
 * number only where JSON would take it for one. Refused with their place: aliases and anchors,
 * tags, duplicate keys, keys that are not scalars, nesting deeper than JSON_MAX_DEPTH.
 */
#ifndef BASE_YAML_H
#define BASE_YAML_H

#include "base/buf.h"
#include "base/json.h"

struct yaml_document {
    cJSON *root;           /* owned by the file; NULL for an empty document */
    unsigned line;         /* where it begins, 1-based */
    struct map *positions; /* path ("spec.http[0].route") → struct yaml_position */
};
struct yaml_position {
    unsigned line, column;
};

struct yaml_file {
    LIST(struct yaml_document) documents;
    struct arena *arena;
};

/* Syntax faults go to `d` with line and column; the documents before the fault are kept. */
void yaml_read(const char *text, size_t size_bytes, struct yaml_file *out, struct diags *d);
void yaml_file_fini(struct yaml_file *f);

/* Fills line and column of each diag of `d` from its path: the exact key's, else the nearest
 * enclosing one's. */
void yaml_locate(const struct yaml_document *doc, struct diags *d);

/* Appends the tree as one document in block style; yaml_read gives the same tree for it. Texts that
 * would be taken for something else are quoted. */
void yaml_write(const cJSON *json, struct buf *out);

#endif
