/*
 * keeper: keeps the last good copy on disk (daemon/last_good.h): written on libuv's pool, at the
 * first change at once, then after a rest, and at the end. On the control loop.
 *
 * The copy is written whole, and the disk is others', too: it rests KEEPER_REST_TIMES as long as
 * the last write took. So the copy is a second old at most where there are 10,000 instances (30 ms,
 * 3 MB), and 4 s where there are 100,000 (200 ms, 30 MB; each second that would be a tenth of a
 * processor, and 30 MB/s).
 */
#ifndef DAEMON_KEEPER_H
#define DAEMON_KEEPER_H

#include "base/log.h"
#include "base/metrics.h"
#include "daemon/last_good.h"

#include <uv.h>

enum { KEEPER_REST_TIMES = 20, KEEPER_REST_MIN_MS = 1000, KEEPER_REST_MAX_MS = 5000 };

/* Taken over from on_gather: objects retained, in an array on the heap. */
struct keeper_state {
    char epoch[80];
    int64_t revision, level;
    struct object **objects;
    size_t count;
};

struct keeper_owner {
    /* False: there is nothing yet that could be kept. */
    bool (*on_gather)(struct keeper_owner *o, struct keeper_state *state);
};

struct keeper_stats {
    metric_value writes, failures;
    metric_value bytes, revision; /* gauges: of the copy on disk */
};

struct keeper {
    const char *dir; /* NULL: nothing is kept */
    struct keeper_owner *owner;
    struct keeper_stats *stats;
    const struct log_scope *log;
    uv_timer_t timer;
    uv_work_t work;
    struct keeper_state state; /* of the write under way */
    size_t bytes;
    struct error err;
    bool is_dirty, is_working, is_closing, is_failing, was_good;
    uint64_t began_ms; /* of the last write; 0: none */
    uint64_t took_ms;  /* that one */
};

/* From the beginning of a write that took so long until the next one may begin. */
uint64_t keeper_rest_ms(uint64_t took_ms);

void keeper_open(struct keeper *k, uv_loop_t *loop, const char *dir, struct keeper_owner *owner,
    struct keeper_stats *stats, const struct log_scope *log);

/* What would be gathered is something else than before. */
void keeper_touch(struct keeper *k);

/* Writes what is left to write, and waits for it. */
void keeper_close(struct keeper *k);

#endif
