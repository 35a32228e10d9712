/*
 * sim: pilotd in a made world: random histories and faults, by seed.
 *
 *     sim SEEDS [FIRST]     runs SEEDS histories, the first with seed FIRST (1)
 *     sim --seed N          one, and prints all that happens in it
 *
 * Ends with 1 at the first history in which something that must hold does not, and says which seed
 * shows it.
 */
#include "world.h"

#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct sim sim;

static struct {
    unsigned ms;
    uint64_t seed;
} slowest; /* to come to rest after the last fault */

/* An invariant of pilotd's own, or a crash: the history that leads to it is told all the same. */
static void on_crash(int number)
{
    char text[160];
    int size = snprintf(text,
        sizeof text,
        "sim: seed %llu, step %llu: crashed (signal %d); replay: make sim SEED=%llu\n",
        (unsigned long long)sim.seed,
        (unsigned long long)sim.steps,
        number,
        (unsigned long long)sim.seed);
    ssize_t ignored = write(STDERR_FILENO, text, (size_t)size);
    (void)ignored;
    signal(number, SIG_DFL);
    raise(number);
}

/* The hash of all that was traced. */
static uint64_t run_seed(uint64_t seed, bool is_tracing)
{
    struct world *w = xcalloc(1, sizeof *w);
    sim_init(&sim, seed, is_tracing);
    world_run(w, &sim);
    if (w->recovery_ms > slowest.ms) {
        slowest.ms = w->recovery_ms;
        slowest.seed = seed;
    }
    if (sim.has_failed)
        fprintf(stderr,
            "sim: seed %llu: broken: %s\n    %s\n    replay: make sim SEED=%llu\n",
            (unsigned long long)seed,
            sim.broken,
            sim.failure,
            (unsigned long long)seed);
    sim_fini(&sim);
    free(w);
    return sim.trace_hash;
}

static double seconds_since(const struct timespec *began)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - began->tv_sec) + (double)(now.tv_nsec - began->tv_nsec) / 1e9;
}

static int run_many(uint64_t first, uint64_t count)
{
    struct timespec began;
    uint64_t steps = 0;
    clock_gettime(CLOCK_MONOTONIC, &began);
    for (uint64_t seed = first; seed < first + count; seed++) {
        uint64_t hash = run_seed(seed, false);
        steps += sim.steps;
        if (sim.has_failed)
            return 1;
        if (seed == first && run_seed(seed, false) != hash) {
            fprintf(stderr, "sim: seed %llu: not the same twice\n", (unsigned long long)seed);
            return 1;
        }
    }
    double seconds = seconds_since(&began);
    printf("sim: %llu histories from seed %llu hold, %llu steps, %.0f histories a minute;"
           " the slowest to recover took %.1f s (seed %llu)\n",
        (unsigned long long)count,
        (unsigned long long)first,
        (unsigned long long)steps,
        (double)count * 60 / seconds,
        slowest.ms / 1000.0,
        (unsigned long long)slowest.seed);
    return 0;
}

int main(int argc, char **argv)
{
    signal(SIGABRT, on_crash);
    signal(SIGSEGV, on_crash);
    if (argc == 3 && strcmp(argv[1], "--seed") == 0) {
        setvbuf(stdout, NULL, _IOLBF, 0); /* among the log lines, which are written at once */
        run_seed(strtoull(argv[2], NULL, 10), true);
        return sim.has_failed;
    }
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: sim SEEDS [FIRST] | sim --seed N\n");
        return 2;
    }
    return run_many(argc == 3 ? strtoull(argv[2], NULL, 10) : 1, strtoull(argv[1], NULL, 10));
}
