/*
 * duration: "1.5s", "100ms", "1h10m": the grammar that protobuf's JSON and Go's durations share.
 */
#ifndef MODEL_DURATION_H
#define MODEL_DURATION_H

#include "model/types.h"

enum duration_verdict {
    DURATION_GOOD,
    DURATION_BAD,      /* not a duration, or beyond 290 years */
    DURATION_TOO_FINE, /* not a whole number of milliseconds */
};

/* Units h, m, s, ms, us, µs and ns; a sign; "0" needs no unit. Fills `out` when good. */
enum duration_verdict duration_parse(const char *text, struct duration *out);

#endif
