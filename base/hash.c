#include "base/hash.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <string.h>
#include <xxhash.h>

struct hasher {
    EVP_MD_CTX *ctx;
};

static EVP_MD *fetched;

static void fetch_sha256(void)
{
    fetched = EVP_MD_fetch(NULL, "SHA256", NULL);
    INVARIANT(fetched);
}

/* Looked up once: to find an algorithm takes OpenSSL longer than to hash a few words. */
static const EVP_MD *sha256(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    INVARIANT(pthread_once(&once, fetch_sha256) == 0);
    return fetched;
}

struct hasher *hasher_new(void)
{
    struct hasher *h = xcalloc(1, sizeof *h);
    h->ctx = EVP_MD_CTX_new();
    INVARIANT(h->ctx && EVP_DigestInit_ex(h->ctx, sha256(), NULL) == 1);
    return h;
}

void hasher_add(struct hasher *h, const void *bytes, size_t size_bytes)
{
    INVARIANT(EVP_DigestUpdate(h->ctx, bytes, size_bytes) == 1);
}

void hasher_add_text(struct hasher *h, const char *text)
{
    hasher_add(h, text ? text : "", (text ? strlen(text) : 0) + 1);
}

void hasher_add_u32(struct hasher *h, uint32_t value)
{
    const uint8_t bytes[] = {
        (uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8), (uint8_t)value
    };
    hasher_add(h, bytes, sizeof bytes);
}

static struct hash128 cut(const unsigned char digest[EVP_MAX_MD_SIZE])
{
    struct hash128 cut;
    memcpy(cut.bytes, digest, sizeof cut.bytes);
    return cut;
}

struct hash128 hasher_finish(struct hasher *h)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    INVARIANT(EVP_DigestFinal_ex(h->ctx, digest, NULL) == 1);
    EVP_MD_CTX_free(h->ctx);
    free(h);
    return cut(digest);
}

struct hash128 hash128_of(const void *bytes, size_t size_bytes)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    INVARIANT(EVP_Digest(bytes, size_bytes, digest, NULL, sha256(), NULL) == 1);
    return cut(digest);
}

uint64_t hash64_of(const void *bytes, size_t size_bytes)
{
    return XXH3_64bits(bytes, size_bytes);
}

bool hash128_equal(const struct hash128 *a, const struct hash128 *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

void hash128_text(const struct hash128 *h, char text[HASH128_TEXT_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < HASH128_BYTES; i++) {
        text[2 * i] = digits[h->bytes[i] >> 4];
        text[2 * i + 1] = digits[h->bytes[i] & 15];
    }
    text[2 * HASH128_BYTES] = '\0';
}

/* ---- sums ---- */

static uint64_t word_of(const uint8_t *bytes)
{
    uint64_t word = 0;
    for (size_t i = 0; i < sizeof word; i++)
        word = word << 8 | bytes[i];
    return word;
}

void hash_sum_add(struct hash_sum *sum, const struct hash128 *h)
{
    uint64_t low = sum->low + word_of(h->bytes + sizeof(uint64_t));
    sum->high += word_of(h->bytes) + (low < sum->low);
    sum->low = low;
}

void hash_sum_remove(struct hash_sum *sum, const struct hash128 *h)
{
    uint64_t low = sum->low - word_of(h->bytes + sizeof(uint64_t));
    sum->high -= word_of(h->bytes) + (low > sum->low);
    sum->low = low;
}

struct hash128 hash_sum_hash(const struct hash_sum *sum)
{
    struct hash128 hash;
    for (size_t i = 0; i < sizeof sum->high; i++) {
        unsigned shift = (unsigned)(sizeof sum->high - 1 - i) * 8;
        hash.bytes[i] = (uint8_t)(sum->high >> shift);
        hash.bytes[sizeof sum->high + i] = (uint8_t)(sum->low >> shift);
    }
    return hash;
}

void hasher_add_sum(struct hasher *h, const struct hash_sum *sum)
{
    struct hash128 hash = hash_sum_hash(sum);
    hasher_add(h, hash.bytes, HASH128_BYTES);
}
