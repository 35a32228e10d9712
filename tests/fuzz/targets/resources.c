/*
 * Resources that are valid, or nearly: the bytes are the dice with which config/ makes a world from
 * the schema tables. Through the snapshot and the translator: each proxy is sent the same bytes
 * whatever the order and whatever was built before.
 */
#include "support/fuzzer.h"

#include "world.h"

enum { BYTES_MIN = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    struct world w;
    if (size_bytes < BYTES_MIN)
        return -1;
    world_init(&w, 1);
    w.dice.fed = bytes;
    w.dice.fed_bytes = size_bytes;
    world_generate(&w);
    world_render(&w);
    const char *fault = world_fault(&w);
    if (fault)
        fprintf(stderr, "%s\n", fault);
    INVARIANT(!fault);
    world_fini(&w);
    return 0;
}
