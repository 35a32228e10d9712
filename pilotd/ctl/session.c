#include "ctl/session.h"

#include "model/object.h"

#include <string.h>

const struct store_layout document_layout = { .key_of = object_key_of_document };

struct pending {
    struct store_call call;
    struct session *session;
    struct session_answer *answer;
    bool is_done;
};

static void copy_entries(
    struct session *s, const struct store_reply *reply, struct session_answer *answer)
{
    for (size_t i = 0; i < reply->count; i++) {
        struct store_entry entry = reply->entries[i];
        entry.key = arena_strdup(s->a, entry.key);
        if (entry.value)
            entry.value = arena_strndup(s->a, entry.value, entry.size);
        list_push(s->a, &answer->entries, entry);
    }
}

static void on_reply(struct store_call *call, const struct store_reply *reply)
{
    struct pending *pending = container_of(call, struct pending, call);
    struct session_answer *answer = pending->answer;
    if (reply->err)
        answer->err = *reply->err;
    answer->succeeded = reply->succeeded;
    answer->revision = reply->revision;
    answer->lease = reply->lease;
    answer->compacted = reply->compacted;
    copy_entries(pending->session, reply, answer);
    pending->is_done = true;
}

static struct pending pending_for(struct session *s, struct session_answer *answer)
{
    *answer = (struct session_answer){ 0 };
    return (struct pending){ .call.on_reply = on_reply, .session = s, .answer = answer };
}

/* The store answers every call, if only with a timeout, so this ends. */
static bool wait_for(struct pending *pending)
{
    while (!pending->is_done)
        uv_run(&pending->session->loop, UV_RUN_ONCE);
    return pending->answer->err.code == ERROR_NONE;
}

bool session_get_at(
    struct session *s, const char *key, int64_t revision, struct session_answer *answer)
{
    struct pending pending = pending_for(s, answer);
    if (revision > 0)
        store_get_at(s->store, key, revision, &pending.call);
    else
        store_get(s->store, key, &pending.call);
    return wait_for(&pending);
}

bool session_get(struct session *s, const char *key, struct session_answer *answer)
{
    return session_get_at(s, key, 0, answer);
}

bool session_list_at(
    struct session *s, const char *key_prefix, int64_t revision, struct session_answer *answer)
{
    struct pending pending = pending_for(s, answer);
    if (revision > 0)
        store_list_at(s->store, key_prefix, revision, &pending.call);
    else
        store_list(s->store, key_prefix, &pending.call);
    return wait_for(&pending);
}

bool session_list(struct session *s, const char *key_prefix, struct session_answer *answer)
{
    return session_list_at(s, key_prefix, 0, answer);
}

bool session_history(
    struct session *s, const char *key, int64_t last, struct session_answer *answer)
{
    struct pending pending = pending_for(s, answer);
    store_history(s->store, key, last, &pending.call);
    return wait_for(&pending);
}

bool session_txn(struct session *s, const struct store_write *writes, size_t count,
    struct session_answer *answer)
{
    struct pending pending = pending_for(s, answer);
    store_txn(s->store, writes, count, &pending.call);
    return wait_for(&pending);
}

struct store_access session_access(const struct ctl *ctl)
{
    return (struct store_access){
        .ca_file = ctl_value(ctl, &flag_etcd_ca),
        .cert_file = ctl_value(ctl, &flag_etcd_cert),
        .key_file = ctl_value(ctl, &flag_etcd_key),
        .user = ctl_value(ctl, &flag_etcd_user),
        .password_file = ctl_value(ctl, &flag_etcd_password_file),
    };
}

int session_open(struct session *s, struct ctl *ctl)
{
    static const struct log_scope quiet = { .level = LOG_LEVEL_ERROR };
    struct store_options options = {
        .url = ctl_value(ctl, &flag_store),
        .access = session_access(ctl),
        .layout = &document_layout,
        .log = &quiet,
        .is_oneshot = true,
    };
    struct error err = { 0 };
    *s = (struct session){ .a = ctl->a, .is_of_files = begins_with(options.url, "file:") };
    INVARIANT(uv_loop_init(&s->loop) == 0);
    if (store_open(&s->loop, &options, NULL, &s->store, &err))
        return EXIT_GOOD;
    session_close(s);
    return ctl_fail_error(&err);
}

void session_close(struct session *s)
{
    if (s->store)
        store_close(s->store);
    uv_run(&s->loop, UV_RUN_DEFAULT);
    INVARIANT(uv_loop_close(&s->loop) == 0);
}
