#include "sim.h"

#include <stdarg.h>
#include <string.h>

enum { STEPS_MAX = 1000 * 1000 };
enum { START_US = 1000 * SIM_SECOND }; /* 0 stands for "never" in many places */

void sim_init(struct sim *sim, uint64_t seed, bool is_tracing)
{
    *sim =
        (struct sim){ .seed = seed, .is_tracing = is_tracing, .now_us = START_US, .slowness = 1 };
    sim->dice = seed * 0x9e3779b97f4a7c15u + 1;
    sim->trace_hash = 0xcbf29ce484222325u;
}

void sim_fini(struct sim *sim)
{
    free(sim->queue);
}

/* ---- dice: splitmix64 ---- */

uint64_t sim_roll(struct sim *sim)
{
    uint64_t z = sim->dice += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

uint64_t sim_below(struct sim *sim, uint64_t count)
{
    return sim_roll(sim) % count;
}

uint64_t sim_between(struct sim *sim, uint64_t least, uint64_t most)
{
    return least + sim_below(sim, most - least + 1);
}

bool sim_chance(struct sim *sim, unsigned of_1000)
{
    return sim_below(sim, 1000) < of_1000;
}

uint64_t sim_delay(struct sim *sim, uint64_t most_us)
{
    uint64_t most = sim->slowness * (sim_chance(sim, 50) ? most_us : most_us / 20);
    return 20 + sim_below(sim, most + 1);
}

/* ---- the queue: a heap by time, then tie ---- */

static bool is_before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at_us < b->at_us || (a->at_us == b->at_us && a->tie < b->tie);
}

static void put(struct sim *sim, size_t place, struct sim_event *e)
{
    sim->queue[place - 1] = e;
    e->place = place;
}

static void rise(struct sim *sim, struct sim_event *e)
{
    size_t place = e->place;
    while (place > 1 && is_before(e, sim->queue[place / 2 - 1])) {
        put(sim, place, sim->queue[place / 2 - 1]);
        place /= 2;
    }
    put(sim, place, e);
}

static void sink(struct sim *sim, struct sim_event *e)
{
    size_t place = e->place;
    while (2 * place <= sim->count) {
        size_t child = 2 * place;
        if (child < sim->count && is_before(sim->queue[child], sim->queue[child - 1]))
            child++;
        if (!is_before(sim->queue[child - 1], e))
            break;
        put(sim, place, sim->queue[child - 1]);
        place = child;
    }
    put(sim, place, e);
}

void sim_cancel(struct sim *sim, struct sim_event *e)
{
    size_t place = e->place;
    if (place == 0)
        return;
    struct sim_event *last = sim->queue[--sim->count];
    e->place = 0;
    if (last == e)
        return;
    put(sim, place, last);
    rise(sim, last);
    sink(sim, last);
}

void sim_schedule(struct sim *sim, struct sim_event *e, uint64_t in_us)
{
    sim_cancel(sim, e);
    e->at_us = sim->now_us + in_us;
    e->tie = sim_roll(sim);
    if (sim->count == sim->capacity) {
        sim->capacity = sim->capacity ? 2 * sim->capacity : 64;
        sim->queue = xrealloc(sim->queue, sim->capacity * sizeof(struct sim_event *));
    }
    sim->count++;
    put(sim, sim->count, e);
    rise(sim, e);
}

static void run(struct sim *sim, struct sim_event *e)
{
    sim_cancel(sim, e);
    INVARIANT(++sim->steps < STEPS_MAX);
    e->run(e);
}

bool sim_step(struct sim *sim, uint64_t until_us)
{
    struct sim_event *e = sim->count ? sim->queue[0] : NULL;
    if (!e || e->at_us >= until_us) {
        sim->now_us = until_us > sim->now_us ? until_us : sim->now_us;
        return false;
    }
    if (e->at_us > sim->now_us)
        sim->now_us = e->at_us;
    if (e->process && e->process->stopped_until_us > sim->now_us)
        sim_schedule(sim, e, e->process->stopped_until_us - sim->now_us + sim_below(sim, SIM_MS));
    else
        run(sim, e);
    return true;
}

bool sim_step_of(struct sim *sim, const void *loop)
{
    struct sim_event *first = NULL;
    for (size_t i = 0; i < sim->count; i++)
        if (sim->queue[i]->loop == loop && !sim->queue[i]->is_from_outside &&
            (!first || is_before(sim->queue[i], first)))
            first = sim->queue[i];
    if (first)
        run(sim, first);
    return first;
}

/* ---- what is told ---- */

static void tell(struct sim *sim, const char *text)
{
    for (const char *c = text; *c; c++)
        sim->trace_hash = (sim->trace_hash ^ (unsigned char)*c) * 0x100000001b3u;
    sim->trace_hash ^= sim->now_us;
    if (sim->is_tracing)
        printf("%7llu %11.6f  %s\n",
            (unsigned long long)sim->steps,
            (double)(sim->now_us - START_US) / SIM_SECOND,
            text);
}

void sim_trace(struct sim *sim, const char *fmt, ...)
{
    char text[2048];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    tell(sim, text);
}

void sim_fail(struct sim *sim, const char *invariant, const char *fmt, ...)
{
    va_list args;
    if (sim->has_failed || sim->is_over)
        return;
    sim->has_failed = true;
    sim->broken = invariant;
    va_start(args, fmt);
    vsnprintf(sim->failure, sizeof sim->failure, fmt, args);
    va_end(args);
    sim_trace(sim, "BROKEN: %s: %s", invariant, sim->failure);
}
