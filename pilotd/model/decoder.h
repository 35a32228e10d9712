/*
 * decoder: what the walk over JSON carries along, and how it tells faults. For schema.c, which
 * walks objects, and schema_values.c, which decodes what is in their fields; checks see only
 * schema_fields.h.
 */
#ifndef MODEL_DECODER_H
#define MODEL_DECODER_H

#include "model/schema_fields.h"

enum { FIELDS_MAX = 64 }; /* rows of one table */

/* The path is a chain of stack frames; it becomes text only when something is at fault. */
struct step {
    const struct step *up;
    const char *name; /* NULL: an index */
    size_t index;
};

struct decoder {
    struct arena *arena;   /* for what is decoded */
    struct arena *scratch; /* for texts of faults, until the walk ends */
    struct diags *diags;
    const char *ns;
    const struct step *at;
    size_t items; /* of all lists and maps so far */
};

/* Beyond the limit faults are only counted: their texts would cost the time of an attack. */
bool decoder_is_full(const struct decoder *d);

/* False after a fault when the value is not of those cJSON types; `what` it must be. */
bool decoder_expect(struct decoder *d, const cJSON *json, int types, const char *what);

/* The hint for a word that is none of `names`; NULL when nothing helps. */
const char *decoder_did_you_mean(
    struct decoder *d, const char *word, const char *const *names, size_t count);

/* schema_values.c: decodes one field's value into its member. */
void decode_value(struct decoder *d, const struct field *f, const cJSON *json, void *slot);

/* schema.c: decodes an object's members by its table. */
void decode_members(struct decoder *d, const struct schema *s, const cJSON *json, void *object);

#endif
