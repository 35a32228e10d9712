/*
 * vocabulary: the words that random configuration is made of, and the dice.
 *
 * One world draws all its hosts, subsets, labels, ports from the same few words, so that its
 * resources refer to one another and rules really apply. "{w}" in a word is the world's seed.
 */
#ifndef TESTS_FUZZ_CONFIG_VOCABULARY_H
#define TESTS_FUZZ_CONFIG_VOCABULARY_H

#include "model/schema_fields.h"

struct dice {
    uint64_t state;
    const uint8_t *fed; /* bytes that decide first, as long as there are any: a fuzzer's */
    size_t fed_bytes;
};
uint64_t dice_roll(struct dice *d);
unsigned dice_below(struct dice *d, size_t count); /* 0..count-1; count > 0 */
bool dice_chance(struct dice *d, unsigned percent);
/* For a part of what is made: other parts do not change with it. */
struct dice dice_fork(struct dice *d);

/* A string for that field, in `a`: one that its format accepts. `name` is the field's (snake_case)
 * and steers only; NULL when no word is accepted. */
const char *vocabulary_text(
    struct arena *a, struct dice *d, uint64_t seed, const char *name, const struct format *format);

/* Within least..most; mostly dull, at times the edges. */
double vocabulary_number(struct dice *d, double least, double most, bool is_whole);
const char *vocabulary_duration(struct dice *d);

#endif
