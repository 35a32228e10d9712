/*
 * rollout: how far a revision of the store has come: which of the connected proxies, on all
 * replicas, have acknowledged what it means for them.
 *
 * A proxy has a revision when its replica serves that revision or a later one, and nothing is left
 * to send it or to be answered by it. So a proxy that the change does not concern has it at once,
 * and one that has gone elsewhere is asked for there.
 */
#ifndef CTL_ROLLOUT_H
#define CTL_ROLLOUT_H

#include "base/map.h"
#include "ctl/ctl.h"

extern const struct flag flag_wait, flag_timeout;

struct rollout {
    struct ctl *ctl;
    struct map nacks; /* before the change: SERVER ID TYPE → how many there were, on the heap */
};

/* Before the change: what was refused then is not its fault. */
void rollout_begin(struct rollout *r, struct ctl *ctl);
void rollout_end(struct rollout *r);

enum rollout_outcome { ROLLOUT_DONE, ROLLOUT_REFUSED, ROLLOUT_LATE };

/* Until all have it, one has refused it, or --timeout is over; says who has not, and why. `keys`:
 * what was written, in case a replica rejects it. */
enum rollout_outcome rollout_wait(struct rollout *r, int64_t revision, const string_list *keys);

/* How far a revision has come at one replica. In the arena. */
struct rollout_standing {
    bool is_served;
    size_t proxies, done;      /* connected there; of them those that have it */
    string_list late, refused; /* node ids, and which type; why it was refused */
    int64_t last_ack_ms;       /* Unix time of the last acknowledgement of any; 0: none */
};
/* `applied_ms`: when it was applied there, in Unix time: what was refused before is not its fault.
 */
bool rollout_standing(struct ctl *ctl, const char *server, int64_t revision, int64_t applied_ms,
    struct rollout_standing *out, struct error *err);

/* What each connected proxy has: a revision for each; in the arena. Replicas that do not answer are
 * left out. */
struct rollout_revisions {
    LIST(int64_t) items;
};
struct rollout_revisions rollout_revisions(struct ctl *ctl);

#endif
