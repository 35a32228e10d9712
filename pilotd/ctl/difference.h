/*
 * difference: where two replicas that should agree do not: what their hashes cover
 * (/debug/versions), compared.
 */
#ifndef CTL_DIFFERENCE_H
#define CTL_DIFFERENCE_H

#include "base/arena.h"
#include "base/json.h"

enum { DIFFERENCES_MAX = 5 };

/* "CDS outbound|80||web: 3f9c… here, 8a2b… there", the first few; objects before resources, for
 * they cause what resources differ in. `count` is of all. */
string_list differences(struct arena *a, const cJSON *here, const cJSON *there, size_t *count);

#endif
