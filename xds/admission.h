/*
 * admission: how many may do at once what takes much memory for a moment; the others wait in the
 * order in which they came. All at once, a storm of proxies needs memory for all of them; a few at
 * a time need it for those few, and each is done sooner.
 *
 * It is so with streams that are served their first configuration, which is much larger on its way
 * than once it has arrived: a place is asked for by the first view of a stream, and given back when
 * the stream has settled or ended. And it is so with connections of which nothing has been read:
 * what a proxy says it has is as large, until it is compared.
 *
 * Who holds a place for longer than hold_ms (a proxy that reads slowly, or never answers) goes on,
 * but is not counted any more: it keeps nobody waiting for ever.
 *
 * Pure: the caller says what time it is.
 */
#ifndef XDS_ADMISSION_H
#define XDS_ADMISSION_H

#include "base/metrics.h"

#include <stddef.h>

enum admission_state { ADMISSION_OUTSIDE, ADMISSION_WAITING, ADMISSION_JOINING };

struct admission_place { /* within whoever joins; zeroed is outside */
    struct admission_place *before, *next;
    enum admission_state state;
    uint64_t since_ms; /* joining */
};

struct admission_queue {
    struct admission_place *first, *last;
};

struct admission_stats {
    metric_value joining, waiting; /* gauges */
    metric_value waited, overdue;
};

struct admission {
    size_t limit; /* of those who join at once; 0: none */
    uint64_t hold_ms;
    size_t count; /* of them now */
    struct admission_queue joining, waiting;
    struct admission_stats *stats;
};

/* True: it joins now. False: it waits. From outside only. */
bool admission_enter(struct admission *a, struct admission_place *p, uint64_t now_ms);

/* It has joined, or gives up: outside from now on. Nothing if it was outside already. */
void admission_leave(struct admission *a, struct admission_place *p);

/* The first of those who wait, if there is room: it joins now. Else NULL. */
struct admission_place *admission_next(struct admission *a, uint64_t now_ms);

/* Those who have joined for too long are outside from now on. */
void admission_expire(struct admission *a, uint64_t now_ms);

/* Milliseconds until admission_next or admission_expire has something to do; -1: nobody is here. */
int64_t admission_due_ms(const struct admission *a, uint64_t now_ms);

#endif
