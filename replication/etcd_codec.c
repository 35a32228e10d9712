#include "replication/etcd_codec.h"

#include "proto/pb.h"

#include <string.h>

const char etcd_method_range[] = "etcdserverpb.KV/Range";
const char etcd_method_txn[] = "etcdserverpb.KV/Txn";
const char etcd_method_watch[] = "etcdserverpb.Watch/Watch";
const char etcd_method_lease_grant[] = "etcdserverpb.Lease/LeaseGrant";
const char etcd_method_lease_revoke[] = "etcdserverpb.Lease/LeaseRevoke";
const char etcd_method_login[] = "etcdserverpb.Auth/Authenticate";
const char etcd_method_lease_keepalive[] = "etcdserverpb.Lease/LeaseKeepAlive";

/* ---- encoding ---- */

static ProtobufCBinaryData bytes_of(struct arena *a, const void *data, size_t size)
{
    return (ProtobufCBinaryData){ .len = size, .data = arena_dup(a, data, size, 1) };
}

static ProtobufCBinaryData full_key(struct arena *a, const char *prefix, const char *key)
{
    char *full = arena_printf(a, "%s%s", prefix, key);
    return (ProtobufCBinaryData){ .len = strlen(full), .data = (uint8_t *)full };
}

/* The first key that does not begin with `prefix`; etcd takes a single zero byte for "no end". */
static ProtobufCBinaryData end_of_prefix(struct arena *a, ProtobufCBinaryData prefix)
{
    ProtobufCBinaryData end = bytes_of(a, prefix.data, prefix.len);
    while (end.len > 0 && end.data[end.len - 1] == 0xff)
        end.len--;
    if (end.len == 0)
        return bytes_of(a, "", 1);
    end.data[end.len - 1]++;
    return end;
}

/* Frees the arena that the message was made in. */
static void frame(struct buf *out, struct arena *a, const ProtobufCMessage *message)
{
    grpc_append_frame_head(out, protobuf_c_message_get_packed_size(message));
    pb_pack_append(out, message);
    arena_free(a);
}

void etcd_encode_range(struct buf *out, const struct etcd_range *range)
{
    struct arena *a = arena_new();
    ProtobufCBinaryData key = full_key(a, range->prefix, range->key);
    ProtobufCBinaryData end = { 0 };
    if (!range->is_single)
        end = end_of_prefix(a, key);
    if (range->from.size)
        key = bytes_of(a, range->from.data, range->from.size);
    frame(out,
        a,
        &pb_new_RangeRequest(
            a, .key = key, .range_end = end, .limit = range->limit, .revision = range->revision)
             ->base);
}

/* Fragments are not asked for: etcd 3.4 measures a fragment anew with each event that it puts in,
 * and 100,000 events of one revision take it half a minute. */
void etcd_encode_watch(struct buf *out, const char *prefix, int64_t start_revision)
{
    struct arena *a = arena_new();
    ProtobufCBinaryData key = full_key(a, prefix, "");
    pb_WatchCreateRequest *create = pb_new_WatchCreateRequest(
        a, .key = key, .range_end = end_of_prefix(a, key), .start_revision = start_revision);
    frame(out, a, &pb_new_WatchRequest(a, pb_WatchRequest_create_request(create))->base);
}

void etcd_encode_watch_key(
    struct buf *out, const char *prefix, const char *key, int64_t start_revision)
{
    struct arena *a = arena_new();
    pb_WatchCreateRequest *create = pb_new_WatchCreateRequest(
        a, .key = full_key(a, prefix, key), .start_revision = start_revision);
    frame(out, a, &pb_new_WatchRequest(a, pb_WatchRequest_create_request(create))->base);
}

static pb_RequestOp *write_op(struct arena *a, const char *prefix, const struct store_write *write)
{
    ProtobufCBinaryData key = full_key(a, prefix, write->key);
    if (!write->value)
        return pb_new_RequestOp(
            a, pb_RequestOp_request_delete_range(pb_new_DeleteRangeRequest(a, .key = key)));
    return pb_new_RequestOp(a,
        pb_RequestOp_request_put(pb_new_PutRequest(a,
            .key = key,
            .value = bytes_of(a, write->value, write->size),
            .lease = write->lease)));
}

/* A key that is not there has modification revision 0. */
static pb_Compare *compare_of(struct arena *a, const char *prefix, const struct store_write *write)
{
    return pb_new_Compare(a,
        .result = PB_Compare_CompareResult_EQUAL,
        .target = PB_Compare_CompareTarget_MOD,
        .key = full_key(a, prefix, write->key),
        pb_Compare_mod_revision(write->expected_mod_revision));
}

void etcd_encode_txn(
    struct buf *out, const char *prefix, const struct store_write *writes, size_t count)
{
    struct arena *a = arena_new();
    pb_Compare **compares = ARENA_ARRAY(a, pb_Compare *, count);
    pb_RequestOp **ops = ARENA_ARRAY(a, pb_RequestOp *, count);
    size_t compare_count = 0;
    for (size_t i = 0; i < count; i++) {
        ops[i] = write_op(a, prefix, &writes[i]);
        if (writes[i].expected_mod_revision != STORE_ANY_REVISION)
            compares[compare_count++] = compare_of(a, prefix, &writes[i]);
    }
    frame(out,
        a,
        &pb_new_TxnRequest(
            a, PB_LIST(compare, compare_count, compares), PB_LIST(success, count, ops))
             ->base);
}

void etcd_encode_lease_grant(struct buf *out, int64_t ttl_seconds)
{
    struct arena *a = arena_new();
    frame(out, a, &pb_new_LeaseGrantRequest(a, .ttl = ttl_seconds)->base);
}

void etcd_encode_lease_revoke(struct buf *out, int64_t lease)
{
    struct arena *a = arena_new();
    frame(out, a, &pb_new_LeaseRevokeRequest(a, .id = lease)->base);
}

void etcd_encode_lease_keepalive(struct buf *out, int64_t lease)
{
    struct arena *a = arena_new();
    frame(out, a, &pb_new_LeaseKeepAliveRequest(a, .id = lease)->base);
}

void etcd_encode_login(struct buf *out, const char *user, const char *password)
{
    struct arena *a = arena_new();
    frame(out,
        a,
        &pb_new_AuthenticateRequest(a, .name = pb_str(user), .password = pb_str(password))->base);
}

/* ---- decoding ---- */

static void *unpack(
    struct arena *a, const ProtobufCMessageDescriptor *type, struct grpc_message message)
{
    return pb_unpack(a, type, message.bytes, message.size);
}

/* Every answer of etcd has one, with a cluster and a revision (1 in an empty etcd). */
static bool take_header(const pb_ResponseHeader *header, struct etcd_header *out)
{
    if (!header || header->cluster_id == 0)
        return false;
    *out = (struct etcd_header){
        .revision = header->revision, .term = header->raft_term, .cluster = header->cluster_id
    };
    return header->revision > 0;
}

/* False when the key is outside the prefix; a key that is no C string gives an entry without one.
 */
static bool entry_of(const char *prefix, const pb_KeyValue *kv, struct store_entry *entry)
{
    size_t prefix_size = strlen(prefix);
    if (!kv || kv->key.len < prefix_size || memcmp(kv->key.data, prefix, prefix_size) != 0)
        return false;
    bool is_text = kv->key.len > 0 && !memchr(kv->key.data, '\0', kv->key.len);
    *entry = (struct store_entry){
        .key = is_text ? (const char *)kv->key.data + prefix_size : NULL,
        .value = kv->value.data ? (const char *)kv->value.data : "",
        .size = kv->value.len,
        .create_revision = kv->create_revision,
        .mod_revision = kv->mod_revision,
        .lease = kv->lease,
    };
    return true;
}

/* The least key after `last`: itself and a zero byte. */
static struct etcd_bytes bytes_after(struct arena *a, ProtobufCBinaryData last)
{
    char *next = arena_strndup(a, (const char *)last.data, last.len);
    return (struct etcd_bytes){ next, last.len + 1 };
}

static bool is_before(ProtobufCBinaryData first, ProtobufCBinaryData second)
{
    size_t common = first.len < second.len ? first.len : second.len;
    int order = common ? memcmp(first.data, second.data, common) : 0;
    return order < 0 || (order == 0 && first.len < second.len);
}

/* `count` is of all keys asked for, those of further pages included. */
static bool is_whole_page(const pb_RangeResponse *answer)
{
    if (answer->count < 0 || answer->more != ((size_t)answer->count > answer->n_kvs) ||
        (answer->more && answer->n_kvs == 0) || (size_t)answer->count < answer->n_kvs)
        return false;
    for (size_t i = 1; i < answer->n_kvs; i++)
        if (!is_before(answer->kvs[i - 1]->key, answer->kvs[i]->key))
            return false;
    return true;
}

bool etcd_decode_range(
    struct arena *a, const char *prefix, struct grpc_message message, struct etcd_page *page)
{
    const pb_RangeResponse *answer = unpack(a, &pb_RangeResponse_desc, message);
    *page = (struct etcd_page){ 0 };
    if (!answer || !take_header(answer->header, &page->header) || !is_whole_page(answer))
        return false;
    page->entries.items = ARENA_ARRAY(a, struct store_entry, answer->n_kvs);
    for (size_t i = 0; i < answer->n_kvs; i++) {
        struct store_entry entry;
        if (!entry_of(prefix, answer->kvs[i], &entry))
            return false;
        if (entry.key)
            page->entries.items[page->entries.count++] = entry;
        else
            page->skipped++;
    }
    if (answer->more)
        page->next = bytes_after(a, answer->kvs[answer->n_kvs - 1]->key);
    return true;
}

/* The header of a watch that was compacted away has no revision. */
static bool take_watch_header(const pb_WatchResponse *answer, struct etcd_header *header)
{
    int64_t last = 1;
    if (!take_header(answer->header, header))
        return answer->canceled && header->cluster && answer->n_events == 0;
    for (size_t i = 0; i < answer->n_events; i++) {
        const pb_KeyValue *kv = answer->events[i]->kv;
        if (!kv || kv->mod_revision < last || kv->mod_revision > header->revision)
            return false;
        last = kv->mod_revision;
    }
    return true;
}

bool etcd_decode_watch(
    struct arena *a, const char *prefix, struct grpc_message message, struct etcd_watch *watch)
{
    const pb_WatchResponse *answer = unpack(a, &pb_WatchResponse_desc, message);
    struct etcd_header header = { 0 };
    if (!answer || !take_watch_header(answer, &header))
        return false;
    *watch = (struct etcd_watch){
        .header = header,
        .is_created = answer->created,
        .is_canceled = answer->canceled,
        .is_fragment = answer->fragment,
        .compact_revision = answer->compact_revision,
        .cancel_reason = answer->cancel_reason,
    };
    watch->changes.items = ARENA_ARRAY(a, struct store_change, answer->n_events);
    for (size_t i = 0; i < answer->n_events; i++) {
        struct store_change change = {
            .is_gone = answer->events[i]->type == PB_Event_EventType_DELETE,
        };
        if (!entry_of(prefix, answer->events[i]->kv, &change.entry))
            return false;
        if (change.entry.key)
            watch->changes.items[watch->changes.count++] = change;
        else
            watch->skipped++;
    }
    return true;
}

bool etcd_decode_txn(struct arena *a, struct grpc_message message, struct etcd_txn *txn)
{
    const pb_TxnResponse *answer = unpack(a, &pb_TxnResponse_desc, message);
    *txn = (struct etcd_txn){ 0 };
    if (!answer || !take_header(answer->header, &txn->header))
        return false;
    txn->succeeded = answer->succeeded;
    return true;
}

bool etcd_decode_lease_grant(struct arena *a, struct grpc_message message, struct etcd_lease *lease)
{
    const pb_LeaseGrantResponse *answer = unpack(a, &pb_LeaseGrantResponse_desc, message);
    if (!answer || answer->id == STORE_LEASE_NONE)
        return false;
    *lease = (struct etcd_lease){ .id = answer->id, .ttl_seconds = answer->ttl };
    return take_header(answer->header, &lease->header);
}

bool etcd_decode_lease_revoke(
    struct arena *a, struct grpc_message message, struct etcd_header *header)
{
    const pb_LeaseRevokeResponse *answer = unpack(a, &pb_LeaseRevokeResponse_desc, message);
    return answer && take_header(answer->header, header);
}

bool etcd_decode_lease_keepalive(
    struct arena *a, struct grpc_message message, struct etcd_lease *lease)
{
    const pb_LeaseKeepAliveResponse *answer = unpack(a, &pb_LeaseKeepAliveResponse_desc, message);
    if (!answer || answer->id == STORE_LEASE_NONE)
        return false;
    *lease = (struct etcd_lease){ .id = answer->id, .ttl_seconds = answer->ttl };
    return take_header(answer->header, &lease->header);
}

bool etcd_decode_login(struct arena *a, struct grpc_message message, const char **token)
{
    const pb_AuthenticateResponse *answer = unpack(a, &pb_AuthenticateResponse_desc, message);
    if (!answer || !answer->token[0] || strpbrk(answer->token, "\r\n"))
        return false;
    *token = answer->token;
    return true;
}

bool etcd_is_future_revision(const struct error *err)
{
    return err->code == ERROR_COMPACTED && strstr(err->text, "future revision");
}
