/*
 * serving: one serving loop: a thread, its xds_server, and the scopes that its streams are of.
 *
 * It asks the control loop for the scopes it needs and hands out what is published. The functions
 * below are called on the control loop, and the owner is called there; only letters cross over.
 */
#ifndef DAEMON_SERVING_H
#define DAEMON_SERVING_H

#include "daemon/mailbox.h"
#include "daemon/publication.h"
#include "xds/server.h"

enum { SCOPES_MAX = 20000 }; /* of all loops together */

struct serving;

enum gate_verdict { GATE_LET_IN, GATE_LET_IN_STALE, GATE_TURN_AWAY };

enum serving_question {
    SERVING_PULSE,  /* is the loop alive, and has it views to serve? */
    SERVING_REPORT, /* the connected proxies besides */
    SERVING_QUESTIONS,
};
struct serving_answer {
    enum serving_question question;
    bool has_views;    /* a whole publication has arrived */
    struct buf report; /* a JSON array */
};

struct serving_owner {
    struct mailbox mailbox; /* of the control loop */
    /* A scope is wanted by this loop from now on, or no longer. */
    void (*on_want)(struct serving_owner *o, struct serving *s, struct shared_scope *scope);
    void (*on_drop)(struct serving_owner *o, struct serving *s, const char *scope_key);
    /* Streams with this ticket or a lower one wait to be let in (daemon/gate.h). */
    void (*on_ask)(struct serving_owner *o, struct serving *s, uint64_t ticket);
    void (*on_answer)(struct serving_owner *o, struct serving *s, const struct serving_answer *a);
    void (*on_drained)(struct serving_owner *o, struct serving *s);
    /* Takes over a page that a client of this loop asked for: to be filled in by the loop number
     * page->server (serving_fill_status); is_last, when there is none (serving_return_status).
     * NULL as the loop: the owner asked itself, and has it back. */
    void (*on_status)(struct serving_owner *o, struct serving *s, struct status_page *page);
};

struct serving_options {
    size_t index; /* of this loop */
    const char *address, *id;
    const char *tls_address; /* NULL: none */
    int socket, tls_socket;  /* that listen there already; 0: none */
    struct tls_context *tls_context;
    uint64_t max_stream_age_ms; /* 0: any */
    size_t max_joining;         /* of this loop; 0: any */
    struct xds_limits limits;
    struct addresses *addresses;
    enum xds_status_access status_access;
    struct serving_owner *owner;
    const struct log_scope *log; /* copied */
    struct xds_stats *xds;
    metric_value *scopes;         /* of all loops; SCOPES_MAX is held against it */
    metric_value *refused_scopes; /* for the limit */
    metric_value *stale_streams;  /* let in without knowing whether there is news */
    metric_value *turned_away;    /* streams that were not let in */
    struct metric_histogram *queue_us, *convergence_us; /* of each proxy that a change is for */
};

/* Listens, and starts the thread. Until something is published, streams wait. */
bool serving_open(const struct serving_options *options, struct serving **out, struct error *err);
size_t serving_index(const struct serving *s);
int serving_port(const struct serving *s);
int serving_tls_port(const struct serving *s);

/* The views of those scopes that this loop has streams of are handed out. */
void serving_publish(struct serving *s, struct publication *p);
/* One view, for one scope. */
void serving_hand_over(struct serving *s, struct shared_scope *scope, struct xds_view *view);

/* On those who wait with this ticket or a lower one. */
void serving_decide(struct serving *s, uint64_t ticket, enum gate_verdict verdict);

void serving_ask(struct serving *s, enum serving_question question);
void serving_set_serving(struct serving *s, bool is_serving); /* for grpc.health */
void serving_set_tls(
    struct serving *s, struct tls_context *context); /* for who comes from now on */
void serving_set_log_level(struct serving *s, enum log_level level);

/* on_drained follows. */
void serving_drain(struct serving *s, uint64_t spread_ms, uint64_t grace_ms);

/* Its oldest streams are asked to connect anew: so many, spread over spread_ms. */
void serving_shed(struct serving *s, size_t count, uint64_t spread_ms);

/* Takes a page of status over, which goes back to the loop that asked for it (NULL: the owner),
 * with what this one can say of its proxies. */
void serving_fill_status(struct serving *s, struct serving *asker, struct status_page *page);
void serving_return_status(struct serving *asker, struct status_page *page);

/* Closes everything and waits for the thread to end. Letters of it may still be in the owner's
 * mailbox: free it when that is closed. */
void serving_stop(struct serving *s);
void serving_free(struct serving *s);

#endif
