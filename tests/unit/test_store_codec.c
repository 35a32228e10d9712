/* replication: etcd's messages, gRPC's frames, the URL, and the index of what was told. */
#include "proto/pb.h"
#include "replication/etcd_client.h"
#include "replication/etcd_codec.h"
#include "replication/key_index.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static int start(void **state)
{
    *state = arena_new();
    return 0;
}

static int stop(void **state)
{
    arena_free(*state);
    return 0;
}

static ProtobufCBinaryData bytes_of(const char *text, size_t size)
{
    return (ProtobufCBinaryData){ .len = size, .data = (uint8_t *)pb_str(text) };
}
#define BYTES(text) bytes_of((text), sizeof(text) - 1)

static void assert_bytes(ProtobufCBinaryData bytes, const char *expected, size_t size)
{
    assert_int_equal(bytes.len, size);
    assert_memory_equal(bytes.data, expected, size);
}
#define ASSERT_BYTES(bytes, text) assert_bytes((bytes), (text), sizeof(text) - 1)

/* The one message in a request's body. */
static void *unframe(struct arena *a, struct buf *body, const ProtobufCMessageDescriptor *type)
{
    struct grpc_message message;
    size_t frame_size;
    assert_true(grpc_next_frame(body, &message, &frame_size));
    assert_int_equal(frame_size, body->size);
    const void *bytes = arena_dup(a, message.bytes, message.size, 1);
    ProtobufCMessage *unpacked = protobuf_c_message_unpack(type, NULL, message.size, bytes);
    assert_non_null(unpacked);
    buf_fini(body);
    return unpacked;
}

static struct grpc_message pack(struct arena *a, const ProtobufCMessage *message)
{
    struct pb_bytes bytes = pb_pack(a, message);
    return (struct grpc_message){ bytes.data, bytes.size };
}

static void free_message(void *message)
{
    protobuf_c_message_free_unpacked(message, NULL);
}

/* ---- frames ---- */

static void test_a_frame_counts_only_when_it_is_whole(void **state)
{
    (void)state;
    struct buf b = { 0 };
    struct grpc_message message;
    size_t frame_size;
    grpc_append_frame_head(&b, 300);
    assert_memory_equal(b.data, "\0\0\0\1\x2c", 5);

    for (size_t i = 0; i < 300; i++) {
        assert_false(grpc_next_frame(&b, &message, &frame_size));
        buf_append(&b, "x", 1);
    }
    buf_append(&b, "\0\0", 2); /* the next one begins */

    assert_true(grpc_next_frame(&b, &message, &frame_size));
    assert_int_equal(message.size, 300);
    assert_int_equal(frame_size, 305);
    buf_consume(&b, frame_size);
    assert_false(grpc_next_frame(&b, &message, &frame_size));
    buf_fini(&b);
}

static void test_statuses_that_another_member_may_not_give_are_unreachable(void **state)
{
    (void)state;
    assert_int_equal(grpc_error_code(GRPC_UNAVAILABLE), ERROR_UNREACHABLE);
    assert_int_equal(grpc_error_code(-1), ERROR_UNREACHABLE);
    assert_int_equal(grpc_error_code(GRPC_OUT_OF_RANGE), ERROR_COMPACTED);
    assert_int_equal(grpc_error_code(GRPC_NOT_FOUND), ERROR_NOT_FOUND);
    assert_int_equal(grpc_error_code(8), ERROR_REFUSED); /* no space left */
    assert_int_equal(grpc_error_code(16), ERROR_REFUSED);
}

/* ---- requests ---- */

static void test_a_range_of_a_prefix_ends_before_the_next_prefix(void **state)
{
    struct arena *a = *state;
    struct buf body = { 0 };

    etcd_encode_range(
        &body, &(struct etcd_range){ .prefix = "/pilot/", .key = "a", .limit = 7, .revision = 9 });

    pb_RangeRequest *request = unframe(a, &body, &pb_RangeRequest_desc);
    ASSERT_BYTES(request->key, "/pilot/a");
    ASSERT_BYTES(request->range_end, "/pilot/b");
    assert_int_equal(request->limit, 7);
    assert_int_equal(request->revision, 9);
    assert_false(request->serializable);
    free_message(request);
}

static void test_ends_of_prefixes_of_the_highest_bytes(void **state)
{
    struct arena *a = *state;
    struct buf body = { 0 };

    etcd_encode_range(&body, &(struct etcd_range){ .prefix = "a\xff", .key = "\xff" });
    pb_RangeRequest *request = unframe(a, &body, &pb_RangeRequest_desc);
    ASSERT_BYTES(request->range_end, "b");
    free_message(request);

    etcd_encode_range(&body, &(struct etcd_range){ .prefix = "\xff", .key = "" });
    request = unframe(a, &body, &pb_RangeRequest_desc);
    ASSERT_BYTES(request->range_end, "\0");
    free_message(request);
}

static void test_a_single_key_has_no_end_and_a_further_page_its_start(void **state)
{
    struct arena *a = *state;
    struct buf body = { 0 };

    etcd_encode_range(
        &body, &(struct etcd_range){ .prefix = "/p/", .key = "k", .is_single = true });
    pb_RangeRequest *request = unframe(a, &body, &pb_RangeRequest_desc);
    ASSERT_BYTES(request->key, "/p/k");
    ASSERT_BYTES(request->range_end, "");
    free_message(request);

    etcd_encode_range(
        &body, &(struct etcd_range){ .prefix = "/p/", .key = "", .from = { "/p/m\0", 5 } });
    request = unframe(a, &body, &pb_RangeRequest_desc);
    ASSERT_BYTES(request->key, "/p/m\0");
    ASSERT_BYTES(request->range_end, "/p0");
    free_message(request);
}

static void test_a_watch_asks_for_whole_messages_from_its_revision(void **state)
{
    struct arena *a = *state;
    struct buf body = { 0 };

    etcd_encode_watch(&body, "/p/", 42);

    pb_WatchRequest *request = unframe(a, &body, &pb_WatchRequest_desc);
    const pb_WatchCreateRequest *create = request->create_request;
    ASSERT_BYTES(create->key, "/p/");
    ASSERT_BYTES(create->range_end, "/p0");
    assert_int_equal(create->start_revision, 42);
    assert_false(create->fragment);
    free_message(request);
}

static void test_a_transaction_compares_conditional_writes_alone(void **state)
{
    struct arena *a = *state;
    struct buf body = { 0 };
    const struct store_write writes[] = {
        { .key = "a",
            .value = "x\0y",
            .size = 3,
            .lease = 5,
            .expected_mod_revision = STORE_ANY_REVISION },
        { .key = "b", .expected_mod_revision = 0 },
        { .key = "c", .value = "", .size = 0, .expected_mod_revision = 77 },
    };

    etcd_encode_txn(&body, "/p/", writes, ARRAY_COUNT(writes));

    pb_TxnRequest *request = unframe(a, &body, &pb_TxnRequest_desc);
    assert_int_equal(request->n_compare, 2);
    ASSERT_BYTES(request->compare[0]->key, "/p/b");
    assert_int_equal(request->compare[0]->mod_revision, 0);
    assert_int_equal(request->compare[1]->mod_revision, 77);
    assert_int_equal(request->compare[1]->target, PB_Compare_CompareTarget_MOD);
    assert_int_equal(request->compare[1]->result, PB_Compare_CompareResult_EQUAL);
    assert_int_equal(request->n_success, 3);
    ASSERT_BYTES(request->success[0]->request_put->value, "x\0y");
    assert_int_equal(request->success[0]->request_put->lease, 5);
    ASSERT_BYTES(request->success[1]->request_delete_range->key, "/p/b");
    ASSERT_BYTES(request->success[2]->request_put->key, "/p/c");
    assert_int_equal(request->n_failure, 0);
    free_message(request);
}

/* ---- answers ---- */

static pb_KeyValue *kv_of(struct arena *a, ProtobufCBinaryData key, const char *value)
{
    return pb_new_KeyValue(a,
        .key = key,
        .value = bytes_of(value, strlen(value)),
        .create_revision = 3,
        .mod_revision = 4,
        .lease = 5);
}

static pb_ResponseHeader *header_at(struct arena *a, int64_t revision)
{
    return pb_new_ResponseHeader(a, .revision = revision, .raft_term = 2, .cluster_id = UINT64_MAX);
}

static struct grpc_message pack_page(
    struct arena *a, pb_KeyValue **kvs, size_t count, bool has_more)
{
    return pack(a,
        &pb_new_RangeResponse(a,
            .header = header_at(a, 10),
            PB_LIST(kvs, count, kvs),
            .more = has_more,
            .count = (int64_t)count + has_more)
             ->base);
}

static void test_a_page_gives_keys_without_the_prefix_and_where_the_next_begins(void **state)
{
    struct arena *a = *state;
    struct etcd_page page;
    pb_KeyValue *kvs[] = { kv_of(a, BYTES("/p/"), ""),
        kv_of(a, BYTES("/p/a"), "value"),
        kv_of(a, BYTES("/p/b\0c"), "x") };

    assert_true(etcd_decode_range(a, "/p/", pack_page(a, kvs, 3, true), &page));

    assert_int_equal(page.header.revision, 10);
    assert_int_equal(page.header.term, 2);
    assert_true(page.header.cluster == UINT64_MAX);
    assert_int_equal(page.entries.count, 2);
    assert_int_equal(page.skipped, 1);
    assert_string_equal(page.entries.items[0].key, "");
    assert_string_equal(page.entries.items[0].value, "");
    const struct store_entry *entry = &page.entries.items[1];
    assert_string_equal(entry->key, "a");
    assert_string_equal(entry->value, "value");
    assert_int_equal(entry->size, 5);
    assert_int_equal(entry->create_revision, 3);
    assert_int_equal(entry->mod_revision, 4);
    assert_int_equal(entry->lease, 5);
    assert_int_equal(page.next.size, 7);
    assert_memory_equal(page.next.data, "/p/b\0c\0", 7);

    assert_true(etcd_decode_range(a, "/p/", pack_page(a, kvs, 3, false), &page));
    assert_int_equal(page.next.size, 0);
}

static void test_what_is_no_page_is_refused(void **state)
{
    struct arena *a = *state;
    struct etcd_page page;
    pb_KeyValue *outside[] = { kv_of(a, BYTES("/q/a"), "x") };
    struct grpc_message message = pack_page(a, outside, 1, false);

    assert_false(etcd_decode_range(a, "/p/", message, &page));
    message.size--;
    assert_false(etcd_decode_range(a, "/q/", message, &page));
    assert_false(etcd_decode_range(
        a, "/q/", (struct grpc_message){ (const uint8_t *)"\xff\xff\xff", 3 }, &page));
}

static bool is_page(struct arena *a, pb_RangeResponse *response)
{
    struct etcd_page page;
    return etcd_decode_range(a, "/p/", pack(a, &response->base), &page);
}

static void test_a_page_that_lacks_something_is_not_taken_for_less(void **state)
{
    struct arena *a = *state;
    pb_KeyValue *kvs[] = { kv_of(a, BYTES("/p/a"), "1"), kv_of(a, BYTES("/p/b"), "2") };
    pb_KeyValue *swapped[] = { kvs[1], kvs[0] }, *twice[] = { kvs[0], kvs[0] };
    pb_ResponseHeader *header = header_at(a, 10);

    assert_true(
        is_page(a, pb_new_RangeResponse(a, .header = header, PB_LIST(kvs, 2, kvs), .count = 2)));
    assert_true(is_page(a, pb_new_RangeResponse(a, .header = header)));
    assert_false(is_page(a, pb_new_RangeResponse(a, PB_LIST(kvs, 2, kvs), .count = 2)));
    assert_false(is_page(a, pb_new_RangeResponse(a, .header = header, .count = 2)));
    assert_false(is_page(a, pb_new_RangeResponse(a, .header = header, .more = true, .count = 1)));
    assert_false(
        is_page(a, pb_new_RangeResponse(a, .header = header, PB_LIST(kvs, 1, kvs), .count = 2)));
    assert_false(is_page(a,
        pb_new_RangeResponse(a, .header = header, PB_LIST(kvs, 2, kvs), .more = true, .count = 2)));
    assert_false(is_page(
        a, pb_new_RangeResponse(a, .header = header, PB_LIST(kvs, 2, swapped), .count = 2)));
    assert_false(
        is_page(a, pb_new_RangeResponse(a, .header = header, PB_LIST(kvs, 2, twice), .count = 2)));
}

/* An answer of the header alone is what an empty keyspace has; so frames must be whole, too. */
static void test_no_answer_that_is_cut_short_is_taken(void **state)
{
    struct arena *a = *state;
    struct etcd_page page;
    struct etcd_watch watch;
    struct etcd_txn txn;
    pb_KeyValue *kvs[] = { kv_of(a, BYTES("/p/a"), "1"), kv_of(a, BYTES("/p/b"), "2") };
    struct grpc_message whole = pack_page(a, kvs, 2, false), cut = whole;
    struct grpc_message empty = pack_page(a, kvs, 0, false);
    assert_true(etcd_decode_range(a, "/p/", whole, &page));

    for (cut.size = 0; cut.size < whole.size; cut.size++)
        assert_int_equal(etcd_decode_range(a, "/p/", cut, &page), cut.size == empty.size);

    cut.size = 0;
    assert_false(etcd_decode_watch(a, "/p/", cut, &watch));
    assert_false(etcd_decode_txn(a, cut, &txn));
}

static void test_events_out_of_order_are_refused(void **state)
{
    struct arena *a = *state;
    struct etcd_watch watch;
    pb_Event *events[2];
    static const struct {
        int64_t first, second;
        bool is_good;
    } rows[] = { { 5, 5, true }, { 5, 10, true }, { 6, 5, false }, { 5, 11, false } };

    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        events[0] = pb_new_Event(
            a, .kv = pb_new_KeyValue(a, .key = BYTES("/p/a"), .mod_revision = rows[i].first));
        events[1] = pb_new_Event(
            a, .kv = pb_new_KeyValue(a, .key = BYTES("/p/b"), .mod_revision = rows[i].second));
        pb_WatchResponse *response =
            pb_new_WatchResponse(a, .header = header_at(a, 10), PB_LIST(events, 2, events));
        assert_int_equal(
            etcd_decode_watch(a, "/p/", pack(a, &response->base), &watch), rows[i].is_good);
    }
}

static void test_events_of_a_watch(void **state)
{
    struct arena *a = *state;
    struct etcd_watch watch;
    pb_Event *events[] = {
        pb_new_Event(a, .type = PB_Event_EventType_PUT, .kv = kv_of(a, BYTES("/p/a"), "1")),
        pb_new_Event(a,
            .type = PB_Event_EventType_DELETE,
            .kv = pb_new_KeyValue(a, .key = BYTES("/p/b"), .mod_revision = 6)),
    };
    pb_WatchResponse *response = pb_new_WatchResponse(
        a, .header = header_at(a, 9), .fragment = true, PB_LIST(events, 2, events));

    assert_true(etcd_decode_watch(a, "/p/", pack(a, &response->base), &watch));
    assert_true(watch.is_fragment);
    assert_false(watch.is_created || watch.is_canceled);
    assert_int_equal(watch.changes.count, 2);
    assert_false(watch.changes.items[0].is_gone);
    assert_true(watch.changes.items[1].is_gone);
    assert_string_equal(watch.changes.items[1].entry.key, "b");
    assert_int_equal(watch.changes.items[1].entry.mod_revision, 6);

    response = pb_new_WatchResponse(a,
        .header = header_at(a, 0),
        .canceled = true,
        .compact_revision = 5,
        .cancel_reason = pb_str("compacted"));
    assert_true(etcd_decode_watch(a, "/p/", pack(a, &response->base), &watch));
    assert_true(watch.is_canceled);
    assert_int_equal(watch.compact_revision, 5);
    assert_string_equal(watch.cancel_reason, "compacted");
    response->events = events;
    response->n_events = 1; /* etcd sends none with it */
    assert_false(etcd_decode_watch(a, "/p/", pack(a, &response->base), &watch));
}

static void test_a_grant_without_a_lease_is_refused(void **state)
{
    struct arena *a = *state;
    struct etcd_lease lease;
    pb_LeaseGrantResponse *good =
        pb_new_LeaseGrantResponse(a, .header = header_at(a, 9), .id = 9, .ttl = 3);

    assert_true(etcd_decode_lease_grant(a, pack(a, &good->base), &lease));
    assert_int_equal(lease.id, 9);
    assert_false(etcd_decode_lease_grant(a, (struct grpc_message){ NULL, 0 }, &lease));
}

/* ---- the URL ---- */

static void test_urls(void **state)
{
    struct arena *a = *state;
    struct etcd_url url;
    struct error err;

    assert_true(etcd_url_parse(a, "//h1:1234,h-2.example,[::1]:99,[fe80::1]/a/b", &url, &err));
    assert_int_equal(url.members.count, 4);
    assert_string_equal(url.members.items[0], "h1:1234");
    assert_string_equal(url.members.items[1], "h-2.example:2379");
    assert_string_equal(url.members.items[2], "[::1]:99");
    assert_string_equal(url.members.items[3], "[fe80::1]:2379");
    assert_string_equal(url.prefix, "/a/b/");

    static const char *const plain[] = { "//h", "//h/", "//h/pilot", "//h/pilot/" };
    for (size_t i = 0; i < ARRAY_COUNT(plain); i++) {
        assert_true(etcd_url_parse(a, plain[i], &url, &err));
        assert_string_equal(url.prefix, "/pilot/");
    }
}

static void test_backoff_grows_to_a_limit_and_is_jittered(void **state)
{
    (void)state;
    bool differs = false;
    uint64_t first = etcd_backoff_ms(8);

    for (int i = 0; i < 200; i++) {
        assert_in_range(etcd_backoff_ms(1), 25, 50);
        assert_in_range(etcd_backoff_ms(3), 100, 200);
        assert_in_range(etcd_backoff_ms(1000), 250, 500);
        differs = differs || etcd_backoff_ms(8) != first;
    }
    assert_true(differs);
}

/* ---- the index ---- */

static void tell(struct key_index *index, const char *key, int64_t revision, const char *value)
{
    key_index_apply(index,
        &(struct store_change){ .entry = { .key = key,
                                    .value = value,
                                    .size = strlen(value),
                                    .create_revision = revision,
                                    .mod_revision = revision } });
}

static bool differs(struct key_index *index, const char *key, int64_t revision, const char *value)
{
    return key_index_compare(index,
        &(struct store_entry){ .key = key,
            .value = value,
            .size = strlen(value),
            .create_revision = revision,
            .mod_revision = revision });
}

static void test_the_index_finds_what_is_different(void **state)
{
    struct arena *a = *state;
    struct key_index *index = key_index_new();
    store_change_list gone = { 0 };
    tell(index, "same", 1, "x");
    tell(index, "newer", 1, "x");
    tell(index, "other-value", 1, "x");
    tell(index, "z-gone", 1, "x");
    tell(index, "gone", 1, "x");

    key_index_begin(index);
    assert_false(differs(index, "same", 1, "x"));
    assert_true(differs(index, "newer", 2, "x"));
    assert_true(differs(index, "other-value", 1, "y"));
    assert_true(differs(index, "new", 1, "x"));
    key_index_gone(index, a, 9, &gone);

    assert_int_equal(gone.count, 2);
    assert_string_equal(gone.items[0].entry.key, "gone");
    assert_string_equal(gone.items[1].entry.key, "z-gone");
    assert_true(gone.items[0].is_gone);
    assert_int_equal(gone.items[0].entry.mod_revision, 9);
    key_index_free(index);
}

static void test_a_broken_comparison_leaves_no_trace(void **state)
{
    struct arena *a = *state;
    struct key_index *index = key_index_new();
    store_change_list gone = { 0 };
    tell(index, "a", 1, "x");

    key_index_begin(index);
    assert_true(differs(index, "a", 2, "y"));
    assert_true(differs(index, "b", 2, "y"));
    key_index_begin(index); /* again, from the start: neither was told */
    assert_true(differs(index, "b", 2, "y"));
    tell(index, "b", 2, "y");
    key_index_gone(index, a, 3, &gone);

    assert_int_equal(gone.count, 1);
    assert_string_equal(gone.items[0].entry.key, "a");
    key_index_apply(index, &gone.items[0]);
    assert_int_equal(key_index_count(index), 1);
    key_index_free(index);
}

static void test_the_index_gives_shards_and_its_newest_key(void **state)
{
    struct arena *a = *state;
    struct key_index *index = key_index_new();
    key_told_list shard = { 0 }, rest = { 0 };
    struct key_told newest;
    assert_false(key_index_newest(index, a, &newest));
    tell(index, "c", 1, "x");
    tell(index, "a", 7, "x");
    tell(index, "b", 3, "x");

    key_index_shard(index, a, NULL, 2, &shard);
    key_index_shard(index, a, "b", 2, &rest);

    assert_int_equal(shard.count, 2);
    assert_string_equal(shard.items[0].key, "a");
    assert_string_equal(shard.items[1].key, "b");
    assert_int_equal(rest.count, 1);
    assert_string_equal(rest.items[0].key, "c");
    assert_true(key_index_newest(index, a, &newest));
    assert_string_equal(newest.key, "a");
    struct store_entry entry = {
        .key = "a", .value = "x", .size = 1, .create_revision = 7, .mod_revision = 7
    };
    assert_true(key_told_is(&newest, &entry));
    entry.value = "y";
    assert_false(key_told_is(&newest, &entry));
    key_index_apply(index,
        &(struct store_change){ .entry = { .key = "b", .mod_revision = 9 }, .is_gone = true });
    assert_string_equal(key_index_newest_gone(index), "b");
    tell(index, "b", 10, "x");
    assert_null(key_index_newest_gone(index));
    key_index_free(index);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_frame_counts_only_when_it_is_whole),
        TEST(test_statuses_that_another_member_may_not_give_are_unreachable),
        TEST(test_a_range_of_a_prefix_ends_before_the_next_prefix),
        TEST(test_ends_of_prefixes_of_the_highest_bytes),
        TEST(test_a_single_key_has_no_end_and_a_further_page_its_start),
        TEST(test_a_watch_asks_for_whole_messages_from_its_revision),
        TEST(test_a_transaction_compares_conditional_writes_alone),
        TEST(test_a_page_gives_keys_without_the_prefix_and_where_the_next_begins),
        TEST(test_what_is_no_page_is_refused),
        TEST(test_a_page_that_lacks_something_is_not_taken_for_less),
        TEST(test_no_answer_that_is_cut_short_is_taken),
        TEST(test_events_out_of_order_are_refused),
        TEST(test_events_of_a_watch),
        TEST(test_a_grant_without_a_lease_is_refused),
        TEST(test_urls),
        TEST(test_backoff_grows_to_a_limit_and_is_jittered),
        TEST(test_the_index_finds_what_is_different),
        TEST(test_a_broken_comparison_leaves_no_trace),
        TEST(test_the_index_gives_shards_and_its_newest_key),
    };
    return cmocka_run_group_tests_name("store_codec", tests, NULL, NULL);
}
