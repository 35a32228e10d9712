/*
 * level_vote: which translation level is to be in force: the highest that every live replica can
 * build, by their records.
 *
 * Down at once, for a replica that cannot follow serves nobody; up when it has been so for
 * LEVEL_RISE_MS, for during a rolling upgrade a replica of the release before may just be starting
 * again. Pure: the caller says what time it is.
 */
#ifndef DAEMON_LEVEL_VOTE_H
#define DAEMON_LEVEL_VOTE_H

#include "daemon/peers.h"

enum { LEVEL_RISE_MS = 5000 };

struct level_vote {
    int64_t rising; /* the level that all have been able to build … */
    uint64_t since_ms;
};

/* The level to propose instead of `agreed`; or `agreed`. */
int64_t level_vote_review(struct level_vote *v, const struct peers *peers, int64_t own_newest,
    int64_t agreed, uint64_t now_ms);

#endif
