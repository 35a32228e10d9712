/*
 * fair_share: how many streams this replica should have of all that the serving replicas have, and
 * what is to be done about more: new ones refused, old ones shed.
 *
 *     share = streams of all serving replicas / serving replicas
 *     cap   = share, plus a margin in percent, plus FAIR_SHARE_SLACK
 *     rest  = half way between the two: shedding, once begun, goes down to there
 *
 * Balancers share out new streams and need no help. What they cannot mend is what is there already:
 * a replica that comes back finds its streams with the others. Those are crowded (at the cap), and
 * shed a few of theirs with each heartbeat. Refusing is the exception: it costs a proxy another
 * connect, and is in vain unless somebody else has room. It is for streams that come faster than
 * shedding takes them away: while their number falls none is refused, else a small part. (Many that
 * come at once come from one that died.)
 *
 * Who died a moment ago looks as if it had room, and its streams come here and to others at once,
 * who look to one another as if they had not got theirs. So nothing is refused or shed before the
 * dead are known and the living have told what they got: FAIR_SHARE_PATIENCE_MS. And a record says
 * that there is room only once: to the first review after it was heard.
 *
 * Where each proxy knows one replica alone, without a balancer over all, nothing of this helps. So
 * who has tried for FAIR_SHARE_TRY_MS, while the same number of replicas was there, resigns and
 * takes everybody, for FAIR_SHARE_AGAIN_MS.
 *
 * Pure: the caller says what time it is.
 */
#ifndef DAEMON_FAIR_SHARE_H
#define DAEMON_FAIR_SHARE_H

#include "daemon/peers.h"

enum {
    FAIR_SHARE_SLACK = 10,         /* streams above the margin: small meshes are left alone */
    FAIR_SHARE_FRESH_MS = 3000,    /* a peer whose record is older is not counted */
    FAIR_SHARE_PATIENCE_MS = 4000, /* crowded for so long, before it does anything */
    FAIR_SHARE_PART_PERCENT = 10,  /* of what is above the rest is shed with each review, and of the
                                      others' room refused; 1 at least */
    FAIR_SHARE_TRY_MS = 60 * 1000,
    FAIR_SHARE_AGAIN_MS = 30 * 60 * 1000,
};

struct fair_share {
    int64_t margin_percent; /* 0: there is no cap */
    int64_t slack;
    int64_t streams; /* at the last review */
    bool is_crowded;
    uint64_t crowded_since_ms, reviewed_ms;
    bool has_resigned;
    int64_t replicas; /* when it was tried last … */
    uint64_t tried_ms, trying_since_ms;
};

struct fair_verdict {
    int64_t cap;  /* 0: any number */
    int64_t room; /* at the cap, so many new streams may be refused: others have place for them */
    int64_t shed; /* so many are to go now */
    bool resigns; /* from now on */
};

/* With each heartbeat. One that is not serving, or serves alone, keeps and takes whoever comes. */
struct fair_verdict fair_share_review(struct fair_share *f, const struct peers *peers,
    int64_t streams, bool is_serving, uint64_t now_ms);

#endif
