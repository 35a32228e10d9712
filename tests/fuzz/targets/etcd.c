/*
 * A store that follows an etcd that lies: each of its requests is answered by the input: bytes, or
 * a message that fits the question with what the input puts into it.
 *
 * Whatever comes: a key that is told as gone or changed was told before, revisions are in order but
 * for another history, the listener is synced once, and every request has one answer.
 */
#include "support/fuzzer.h"
#include "support/http.h"
#include "support/sockets.h"

#include "base/map.h"
#include "proto/pb.h"
#include "replication/grpc.h"
#include "replication/store.h"

#include <string.h>
#include <unistd.h>

enum { STEPS_MAX = 200, CALLS = 8, KEYS_MAX = 4, FAST_FORWARD_MS = 200 };

struct asked {
    struct store_call call;
    bool is_open;
};

struct world {
    uv_loop_t loop;
    struct store *store;
    struct store_listener listener;
    struct map told; /* key → not NULL */
    int64_t revision;
    unsigned histories;
    bool is_synced;
    struct asked calls[CALLS];
};

/* ---- the listener ---- */

static void on_changes(
    struct store_listener *l, const struct store_change *changes, size_t count, int64_t revision)
{
    struct world *w = container_of(l, struct world, listener);
    unsigned histories = store_status(w->store)->histories;
    INVARIANT(revision >= w->revision || histories != w->histories);
    w->revision = revision;
    w->histories = histories;
    for (size_t i = 0; i < count; i++) {
        const struct store_entry *entry = &changes[i].entry;
        INVARIANT(entry->key);
        if (changes[i].is_gone) {
            map_remove(&w->told, entry->key);
        } else {
            INVARIANT(entry->value && entry->value[entry->size] == '\0');
            map_put(&w->told, entry->key, w);
        }
    }
}

static void on_synced(struct store_listener *l)
{
    struct world *w = container_of(l, struct world, listener);
    INVARIANT(!w->is_synced);
    w->is_synced = true;
}

static void on_state(struct store_listener *l, const struct store_status *status)
{
    struct world *w = container_of(l, struct world, listener);
    INVARIANT(status->state != STORE_FOLLOWING || *status->problem == '\0');
    INVARIANT(status->state != STORE_BEHIND || w->is_synced || *status->problem);
}

/* ---- requests ---- */

static void on_reply(struct store_call *call, const struct store_reply *reply)
{
    struct asked *asked = container_of(call, struct asked, call);
    INVARIANT(asked->is_open);
    INVARIANT(!reply->err || *reply->err->text);
    for (size_t i = 0; !reply->err && i < reply->count; i++)
        INVARIANT(reply->entries[i].key && reply->entries[i].value);
    asked->is_open = false;
}

static void ask(struct world *w, struct input *in)
{
    unsigned what = input_byte(in);
    struct asked *asked = &w->calls[what >> 4 & 7];
    struct store_write write = { .key = "k", .value = "v", .size = 1, .lease = what >> 7 };
    write.expected_mod_revision = what & 8 ? 0 : STORE_ANY_REVISION;
    if (asked->is_open) {
        store_cancel(w->store, &asked->call);
        asked->is_open = false;
        return;
    }
    asked->is_open = true;
    asked->call.on_reply = on_reply;
    switch (what % 6) {
    case 0:
        store_get(w->store, "k", &asked->call);
        break;
    case 1:
        store_list(w->store, "config/", &asked->call);
        break;
    case 2:
        store_txn(w->store, &write, 1, &asked->call);
        break;
    case 3:
        store_lease_grant(w->store, 10, &asked->call);
        break;
    case 4:
        store_lease_keepalive(w->store, 7, &asked->call);
        break;
    default:
        store_lease_revoke(w->store, 7, &asked->call);
        break;
    }
}

/* ---- answers that fit, more or less ---- */

static pb_ResponseHeader *header(struct arena *a, struct input *in)
{
    unsigned what = input_byte(in);
    if (what == 0xff)
        return NULL;
    return pb_new_ResponseHeader(
        a, .cluster_id = 1 + (what >> 7), .revision = input_byte(in), .raft_term = what & 3);
}

static ProtobufCBinaryData binary(const char *text)
{
    return (ProtobufCBinaryData){ strlen(text), (uint8_t *)pb_str(text) };
}

static pb_KeyValue *key_value(struct arena *a, struct input *in)
{
    static const char *const keys[] = { "/pilot/a",
        "/pilot/b",
        "/pilot/config/virtualservices/default/a",
        "/pilot/config/virtualservices/default/b",
        "/pilot/k",
        "/pilot/registry/default/web/1",
        "/other",
        "" };
    unsigned what = input_byte(in);
    const char *value = input_text(in, a);
    return pb_new_KeyValue(a,
        .key = binary(keys[what & 7]),
        .value = binary(value),
        .create_revision = what >> 6,
        .mod_revision = input_byte(in),
        .lease = what >> 3 & 1);
}

static struct pb_bytes range_answer(struct arena *a, struct input *in)
{
    pb_KeyValue *kvs[KEYS_MAX];
    unsigned what = input_byte(in), count = what & 3;
    pb_ResponseHeader *head = header(a, in);
    for (unsigned i = 0; i < count; i++)
        kvs[i] = key_value(a, in);
    return pb_pack(a,
        &pb_new_RangeResponse(a,
            .header = head,
            PB_LIST(kvs, count, kvs),
            .more = what >> 2 & 1,
            .count = count + (what >> 3 & 3))
             ->base);
}

static struct pb_bytes watch_answer(struct arena *a, struct input *in)
{
    pb_Event *events[KEYS_MAX];
    unsigned what = input_byte(in), count = what & 3;
    pb_ResponseHeader *head = header(a, in);
    for (unsigned i = 0; i < count; i++)
        events[i] = pb_new_Event(a, .type = input_byte(in) & 1, .kv = key_value(a, in));
    return pb_pack(a,
        &pb_new_WatchResponse(a,
            .header = head,
            PB_LIST(events, count, events),
            .created = what >> 2 & 1,
            .canceled = what >> 3 & 1,
            .fragment = what >> 4 & 1,
            .compact_revision = what & 0x20 ? input_byte(in) : 0,
            .cancel_reason = pb_str(what & 0x40 ? "no" : ""))
             ->base);
}

static struct pb_bytes other_answer(struct arena *a, struct input *in, const char *method)
{
    pb_ResponseHeader *head = header(a, in);
    unsigned what = input_byte(in);
    if (strstr(method, "Txn"))
        return pb_pack(a, &pb_new_TxnResponse(a, .header = head, .succeeded = what & 1)->base);
    if (strstr(method, "Grant"))
        return pb_pack(
            a, &pb_new_LeaseGrantResponse(a, .header = head, .id = what, .ttl = what)->base);
    if (strstr(method, "KeepAlive"))
        return pb_pack(
            a, &pb_new_LeaseKeepAliveResponse(a, .header = head, .id = what, .ttl = what)->base);
    if (strstr(method, "Authenticate"))
        return pb_pack(a,
            &pb_new_AuthenticateResponse(a, .header = head, .token = pb_str(what & 1 ? "t" : ""))
                 ->base);
    return pb_pack(a, &pb_new_LeaseRevokeResponse(a, .header = head)->base);
}

static void say_fitting(struct http_request *r, struct input *in, bool is_ended)
{
    struct arena *a = arena_new();
    struct buf frame = { 0 };
    const char *method = made_http_method(r);
    struct pb_bytes message = strstr(method, "Range")   ? range_answer(a, in)
                              : strstr(method, "Watch") ? watch_answer(a, in)
                                                        : other_answer(a, in, method);
    grpc_append_frame_head(&frame, message.size);
    buf_append(&frame, message.data, message.size);
    made_http_say(r, frame.data, frame.size);
    if (is_ended && r->job)
        made_http_end(r, "0", "", NULL);
    buf_fini(&frame);
    arena_free(a);
}

static void end_badly(struct http_request *r, struct input *in)
{
    static const char *const statuses[] = {
        "0", "3", "5", "8", "11", "14", "16", "-1", "x", "99999999999999999999"
    };
    struct arena *a = arena_new();
    unsigned what = input_byte(in);
    const char *text = what & 0x10 ? input_text(in, a) : "etcdserver: mvcc: future revision";
    const char *status = what & 0x20 ? NULL : statuses[(what & 0xf) % ARRAY_COUNT(statuses)];
    made_http_end(r, status, text, what & 0x40 || !status ? "reset" : NULL);
    arena_free(a);
}

static void answer(struct world *w, unsigned how, struct input *in)
{
    struct http_request *r = made_http_find(how >> 4);
    (void)w;
    if (!r)
        return;
    struct chunk bytes;
    switch (how >> 2 & 3) {
    case 0:
        bytes = input_chunk(in);
        made_http_say(r, bytes.bytes, bytes.size);
        break;
    case 1:
        say_fitting(r, in, !strstr(made_http_method(r), "Watch"));
        break;
    case 2:
        say_fitting(r, in, false);
        break;
    default:
        end_badly(r, in);
        break;
    }
}

static void step(struct world *w, struct input *in)
{
    unsigned what = input_byte(in);
    switch (what & 3) {
    case 0:
    case 1:
        answer(w, what, in);
        break;
    case 2:
        ask(w, in);
        break;
    default:
        if (what == 0xff)
            store_reconnect(w->store);
        else if (what == 0xfb)
            store_reload(w->store);
        else
            sockets_run((what >> 2) * FAST_FORWARD_MS);
        break;
    }
    sockets_run(1);
}

/* Most of what is interesting comes after the first listing: an input can begin there. */
static void begin_listed(struct world *w)
{
    static const uint8_t listing[] = { 2, 1, 9, 0, 2, 'v', '1', 3, 4, 2, 'v', '2', 9 };
    static const uint8_t created[] = { 4, 1, 9 };
    const struct chunk answers[] = { { listing, sizeof listing }, { created, sizeof created } };
    sockets_run(1000);
    for (size_t i = 0; i < ARRAY_COUNT(answers); i++) {
        struct input in = input_of(answers[i].bytes, answers[i].size);
        struct http_request *r = made_http_find(0);
        if (r)
            say_fitting(r, &in, !strstr(made_http_method(r), "Watch"));
        sockets_run(1);
    }
    INVARIANT(w->is_synced);
}

/* ---- a user's password ---- */

static char password_file[] = "/dev/shm/pilot-fuzz-XXXXXX";

static void leave(void)
{
    unlink(password_file);
}

static const char *password(void)
{
    static bool is_there;
    if (!is_there) {
        int fd = mkstemp(password_file);
        INVARIANT(fd >= 0 && write(fd, "secret\n", 7) == 7 && close(fd) == 0);
        is_there = atexit(leave) == 0;
    }
    return password_file;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    static const struct log_scope silent = { .level = LOG_LEVEL_ERROR + 1 };
    struct input in = input_of(bytes, size_bytes);
    struct world w = { .listener = { on_changes, on_synced, on_state, NULL } };
    unsigned how = input_byte(&in);
    const struct store_options options = {
        .url = how & 1 ? "etcd://m0,m1/pilot" : "etcd://m0/pilot",
        .log = &silent,
        .is_oneshot = how & 2,
        .access = { .user = how & 8 ? "u" : NULL, .password_file = how & 8 ? password() : NULL },
    };
    struct error err;
    sockets_begin(&w.loop);
    made_http_begin();
    INVARIANT(store_open(&w.loop, &options, &w.listener, &w.store, &err));
    if ((how & 0xe) == 4)
        begin_listed(&w);
    for (unsigned i = 0; i < STEPS_MAX && !input_is_over(&in); i++)
        step(&w, &in);
    store_close(w.store);
    sockets_end(&w.loop);
    INVARIANT(!made_http_find(0));
    map_fini(&w.told, NULL);
    return 0;
}
