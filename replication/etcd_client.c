#include "replication/etcd_client.h"

#include "replication/etcd_audit.h"
#include "replication/etcd_codec.h"

#include <string.h>

enum {
    BACKOFF_BASE_MS = 50,
    BACKOFF_CAP_MS = 500,  /* how much later than it could be a lost quorum is found again */
    ROUNDS_MAX = 4,        /* requests rest 0.2 to 0.4 s at most */
    LIST_RESTARTS_MAX = 3, /* when etcd is compacted under the pages of a list */
};

struct etcd_client {
    uv_loop_t *loop;
    const struct etcd_url *url;
    struct store_stats *stats;
    struct etcd_channel *channel;
    struct etcd_request *requests;
    size_t preferred; /* the member that answered last */
};

enum taken { TAKEN_WHOLE, TAKEN_PART, TAKEN_GARBLED };

/* What differs between requests. */
struct request_kind {
    const char *method;
    /* Reads the message into the reply. TAKEN_PART: the body asks for the next page now. */
    enum taken (*take)(
        struct etcd_request *r, struct grpc_message message, struct store_reply *reply);
    bool is_list;
    bool is_done_when_missing; /* ERROR_NOT_FOUND is what was wanted */
};

struct etcd_request {
    struct etcd_client *client;
    struct etcd_request *next, *prev; /* of client->requests */
    struct store_call *call;
    const struct request_kind *kind;
    struct etcd_call rpc;
    struct buf body;
    struct arena *arena; /* of the reply */
    uv_timer_t timer;    /* of the next try */
    uint64_t deadline_ms;
    size_t member;
    unsigned tries;
    bool is_repeatable; /* carried out twice it does the same as once */

    /* list: what was gathered, and what is asked for next */
    struct etcd_range range;
    int64_t pinned;            /* the revision that was asked for; 0: the newest */
    struct etcd_header listed; /* of the first page */
    etcd_entry_list entries;
    unsigned restarts;
};

/* ---- the reply ---- */

static enum taken take_get(
    struct etcd_request *r, struct grpc_message message, struct store_reply *reply)
{
    struct etcd_page page;
    if (!etcd_decode_range(r->arena, r->client->url->prefix, message, &page))
        return TAKEN_GARBLED;
    reply->revision = page.header.revision;
    reply->entries = page.entries.items;
    reply->count = page.entries.count;
    return TAKEN_WHOLE;
}

/* From the first page. It has less time each turn, as the deadline is that of the page that failed.
 */
static void restart_list(struct etcd_request *r)
{
    r->range.revision = r->pinned;
    r->range.from = (struct etcd_bytes){ 0 };
    r->entries = (etcd_entry_list){ 0 };
    buf_clear(&r->body);
    etcd_encode_range(&r->body, &r->range);
}

/* All pages are read at the revision of the first: that of a later answer's header is newer. */
static enum taken take_list(
    struct etcd_request *r, struct grpc_message message, struct store_reply *reply)
{
    struct etcd_page page;
    if (!etcd_decode_range(r->arena, r->range.prefix, message, &page))
        return TAKEN_GARBLED;
    if (!r->range.from.size) {
        r->listed = page.header;
        r->range.revision = r->pinned ? r->pinned : page.header.revision;
    } else if (etcd_is_other_history(&page.header, &r->listed, r->listed.revision)) {
        restart_list(r);
        return TAKEN_GARBLED;
    }
    for (list_each (struct store_entry, entry, &page.entries))
        list_push(r->arena, &r->entries, *entry);
    reply->revision = r->range.revision;
    reply->entries = r->entries.items;
    reply->count = r->entries.count;
    r->range.from = page.next;
    return page.next.size ? TAKEN_PART : TAKEN_WHOLE;
}

static enum taken take_txn(
    struct etcd_request *r, struct grpc_message message, struct store_reply *reply)
{
    struct etcd_txn txn;
    if (!etcd_decode_txn(r->arena, message, &txn))
        return TAKEN_GARBLED;
    reply->revision = txn.header.revision;
    reply->succeeded = txn.succeeded;
    if (txn.succeeded)
        metric_add(&r->client->stats->writes, 1);
    return TAKEN_WHOLE;
}

static enum taken take_lease_grant(
    struct etcd_request *r, struct grpc_message message, struct store_reply *reply)
{
    struct etcd_lease lease;
    if (!etcd_decode_lease_grant(r->arena, message, &lease))
        return TAKEN_GARBLED;
    reply->revision = lease.header.revision;
    reply->lease = lease.id;
    return TAKEN_WHOLE;
}

static enum taken take_lease_keepalive(
    struct etcd_request *r, struct grpc_message message, struct store_reply *reply)
{
    struct etcd_lease lease;
    if (!etcd_decode_lease_keepalive(r->arena, message, &lease))
        return TAKEN_GARBLED;
    reply->revision = lease.header.revision;
    reply->lease = lease.ttl_seconds > 0 ? lease.id : STORE_LEASE_NONE;
    return TAKEN_WHOLE;
}

static enum taken take_lease_revoke(
    struct etcd_request *r, struct grpc_message message, struct store_reply *reply)
{
    struct etcd_header header;
    if (!etcd_decode_lease_revoke(r->arena, message, &header))
        return TAKEN_GARBLED;
    reply->revision = header.revision;
    return TAKEN_WHOLE;
}

static const struct request_kind kind_get = { etcd_method_range, take_get };
static const struct request_kind kind_list = { etcd_method_range, take_list, .is_list = true };
static const struct request_kind kind_txn = { etcd_method_txn, take_txn };
static const struct request_kind kind_grant = { etcd_method_lease_grant, take_lease_grant };
static const struct request_kind kind_keepalive = { etcd_method_lease_keepalive,
    take_lease_keepalive };
static const struct request_kind kind_revoke = {
    etcd_method_lease_revoke, take_lease_revoke, .is_done_when_missing = true
};

/* ---- the life of a request ---- */

static void on_request_closed(uv_handle_t *handle)
{
    struct etcd_request *r = container_of((uv_timer_t *)handle, struct etcd_request, timer);
    buf_fini(&r->body);
    arena_free(r->arena);
    free(r);
}

/* Its memory stays until the loop's next turn, for a reply that is being given. */
static void drop_request(struct etcd_request *r)
{
    if (r->prev)
        r->prev->next = r->next;
    else
        r->client->requests = r->next;
    if (r->next)
        r->next->prev = r->prev;
    etcd_call_cancel(&r->rpc);
    uv_close((uv_handle_t *)&r->timer, on_request_closed);
}

static void finish_request(struct etcd_request *r, const struct store_reply *reply)
{
    struct store_call *call = r->call;
    if (reply->err)
        metric_add(&r->client->stats->errors, 1);
    else
        r->client->preferred = r->member;
    drop_request(r);
    call->on_reply(call, reply);
}

static const char *member_name(const struct etcd_request *r)
{
    return r->client->url->members.items[r->member];
}

static uint64_t time_left_ms(const struct etcd_request *r)
{
    uint64_t now_ms = uv_now(r->client->loop);
    return r->deadline_ms > now_ms ? r->deadline_ms - now_ms : 0;
}

/* A try may take all the time that is left, unless there is a member that was not asked yet. (One
 * that lost its leader forgets what it was asked, so to wait for it would be in vain.) */
static void try_request(struct etcd_request *r)
{
    bool has_choice = r->is_repeatable && r->tries + 1 < r->client->url->members.count;
    r->tries++;
    r->rpc.limits = (struct http_limits){
        .connect_timeout_ms = ETCD_CONNECT_TIMEOUT_MS,
        .timeout_ms = time_left_ms(r) + 1,
        .stall_ms = has_choice ? ETCD_STALL_MS : 0,
        .body_bytes = ETCD_ANSWER_BYTES_MAX,
    };
    etcd_call_start(r->client->channel, &r->rpc, member_name(r), r->kind->method, &r->body);
}

static void on_retry_timer(uv_timer_t *timer)
{
    try_request(container_of(timer, struct etcd_request, timer));
}

/* All members are tried at once, then all again after a rest. */
static uint64_t rest_ms(const struct etcd_request *r)
{
    size_t count = r->client->url->members.count, round = r->tries / count;
    if (r->tries % count)
        return 0;
    return etcd_backoff_ms(round < ROUNDS_MAX ? (unsigned)round : ROUNDS_MAX);
}

static void try_next_member(struct etcd_request *r)
{
    r->member = (r->member + 1) % r->client->url->members.count;
    uv_timer_start(&r->timer, on_retry_timer, rest_ms(r), 0);
}

static void encode_list(struct etcd_request *r)
{
    buf_clear(&r->body);
    etcd_encode_range(&r->body, &r->range);
    r->deadline_ms = uv_now(r->client->loop) + STORE_REQUEST_TIMEOUT_MS;
}

/* True when a list goes on in another way: from the start, or with smaller pages. */
static bool mend_list(struct etcd_request *r, const struct grpc_result *result)
{
    if (!r->kind->is_list)
        return false;
    if (result->is_too_large && r->range.limit > ETCD_PAGE_KEYS_MIN) {
        r->range.limit = r->range.limit / 10;
    } else if (result->err->code == ERROR_COMPACTED && r->restarts++ < LIST_RESTARTS_MAX) {
        restart_list(r);
    } else {
        return false;
    }
    encode_list(r);
    try_request(r);
    return true;
}

static bool can_try_again(const struct etcd_request *r, const struct grpc_result *result)
{
    enum error_code code = result->err->code;
    uint64_t least_ms = (uint64_t)BACKOFF_BASE_MS << ROUNDS_MAX; /* a rest, and then some time */
    return (code == ERROR_UNREACHABLE || code == ERROR_GARBLED) && !result->is_too_large &&
           (r->is_repeatable || result->is_unsent) && time_left_ms(r) > least_ms;
}

/* What there is to do about it, as far as it is known. */
static void advise(struct error *err)
{
    static const char full[] = "database space exceeded";
    size_t size = strlen(err->text);
    if (strstr(err->text, full))
        snprintf(err->text + size,
            sizeof err->text - size,
            " (NOSPACE: its quota is used up; compact, defragment, and disarm the alarm)");
}

static void on_failure(struct etcd_request *r, const struct grpc_result *result)
{
    struct store_reply reply = { 0 };
    struct error err = *result->err;
    if (mend_list(r, result))
        return;
    if (can_try_again(r, result)) {
        try_next_member(r);
        return;
    }
    if (!(err.code == ERROR_NOT_FOUND && r->kind->is_done_when_missing)) {
        error_context(&err, "%s", member_name(r));
        advise(&err);
        reply.err = &err;
    }
    finish_request(r, &reply);
}

static void on_rpc_end(struct etcd_call *rpc, const struct grpc_result *result)
{
    struct etcd_request *r = container_of(rpc, struct etcd_request, rpc);
    struct store_reply reply = { 0 };
    struct error garbled = { 0 };
    if (result->err) {
        on_failure(r, result);
        return;
    }
    switch (r->kind->take(r, result->reply, &reply)) {
    case TAKEN_WHOLE:
        finish_request(r, &reply);
        return;
    case TAKEN_PART:
        encode_list(r);
        try_request(r);
        return;
    case TAKEN_GARBLED:
        error_set(&garbled, ERROR_GARBLED, "the answer cannot be read");
        on_failure(r, &(struct grpc_result){ .err = &garbled, .status = result->status });
        return;
    }
}

/* Repeatable, until the caller says otherwise. */
static struct etcd_request *new_request(
    struct etcd_client *c, const struct request_kind *kind, struct store_call *call)
{
    static const struct etcd_handlers handlers = { NULL, on_rpc_end };
    struct etcd_request *r = xcalloc(1, sizeof *r);
    r->client = c;
    r->call = call;
    r->kind = kind;
    r->rpc.handlers = &handlers;
    r->arena = arena_new();
    r->member = c->preferred;
    r->is_repeatable = true;
    r->deadline_ms = uv_now(c->loop) + STORE_REQUEST_TIMEOUT_MS;
    INVARIANT(uv_timer_init(c->loop, &r->timer) == 0);
    r->next = c->requests;
    if (r->next)
        r->next->prev = r;
    c->requests = r;
    return r;
}

/* ---- the requests ---- */

void etcd_client_get_at(
    struct etcd_client *c, const char *key, int64_t revision, struct store_call *call)
{
    struct etcd_request *r = new_request(c, &kind_get, call);
    const struct etcd_range range = {
        .prefix = c->url->prefix, .key = key, .is_single = true, .revision = revision
    };
    etcd_encode_range(&r->body, &range);
    try_request(r);
}

void etcd_client_get(struct etcd_client *c, const char *key, struct store_call *call)
{
    etcd_client_get_at(c, key, 0, call);
}

void etcd_client_list_at(
    struct etcd_client *c, const char *key_prefix, int64_t revision, struct store_call *call)
{
    struct etcd_request *r = new_request(c, &kind_list, call);
    r->pinned = revision;
    r->range = (struct etcd_range){
        .prefix = c->url->prefix,
        .key = arena_strdup(r->arena, key_prefix),
        .limit = ETCD_PAGE_KEYS,
        .revision = revision,
    };
    encode_list(r);
    try_request(r);
}

void etcd_client_list(struct etcd_client *c, const char *key_prefix, struct store_call *call)
{
    etcd_client_list_at(c, key_prefix, 0, call);
}

void etcd_client_txn(
    struct etcd_client *c, const struct store_write *writes, size_t count, struct store_call *call)
{
    struct etcd_request *r = new_request(c, &kind_txn, call);
    for (size_t i = 0; i < count; i++)
        if (writes[i].expected_mod_revision != STORE_ANY_REVISION)
            r->is_repeatable = false;
    etcd_encode_txn(&r->body, c->url->prefix, writes, count);
    try_request(r);
}

/* Granted twice, one of the two leases runs out unused. */
void etcd_client_lease_grant(struct etcd_client *c, int64_t ttl_seconds, struct store_call *call)
{
    struct etcd_request *r = new_request(c, &kind_grant, call);
    etcd_encode_lease_grant(&r->body, ttl_seconds);
    try_request(r);
}

void etcd_client_lease_keepalive(struct etcd_client *c, int64_t lease, struct store_call *call)
{
    struct etcd_request *r = new_request(c, &kind_keepalive, call);
    etcd_encode_lease_keepalive(&r->body, lease);
    try_request(r);
}

void etcd_client_lease_revoke(struct etcd_client *c, int64_t lease, struct store_call *call)
{
    struct etcd_request *r = new_request(c, &kind_revoke, call);
    etcd_encode_lease_revoke(&r->body, lease);
    try_request(r);
}

void etcd_client_cancel(struct etcd_client *c, struct store_call *call)
{
    for (struct etcd_request *r = c->requests, *next; r; r = next) {
        next = r->next;
        if (r->call == call)
            drop_request(r);
    }
}

/* ---- opening and closing ---- */

struct etcd_client *etcd_client_open(const struct etcd_url *url, struct etcd_channel *channel,
    uv_loop_t *loop, struct store_stats *stats)
{
    struct etcd_client *c = xcalloc(1, sizeof *c);
    c->loop = loop;
    c->url = url;
    c->stats = stats;
    c->channel = channel;
    return c;
}

void etcd_client_close(struct etcd_client *c)
{
    while (c->requests)
        drop_request(c->requests);
    free(c);
}

uint64_t etcd_backoff_ms(unsigned failures)
{
    uint64_t ms = BACKOFF_BASE_MS;
    uint16_t random = 0;
    for (unsigned i = 1; i < failures && ms < BACKOFF_CAP_MS; i++)
        ms *= 2;
    if (ms > BACKOFF_CAP_MS)
        ms = BACKOFF_CAP_MS;
    uv_random(NULL, NULL, &random, sizeof random, 0, NULL);
    return ms - ms / 2 * random / UINT16_MAX;
}
