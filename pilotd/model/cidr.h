/*
 * cidr: a range of addresses, "10.0.0.0/8", or one address, which is the range of itself alone.
 */
#ifndef MODEL_CIDR_H
#define MODEL_CIDR_H

#include "base/arena.h"

struct cidr {
    int family;              /* AF_INET or AF_INET6 */
    unsigned char bytes[16]; /* of the address as it was written */
    unsigned bits;           /* of the prefix */
};

/* False when the text is neither an address nor a range. */
bool cidr_parse(const char *text, struct cidr *out);

/* "10.0.0.0"; in `a`. */
const char *cidr_address(struct arena *a, const struct cidr *c);

/* Every address of its family. */
bool cidr_is_everything(const struct cidr *c);

/* An order over ranges; 0 for equal ones, whatever is written behind the prefix. */
int cidr_compare(const struct cidr *a, const struct cidr *b);

#endif
