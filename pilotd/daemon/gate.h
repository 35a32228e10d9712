/*
 * gate: no proxy goes back in time by moving to another replica. A new stream gets its first answer
 * once this replica publishes all that a quorum read of the store, begun after the stream opened,
 * has seen.
 *
 * One read serves all who wait when it begins, and reads are apart: GATE_QUICK_READS in a row by
 * GATE_PAUSE_MIN_MS, and then by twice as long each time, up to GATE_PAUSE_MAX_MS. So those of a
 * replica that died wait for milliseconds, and the storm of a whole mesh costs some dozen reads.
 *
 * When the store takes longer than GATE_LIMIT_MS, the streams are turned away: another replica may
 * have what this one cannot know of. A replica that has been stale for long
 * enough that balancers send it nobody unless all are (control.c) is cut off, and lets everybody in
 * to what there is: fail static, counted as stale.
 *
 * A serving loop asks with a ticket for all its streams that wait; tickets grow. Runs on the
 * control loop.
 */
#ifndef DAEMON_GATE_H
#define DAEMON_GATE_H

#include "base/metrics.h"
#include "daemon/serving.h"
#include "replication/store.h"

enum {
    GATE_QUICK_READS = 16,
    GATE_PAUSE_MIN_MS = 5,
    GATE_PAUSE_MAX_MS = 200,
    GATE_LIMIT_MS = 1000,
};

struct gate_owner {
    /* The verdict on loop `index`'s streams with this ticket or a lower one. */
    void (*on_verdict)(
        struct gate_owner *o, size_t index, uint64_t ticket, enum gate_verdict verdict);
    /* The store is ahead of what the watch has brought; it may have moved for others' keys, so a
     * write of one's own would bring it. */
    void (*on_behind)(struct gate_owner *o);
};

struct gate_stats {
    metric_value reads, turned_away; /* streams, by the serving loops */
    metric_value asks, wait_us;      /* answered, and from each ask to its answer, all told */
    metric_value stale_streams;      /* by the serving loops */
};

enum gate_phase {
    GATE_IDLE,
    GATE_PAUSING,   /* the last read is not long ago */
    GATE_READING,   /* until the store answers */
    GATE_FOLLOWING, /* until what it answered is published */
};

struct gate {
    struct store *store; /* NULL: there are no others to be ahead, so everybody is let in */
    struct gate_owner *owner;
    struct gate_stats *stats;
    uv_timer_t timer;
    struct store_call read;
    enum gate_phase phase;
    bool is_cut_off;
    uint64_t began_ms;       /* of the last read; 0: none */
    uint64_t pause_ms;       /* after it */
    unsigned row;            /* of reads, one after another */
    int64_t known, target;   /* revisions: published, and wanted to be */
    struct gate_loop *loops; /* each serving loop's tickets */
    size_t count;
};

void gate_open(struct gate *g, uv_loop_t *loop, struct store *store, size_t count,
    struct gate_owner *owner, struct gate_stats *stats);

void gate_ask(struct gate *g, size_t index, uint64_t ticket);

/* All up to this revision is published. Lower than before after a backup was restored. */
void gate_published(struct gate *g, int64_t revision);

/* This replica is known to be stale, or is not any more. Who waits when it becomes so is turned
 * away: balancers know better now. */
void gate_cut_off(struct gate *g, bool is_cut_off);

/* Before the store is closed. The struct must stay until the loop has ended, then gate_fini. */
void gate_close(struct gate *g);
void gate_fini(struct gate *g);

#endif
