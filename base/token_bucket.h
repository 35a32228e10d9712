/*
 * token_bucket: how often something may happen. A bucket that is all zeros is full.
 *
 * It is kept as what has been taken and not come back yet, so nothing has to fill it up; one
 * belongs to whoever asks, and to one thread.
 */
#ifndef BASE_TOKEN_BUCKET_H
#define BASE_TOKEN_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

struct token_bucket_rate {
    uint32_t burst, per_s; /* tokens; burst at most 4,000,000 */
};

struct token_bucket {
    uint64_t at_ms;
    uint32_t taken; /* in thousandths of a token, at that moment */
};

static inline void token_bucket_give(struct token_bucket *b, uint32_t tokens)
{
    uint64_t given = (uint64_t)tokens * 1000;
    b->taken = given >= b->taken ? 0 : b->taken - (uint32_t)given;
}

/* One token, at a time that never goes back; false: there is none. */
static inline bool token_bucket_take(
    struct token_bucket *b, struct token_bucket_rate rate, uint64_t now_ms)
{
    uint64_t refilled =
        (now_ms - b->at_ms) * rate.per_s; /* thousandths: ms times tokens a second */
    b->taken = refilled >= b->taken ? 0 : b->taken - (uint32_t)refilled;
    b->at_ms = now_ms;
    if (b->taken + 1000 > rate.burst * 1000)
        return false;
    b->taken += 1000;
    return true;
}

#endif
