/*
 * room: whether the process has descriptors for one more proxy.
 *
 * Proxies are many, and whatever they leave is too little when they leave none: a replica that can
 * open no connection to its store goes stale, one that cannot answer its balancer is cut off with
 * all it has. So the last ROOM_RESERVE descriptors are not for proxies: who comes then is
 * disconnected at once, which sends it to another replica, and /ready says so.
 *
 * The limit is the soft one of open files (getrlimit(2), RLIMIT_NOFILE) as it is at that moment.
 */
#ifndef XDS_ROOM_H
#define XDS_ROOM_H

#include <stdbool.h>

enum {
    ROOM_RESERVE = 64,      /* descriptors … */
    ROOM_RESERVE_SHARE = 4, /* … but no more than such a part of the limit */
};

bool room_is_full(void);

#endif
