/*
 * relay: a TCP relay on the test's own loop, to make a connection break, fall silent or dribble
 * exactly when the test says so.
 */
#ifndef RELAY_H
#define RELAY_H

#include "base/base.h"

#include <uv.h>

enum relay_mode {
    RELAY_PASS,
    RELAY_DRIBBLE, /* what the server says comes in pieces of a few bytes */
    RELAY_MUTE,    /* requests pass, answers do not */
    RELAY_SILENT,  /* connections are accepted, and nothing passes */
};

struct relay {
    uv_tcp_t listener;
    unsigned port, target_port;
    enum relay_mode mode;
    struct relay_pair *pairs;
    size_t accepted; /* connections, ever */
    /* With cut_after > 0 a connection ends when so many bytes were answered, and the next one gets
     * cut_step bytes more. */
    size_t cut_after, cut_step;
    bool is_cut;
};

/* Listens on a free port of its own. */
void relay_open(struct relay *r, uv_loop_t *loop, unsigned target_port);
void relay_close(struct relay *r);

/* Cut: all connections end, and new ones are ended at once. */
void relay_cut(struct relay *r);
void relay_mend(struct relay *r);

#endif
