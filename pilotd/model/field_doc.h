/*
 * field_doc: what the tables of the kinds say of themselves: for people (pilotctl explain) and for
 * editors (pilotctl schema).
 */
#ifndef MODEL_FIELD_DOC_H
#define MODEL_FIELD_DOC_H

#include "model/object.h"
#include "model/schema_fields.h"

struct field_doc {
    const char *schema, *field; /* by name, as in the tables */
    const char *meaning;
    const char *fallback; /* what holds without it; "" */
    const char *envoy;    /* its counterpart; "" */
};
extern const struct field_doc field_docs[];
extern const size_t field_doc_count;

/* NULL for a field that means nothing here (refused, or without effect). */
const struct field_doc *field_doc_find(const struct schema *s, const struct field *f);

/* The field's name in JSON. */
const char *field_json_name(struct arena *a, const struct field *f);
/* What its value must be: "a duration, at least 1ms; not together with b". */
const char *field_value_text(struct arena *a, const struct schema *s, const struct field *f);

/*
 * The field at a place of a kind's document: "spec.http.match.uri", indexes and quotes left out or
 * not. NULL after an error in `d`, which says how far it is right and what is meant. *at is the
 * table it is in; of "spec" itself the field is NULL, too, without an error.
 */
const struct field *field_at(
    enum kind kind, const char *path, const struct schema **at, struct diags *d);

/* The kind's JSON Schema (draft 2020-12) of its whole document; the caller's. */
cJSON *field_json_schema(enum kind kind);

#endif
