/*
 * sockets: connections that were made up, for servers that run over tests/sim's libuv: bytes go in
 * as a client says them, and what the server writes goes out as far as the client takes it.
 *
 * One world at a time, with a time of its own; it lives from sockets_begin to sockets_end. As with
 * libuv, callbacks come from sockets_run alone, and writes that a closing connection has not got
 * rid of are cancelled before its close callback.
 */
#ifndef TESTS_FUZZ_SOCKETS_H
#define TESTS_FUZZ_SOCKETS_H

#include "base/buf.h"

#include <uv.h>

void sockets_begin(uv_loop_t *loop);
/* All handles are closed, or being closed. */
void sockets_end(uv_loop_t *loop);

/* Lets `ms` pass, and everything happen that is due. */
void sockets_run(uint64_t ms);

struct socket {
    struct socket *next;
    uv_stream_t *stream; /* NULL: the server has closed it, or never took it */
    struct buf unread;   /* said, and not read yet */
    struct buf heard;    /* what the server wrote; the caller may take from it */
    size_t room;         /* that the client's side still has for what the server writes */
    int ending;          /* UV_EOF, UV_ECONNRESET: after what is unread; 0: it goes on */
    bool is_told_ending, is_reading;
    uv_alloc_cb on_alloc;
    uv_read_cb on_read;
    uv_close_cb on_closed;
    struct socket_write *first_write, **last_write;
    size_t queued_bytes;
};

/* Somebody comes to whoever listens. The socket lives until sockets_end. */
struct socket *socket_connect(size_t room);
void socket_say(struct socket *s, const void *bytes, size_t size_bytes);

#endif
