/*
 * Answers of an etcd: bytes, cut anywhere, as frames and as each of its messages. What is taken is
 * in order, within the prefix, and within the bytes.
 */
#include "support/fuzzer.h"

#include "replication/etcd_codec.h"

#include <string.h>

static const char prefix[] = "/p/";

/* What was taken can be put into questions. */
static void ask(const struct store_entry *entries, size_t count, int64_t number)
{
    struct buf out = { 0 };
    struct grpc_message message;
    size_t frame_size;
    struct store_write writes[2];
    for (size_t i = 0; i < count && i < ARRAY_COUNT(writes); i++)
        writes[i] = (struct store_write){ .key = entries[i].key,
            .value = i ? NULL : entries[i].value,
            .size = entries[i].size,
            .lease = entries[i].lease,
            .expected_mod_revision = i ? entries[i].mod_revision : STORE_ANY_REVISION };
    etcd_encode_txn(&out, prefix, writes, count < ARRAY_COUNT(writes) ? count : 2);
    etcd_encode_watch(&out, prefix, number);
    etcd_encode_lease_grant(&out, number);
    etcd_encode_lease_revoke(&out, number);
    etcd_encode_lease_keepalive(&out, number);
    while (grpc_next_frame(&out, &message, &frame_size))
        buf_consume(&out, frame_size);
    INVARIANT(out.size == 0);
    buf_fini(&out);
}

static void check_entry(const struct store_entry *entry, struct grpc_message m)
{
    INVARIANT(entry->key && entry->value && entry->value[entry->size] == '\0');
    INVARIANT(strlen(entry->key) + entry->size <= m.size);
}

static void take_range(struct arena *a, struct grpc_message m)
{
    struct etcd_page page;
    if (!etcd_decode_range(a, prefix, m, &page))
        return;
    INVARIANT(page.header.revision > 0 && page.entries.count + page.skipped <= m.size);
    for (size_t i = 0; i < page.entries.count; i++) {
        check_entry(&page.entries.items[i], m);
        INVARIANT(i == 0 || strcmp(page.entries.items[i - 1].key, page.entries.items[i].key) < 0);
    }
    ask(page.entries.items, page.entries.count, page.header.revision);
    struct etcd_range range = { .prefix = prefix, .from = page.next };
    struct buf next = { 0 };
    etcd_encode_range(&next, &range);
    buf_fini(&next);
}

static void take_watch(struct arena *a, struct grpc_message m)
{
    struct etcd_watch watch;
    int64_t last = 0;
    if (!etcd_decode_watch(a, prefix, m, &watch))
        return;
    for (list_each (const struct store_change, change, &watch.changes)) {
        INVARIANT(change->entry.mod_revision >= last);
        last = change->entry.mod_revision;
        check_entry(&change->entry, m);
    }
    INVARIANT(last <= watch.header.revision || watch.is_canceled);
}

static void check_token(const char *token)
{
    struct buf login = { 0 };
    INVARIANT(*token && !strpbrk(token, "\r\n"));
    etcd_encode_login(&login, "user", token);
    buf_fini(&login);
}

static void take_others(struct arena *a, struct grpc_message m)
{
    struct etcd_txn txn;
    struct etcd_lease lease;
    struct etcd_header header;
    const char *token;
    if (etcd_decode_txn(a, m, &txn))
        INVARIANT(txn.header.revision > 0);
    if (etcd_decode_lease_grant(a, m, &lease))
        INVARIANT(lease.id != STORE_LEASE_NONE);
    if (etcd_decode_lease_keepalive(a, m, &lease))
        INVARIANT(lease.id != STORE_LEASE_NONE);
    if (etcd_decode_lease_revoke(a, m, &header))
        INVARIANT(header.revision > 0);
    if (etcd_decode_login(a, m, &token))
        check_token(token);
}

static void take(struct grpc_message m)
{
    struct arena *a = arena_new();
    take_range(a, m);
    take_watch(a, m);
    take_others(a, m);
    arena_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    struct input in = input_of(bytes, size_bytes);
    struct buf received = { 0 };
    unsigned step = input_byte(&in);
    while (!input_is_over(&in)) {
        struct grpc_message message;
        size_t frame_size;
        struct chunk c = input_take(&in, step ? step : SIZE_MAX);
        buf_append(&received, c.bytes, c.size);
        while (grpc_next_frame(&received, &message, &frame_size)) {
            take(message);
            buf_consume(&received, frame_size);
        }
    }
    take((struct grpc_message){ (const uint8_t *)received.data, received.size });
    buf_fini(&received);
    return 0;
}
