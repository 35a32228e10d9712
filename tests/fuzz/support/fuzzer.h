/*
 * fuzzer: what a target is made of: a function that is fed bytes, and how it reads them.
 *
 * A target (tests/fuzz/targets/) reads its input from the front: a number here, a chunk there; what
 * is not there is 0 or empty, so any bytes are an input. libFuzzer calls it with what it makes up,
 * support/replay.c with files.
 */
#ifndef TESTS_FUZZ_FUZZER_H
#define TESTS_FUZZ_FUZZER_H

#include "base/arena.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes);

struct input {
    const uint8_t *at, *end;
};
struct chunk {
    const uint8_t *bytes;
    size_t size;
};

static inline struct input input_of(const uint8_t *bytes, size_t size_bytes)
{
    return (struct input){ bytes, bytes + size_bytes };
}

static inline bool input_is_over(const struct input *in)
{
    return in->at == in->end;
}

static inline unsigned input_byte(struct input *in)
{
    return input_is_over(in) ? 0 : *in->at++;
}

static inline unsigned input_below(struct input *in, size_t count)
{
    return input_byte(in) % (unsigned)count;
}

/* At most so many bytes; what is left of them. */
static inline struct chunk input_take(struct input *in, size_t size)
{
    size_t left = (size_t)(in->end - in->at);
    struct chunk c = { in->at, size < left ? size : left };
    in->at += c.size;
    return c;
}

/* Two bytes of size, and so many. */
static inline struct chunk input_chunk(struct input *in)
{
    size_t size = input_byte(in);
    return input_take(in, size | (size_t)input_byte(in) << 8);
}

/* A chunk of up to 255 bytes as a C string in `a`, cut at a NUL. */
static inline const char *input_text(struct input *in, struct arena *a)
{
    struct chunk c = input_take(in, input_byte(in));
    return arena_strndup(a, (const char *)c.bytes, c.size);
}

#endif
