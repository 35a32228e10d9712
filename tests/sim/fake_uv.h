/*
 * fake_uv: libuv's functions, as far as pilotd uses them, over a sim: no clock, no threads, no
 * sockets. Linked in libuv's place.
 *
 * A loop belongs to the process that was entered when it was initialised. Its time stands still
 * while a callback runs, as libuv's does. Threads and work are events among all others, so they
 * interleave at callbacks, in whatever order the dice give; what locks are for is not simulated.
 */
#ifndef SIM_FAKE_UV_H
#define SIM_FAKE_UV_H

#include "sim.h"

#include <uv.h>

/* One world at a time: libuv's functions without a loop have nowhere else to look. */
void fake_uv_begin(struct sim *sim);
struct sim *fake_uv_sim(void);

/* Loops are of this process from now on. */
void fake_uv_enter(struct sim_process *process);
struct sim_process *fake_uv_process(const uv_loop_t *loop);
/* A callback on that loop begins: its time is now. */
void fake_uv_wake(const uv_loop_t *loop);

/* Runs what is left of a loop whose handles are all being closed, without waiting for anything. */
void fake_uv_drain(uv_loop_t *loop);

/* One of the process's listening sockets has a connection to accept: its callback is to be called,
 * on its loop. NULL: nobody listens. */
uv_stream_t *fake_uv_listener(struct sim_process *process);
void fake_uv_offer(uv_stream_t *listener, void *connection);
void *fake_uv_take_offer(uv_stream_t *listener); /* for h2_accept */

#endif
