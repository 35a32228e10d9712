/*
 * config_gen: random JSON that a schema table accepts.
 *
 * It walks the tables that the decoder walks (model/schema_fields.h): a new row is filled by its
 * kind, range, values, oneof group and format, with no change here. What the rules across fields
 * refuse is taken out again, object by object, so that most of what comes out is valid and still
 * odd.
 */
#ifndef TESTS_FUZZ_CONFIG_CONFIG_GEN_H
#define TESTS_FUZZ_CONFIG_CONFIG_GEN_H

#include "vocabulary.h"

struct config_gen {
    struct arena *a; /* the words' */
    struct dice dice;
    uint64_t seed;
    const char *ns; /* of the resource at hand */
};

/* The caller's (cJSON_Delete), or NULL when nothing valid was found. */
cJSON *config_gen_object(struct config_gen *g, const struct schema *s);

/* Breaks something at random, or a few things: what a decoder must survive. */
void config_gen_break(struct config_gen *g, cJSON *json);

#endif
