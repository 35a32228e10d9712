/*
 * hash: SHA-256 cut to its first 128 bits, the project's one content hash (resource versions,
 * object digests, the snapshot's hash). The door to OpenSSL's EVP digest and to
 * xxHash.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/base.h"

enum { HASH128_BYTES = 16, HASH128_TEXT_BYTES = 33 };

struct hash128 {
    uint8_t bytes[HASH128_BYTES];
};

struct hash128 hash128_of(const void *bytes, size_t size_bytes);
/* XXH3, for tables and sums that never leave the process. */
uint64_t hash64_of(const void *bytes, size_t size_bytes);

bool hash128_equal(const struct hash128 *a, const struct hash128 *b);

/* 32 lower-case hexadecimal digits and a NUL. */
void hash128_text(const struct hash128 *h, char text[HASH128_TEXT_BYTES]);

/* In pieces: start, add, finish (which frees). hasher_add_text includes the NUL, so that pieces
 * cannot run into each other. */
struct hasher;
struct hasher *hasher_new(void);
void hasher_add(struct hasher *h, const void *bytes, size_t size_bytes);
void hasher_add_text(struct hasher *h, const char *text); /* NULL counts as "" */
void hasher_add_u32(struct hasher *h, uint32_t value);    /* the same on every byte order */
struct hash128 hasher_finish(struct hasher *h);

/*
 * The hash of a set of things, each by its own hash: their sum. It does not depend on the order,
 * and what comes or goes is added or taken away. The things' hashes must be good ones (hash128_of).
 */
struct hash_sum {
    uint64_t high, low;
};
void hash_sum_add(struct hash_sum *sum, const struct hash128 *h);
void hash_sum_remove(struct hash_sum *sum, const struct hash128 *h);
struct hash128 hash_sum_hash(const struct hash_sum *sum);
void hasher_add_sum(struct hasher *h, const struct hash_sum *sum);

#endif
