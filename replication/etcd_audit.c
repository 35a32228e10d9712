#include "replication/etcd_audit.h"

#include "replication/etcd_client.h"

#include <inttypes.h>
#include <string.h>

bool etcd_is_other_history(
    const struct etcd_header *seen, const struct etcd_header *known, int64_t revision)
{
    return seen->revision < revision || seen->term < known->term ||
           (known->cluster && seen->cluster != known->cluster);
}

/* ---- comparing ---- */

/* The last key up to which both sides show all, or NULL: both are whole. */
static const char *last_common(const struct etcd_audit *audit, const struct etcd_page *page)
{
    const char *last = NULL;
    if (page->next.size && page->entries.count)
        last = page->entries.items[page->entries.count - 1].key;
    if (audit->is_shard && audit->told.count == (size_t)audit->limit) {
        const char *told = audit->told.items[audit->told.count - 1].key;
        last = last && strcmp(last, told) < 0 ? last : told;
    }
    return last;
}

static void differs(struct etcd_finding *finding, const char *key)
{
    size_t size = strlen(finding->text);
    finding->verdict = ETCD_DIFFERENT;
    finding->differing++;
    snprintf(finding->text + size,
        sizeof finding->text - size,
        "%s%s",
        finding->differing > 1 ? ", " : "",
        key);
}

/* Both are sorted. */
static void compare(struct etcd_audit *audit, const struct etcd_page *page, const char *last,
    struct etcd_finding *finding)
{
    size_t t = 0, e = 0;
    while (t < audit->told.count || e < page->entries.count) {
        const struct key_told *told = &audit->told.items[t];
        const struct store_entry *entry = &page->entries.items[e];
        int order = t == audit->told.count     ? 1
                    : e == page->entries.count ? -1
                                               : strcmp(told->key, entry->key);
        const char *key = order <= 0 ? told->key : entry->key;
        if (last && strcmp(key, last) > 0)
            return;
        finding->compared++;
        if (order != 0 || !key_told_is(told, entry))
            differs(finding, key);
        t += order <= 0;
        e += order >= 0;
    }
}

static void find(
    struct etcd_audit *audit, const struct etcd_page *page, struct etcd_finding *finding)
{
    const struct etcd_question *asked = &audit->asked;
    finding->header = &page->header;
    finding->verdict = ETCD_SAME;
    if (etcd_is_other_history(&page->header, &asked->known, asked->revision)) {
        finding->verdict = ETCD_OTHER_HISTORY;
        snprintf(finding->text, sizeof finding->text, "its revision, term or cluster went back");
        return;
    }
    const char *last = last_common(audit, page);
    compare(audit, page, last, finding);
    if (!audit->is_shard)
        return;
    buf_clear(&audit->after);
    if (last)
        buf_append(&audit->after, last, strlen(last) + 1);
}

/* ---- asking ---- */

static void take_failure(struct etcd_finding *finding, const struct error *err)
{
    bool is_ahead = etcd_is_future_revision(err);
    finding->verdict = is_ahead ? ETCD_OTHER_HISTORY : ETCD_NOT_KNOWN;
    finding->is_compacted = err->code == ERROR_COMPACTED && !is_ahead;
    finding->is_refused = err->code == ERROR_REFUSED;
    snprintf(finding->text, sizeof finding->text, "%.255s", err->text);
}

static void answer(struct etcd_audit *audit, struct arena *a, const struct grpc_result *result,
    struct etcd_page *page, struct etcd_finding *finding)
{
    static const struct error garbled = { ERROR_GARBLED, "the answer cannot be read" };
    if (result->is_too_large && audit->limit > ETCD_PAGE_KEYS_MIN)
        audit->limit /= 10;
    if (result->err)
        take_failure(finding, result->err);
    else if (!etcd_decode_range(a, audit->asked.prefix, result->reply, page))
        take_failure(finding, &garbled);
    else
        find(audit, page, finding);
}

static void on_end(struct etcd_call *call, const struct grpc_result *result);

static void ask(struct etcd_audit *audit, struct etcd_range range)
{
    static const struct etcd_handlers handlers = { NULL, on_end };
    range.prefix = audit->asked.prefix;
    range.revision = audit->asked.revision;
    buf_clear(&audit->body);
    etcd_encode_range(&audit->body, &range);
    audit->call.handlers = &handlers;
    audit->call.limits = (struct http_limits){
        .connect_timeout_ms = ETCD_CONNECT_TIMEOUT_MS,
        .stall_ms = audit->is_shard ? ETCD_SHARD_STALL_MS : ETCD_NEWEST_STALL_MS,
        .body_bytes = ETCD_ANSWER_BYTES_MAX,
    };
    etcd_call_start(
        audit->asked.channel, &audit->call, audit->asked.member, etcd_method_range, &audit->body);
}

/* A history that differs from the other by deletions alone has the same newest key. */
static bool ask_for_gone(struct etcd_audit *audit)
{
    const char *gone = key_index_newest_gone(audit->asked.index);
    if (!gone || audit->is_shard || audit->told.count == 0)
        return false;
    audit->told.count = 0;
    ask(audit, (struct etcd_range){ .key = arena_strdup(audit->arena, gone), .is_single = true });
    return true;
}

static void on_end(struct etcd_call *call, const struct grpc_result *result)
{
    struct etcd_audit *audit = container_of(call, struct etcd_audit, call);
    struct etcd_finding finding = { 0 };
    struct etcd_page page;
    struct arena *a = arena_new();
    answer(audit, a, result, &page, &finding);
    if (finding.verdict == ETCD_SAME && ask_for_gone(audit)) {
        arena_free(a);
        return;
    }
    arena_free(audit->arena);
    audit->arena = NULL;
    audit->on_finding(audit, &finding);
    arena_free(a);
}

static void begin(struct etcd_audit *audit, const struct etcd_question *question, bool is_shard)
{
    INVARIANT(!etcd_audit_is_running(audit));
    arena_free(audit->arena);
    audit->arena = arena_new();
    audit->told = (key_told_list){ 0 };
    audit->asked = *question;
    audit->is_shard = is_shard;
}

void etcd_audit_newest(struct etcd_audit *audit, const struct etcd_question *question)
{
    struct key_told newest;
    begin(audit, question, false);
    if (!key_index_newest(question->index, audit->arena, &newest))
        return;
    list_push(audit->arena, &audit->told, newest);
    ask(audit, (struct etcd_range){ .key = newest.key, .is_single = true });
}

void etcd_audit_shard(struct etcd_audit *audit, const struct etcd_question *question)
{
    if (audit->limit == 0)
        audit->limit = ETCD_SHARD_KEYS;
    struct etcd_range range = { .key = "", .limit = audit->limit };
    const char *after = audit->after.size ? audit->after.data : NULL;
    begin(audit, question, true);
    key_index_shard(question->index, audit->arena, after, (size_t)audit->limit, &audit->told);
    if (after) {
        const char *from = arena_printf(audit->arena, "%s%s", question->prefix, after);
        range.from = (struct etcd_bytes){ from, strlen(from) + 1 };
    }
    ask(audit, range);
}

bool etcd_audit_is_running(const struct etcd_audit *audit)
{
    return etcd_call_is_running(&audit->call);
}

void etcd_audit_cancel(struct etcd_audit *audit)
{
    etcd_call_cancel(&audit->call);
    arena_free(audit->arena);
    audit->arena = NULL;
}

void etcd_audit_fini(struct etcd_audit *audit)
{
    etcd_audit_cancel(audit);
    buf_fini(&audit->body);
    buf_fini(&audit->after);
}
