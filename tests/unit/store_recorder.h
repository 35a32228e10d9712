/*
 * store_recorder: a store, its listener and its calls for a test: keeps what was told, checks that
 * it was told as store.h promises, and runs the loop until something is true or time is up.
 */
#ifndef STORE_RECORDER_H
#define STORE_RECORDER_H

#include "base/buf.h"
#include "base/map.h"
#include "replication/store.h"

enum { RECORDER_LIMIT_MS = 20000 };

struct recorder {
    struct store_listener listener;
    uv_loop_t *loop;
    struct store *store;
    struct store_stats stats;
    struct map values;   /* what is told: key → struct recorded */
    struct map faults;   /* file → text */
    struct buf log;      /* every change told, in order: "+KEY=VALUE " or "-KEY " */
    struct buf states;   /* every state told: "connecting ", "following ", "behind " */
    size_t told, synced; /* changes; calls of on_synced */
    int64_t revision;
    struct store_access access;
    uint64_t audit_every_ms;             /* 0: as in production */
    bool may_go_back;                    /* a revision may be lower than that before */
    bool is_inside;                      /* a store_* call is running: no callback may come */
    void (*on_told)(struct recorder *r); /* after each on_changes; may be NULL */
    /* closes the store from within: "changes", "synced", "state" or "reply" */
    const char *close_when;
};

struct recorded {
    char *value;
    size_t size;
    int64_t create_revision, mod_revision, lease;
};

void recorder_init(struct recorder *r); /* makes the loop */
void recorder_open(struct recorder *r, const char *url, const struct store_layout *layout);
void recorder_open_oneshot(struct recorder *r, const char *url, const struct store_layout *layout);

/* Closes the store, if it is open, and the loop: everything must end by itself. */
void recorder_close(struct recorder *r);
void recorder_close_store(struct recorder *r);

/* The value told of a key, or NULL. */
const char *recorder_value(const struct recorder *r, const char *key);
const struct recorded *recorder_find(const struct recorder *r, const char *key);

/* Runs the loop until `is_true`; fails the test after RECORDER_LIMIT_MS. */
#define recorder_until(r, is_true)                                                                 \
    do {                                                                                           \
        uint64_t deadline_ = uv_hrtime() + (uint64_t)RECORDER_LIMIT_MS * 1000000;                  \
        while (!(is_true))                                                                         \
            recorder_turn((r), deadline_, #is_true);                                               \
    } while (0)
void recorder_turn(struct recorder *r, uint64_t deadline_ns, const char *what);

/* Runs the loop for as long as something that must not happen would take. */
void recorder_run_for(struct recorder *r, unsigned ms);

void recorder_until_following(struct recorder *r);

/* Requests that are waited for. */
struct answer {
    struct store_call call;
    struct recorder *recorder;
    bool is_done, succeeded;
    struct error err;
    int64_t revision, lease, compacted;
    size_t count;
    struct buf text;            /* "KEY=VALUE " of each entry; of one without a value "-KEY " */
    int64_t first_mod_revision; /* of the first entry */
};
struct answer *answer_new(struct recorder *r);
/* Waits for it, checks that it came without an error, and copies it out. */
struct answer answer_good(struct answer *answer);
/* The same for one that must have failed. */
struct error answer_error(struct answer *answer);

/* Writes one key and waits; value NULL deletes. */
int64_t recorder_put(struct recorder *r, const char *key, const char *value);
struct answer recorder_write(struct recorder *r, const struct store_write *write);

#endif
