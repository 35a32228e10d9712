/*
 * etcd_call: gRPC calls to the members as the user that the options name.
 *
 * With a user, a token is fetched by name and password before the first call, and again when etcd
 * does not take it any more (it ran out, etcd was begun anew, the users changed); the call is then
 * made once more. A password that was refused is not tried again for ETCD_LOGIN_REST_MS, as each
 * try costs etcd a tenth of a second. While etcd's authentication is off, no token is needed.
 */
#ifndef REPLICATION_ETCD_CALL_H
#define REPLICATION_ETCD_CALL_H

#include "replication/grpc.h"

enum { ETCD_LOGIN_TIMEOUT_MS = 3000, ETCD_LOGIN_REST_MS = 5000, ETCD_PASSWORD_BYTES_MAX = 1024 };

struct etcd_url;
struct etcd_channel; /* the connections of one store */

/* `url` outlives it. */
struct etcd_channel *etcd_channel_open(uv_loop_t *loop, const struct etcd_url *url);

/* All calls are cancelled before. Frees later, from the loop. */
void etcd_channel_close(struct etcd_channel *channel);

/* The next call fetches a token, with the password as it is then. */
void etcd_channel_forget(struct etcd_channel *channel);

/* As in grpc.h. */
struct etcd_call;
struct etcd_handlers {
    void (*on_message)(struct etcd_call *call, struct grpc_message message);
    void (*on_end)(struct etcd_call *call, const struct grpc_result *result);
};

/* Lives in the caller's struct, zeroed before its first use. */
struct etcd_call {
    const struct etcd_handlers *handlers;
    struct http_limits limits; /* the fetching of a token is not counted */
    /* The rest is etcd_call.c's. */
    struct grpc_call grpc;
    struct etcd_channel *channel;
    const char *member, *method;
    const struct buf *frames;
    struct etcd_call *next_waiting;
    bool is_waiting, has_renewed;
    unsigned token; /* which one was shown */
};

/* `member`, `method` and `frames` are borrowed until the end. */
void etcd_call_start(struct etcd_channel *channel, struct etcd_call *call, const char *member,
    const char *method, const struct buf *frames);
void etcd_call_cancel(struct etcd_call *call);

static inline bool etcd_call_is_running(const struct etcd_call *call)
{
    return call->is_waiting || grpc_is_running(&call->grpc);
}

#endif
