#include "model/cidr.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

enum { BITS_OF_BYTE = 8, IPV4_BITS = 32, IPV6_BITS = 128 };

/* Digits alone, without sign or leading zero, up to `most`. */
static bool parse_bits(const char *text, unsigned most, unsigned *out)
{
    size_t size = strlen(text);
    if (size == 0 || size > 3 || strspn(text, "0123456789") != size || (*text == '0' && size > 1))
        return false;
    *out = (unsigned)atoi(text);
    return *out <= most;
}

bool cidr_parse(const char *text, struct cidr *out)
{
    char address[INET6_ADDRSTRLEN];
    size_t size = strcspn(text, "/");
    if (size >= sizeof address)
        return false;
    memcpy(address, text, size);
    address[size] = '\0';
    *out = (struct cidr){ .family = strchr(address, ':') ? AF_INET6 : AF_INET };
    if (inet_pton(out->family, address, out->bytes) != 1)
        return false;
    unsigned most = out->family == AF_INET ? IPV4_BITS : IPV6_BITS;
    out->bits = most;
    if (text[size] && !parse_bits(text + size + 1, most, &out->bits))
        return false;
    return true;
}

const char *cidr_address(struct arena *a, const struct cidr *c)
{
    char text[INET6_ADDRSTRLEN];
    return arena_strdup(a, inet_ntop(c->family, c->bytes, text, sizeof text));
}

bool cidr_is_everything(const struct cidr *c)
{
    return c->bits == 0;
}

static void copy_prefix(unsigned char *out, const struct cidr *c)
{
    unsigned whole = c->bits / BITS_OF_BYTE, rest = c->bits % BITS_OF_BYTE;
    memset(out, 0, sizeof c->bytes);
    memcpy(out, c->bytes, whole);
    if (rest)
        out[whole] = (unsigned char)(c->bytes[whole] & (0xFFU << (BITS_OF_BYTE - rest)));
}

int cidr_compare(const struct cidr *a, const struct cidr *b)
{
    unsigned char left[sizeof a->bytes], right[sizeof b->bytes];
    if (a->family != b->family)
        return a->family == AF_INET ? -1 : 1;
    copy_prefix(left, a);
    copy_prefix(right, b);
    int order = memcmp(left, right, sizeof left);
    return order ? order : (a->bits > b->bits) - (a->bits < b->bits);
}
