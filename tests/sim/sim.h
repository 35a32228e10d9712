/*
 * sim: a world in one thread: its time, its dice, what happens next, and what was seen to happen.
 *
 * Everything that happens is an event in one queue, ordered by time and then by dice; all delays
 * and faults are drawn from the same dice. So a seed is a history, and the same seed is the same
 * history, step for step.
 */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include "base/buf.h"

enum { SIM_MS = 1000, SIM_SECOND = 1000 * SIM_MS }; /* in microseconds */

/* One pilotd, or NULL for the world around them. */
struct sim_process {
    const char *name;
    size_t index;
    uint64_t stopped_until_us; /* nothing of it runs before, as after SIGSTOP */
    bool is_dead;              /* nothing of it reaches the world any more */
};

/* Lives in its owner's struct, zeroed. */
struct sim_event {
    void (*run)(struct sim_event *e);
    struct sim_process *process;
    const void *loop;     /* of the process: who drains one loop runs its events alone */
    bool is_from_outside; /* the dead hear it no more */
    uint64_t at_us, tie;
    size_t place; /* in the queue, from 1; 0: not in it */
};

struct sim {
    uint64_t seed, dice, now_us, steps, trace_hash;
    struct sim_event **queue; /* a heap */
    size_t count, capacity;
    unsigned slowness; /* of networks and threads: delays are so many times longer */
    bool is_tracing;   /* prints what happens */
    bool is_over;      /* being taken down: nothing is checked any more */
    bool has_failed;
    const char *broken; /* the invariant */
    char failure[1024];
};

void sim_init(struct sim *sim, uint64_t seed, bool is_tracing);
void sim_fini(struct sim *sim);

/* ---- dice ---- */

uint64_t sim_roll(struct sim *sim);
uint64_t sim_below(struct sim *sim, uint64_t count); /* 0..count-1 */
uint64_t sim_between(struct sim *sim, uint64_t least, uint64_t most);
bool sim_chance(struct sim *sim, unsigned of_1000);
/* What a network or a scheduler takes: mostly little, at times `most_us`. */
uint64_t sim_delay(struct sim *sim, uint64_t most_us);

/* ---- events ---- */

/* Moves it if it is in the queue already. */
void sim_schedule(struct sim *sim, struct sim_event *e, uint64_t in_us);
void sim_cancel(struct sim *sim, struct sim_event *e);

/* The next event; false: there is none before `until_us`, and that is the time now. */
bool sim_step(struct sim *sim, uint64_t until_us);
/* The next event of one loop of a dead process, whatever the time; false: it has none. */
bool sim_step_of(struct sim *sim, const void *loop);

/* ---- what is told ---- */

void sim_trace(struct sim *sim, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The first one counts. */
void sim_fail(struct sim *sim, const char *invariant, const char *fmt, ...) PRINTF_LIKE(3, 4);

#endif
