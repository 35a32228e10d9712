/*
 * etcd_client: requests to the members of an etcd cluster, one after the other until one answers.
 *
 * The functions are those of store.h, with its promises. Following the keyspace is etcd_store's.
 */
#ifndef REPLICATION_ETCD_CLIENT_H
#define REPLICATION_ETCD_CLIENT_H

#include "base/arena.h"
#include "replication/etcd_call.h"
#include "replication/store.h"

struct etcd_url {
    string_list members; /* "host:port" */
    const char *prefix;  /* begins and ends with '/' */
    bool is_tls;
    struct http_tls tls;
    const char *user, *password_file; /* NULL: nobody in particular */
};

/* `rest` follows the "etcd:" of the URL. The parts are copied into the arena. */
bool etcd_url_parse(struct arena *a, const char *rest, struct etcd_url *url, struct error *err);

enum {
    ETCD_CONNECT_TIMEOUT_MS = 1000,
    ETCD_STALL_MS = 1000,    /* a member that says nothing for so long may be stopped */
    ETCD_PAGE_KEYS = 10000,  /* smaller pages waste etcd's time */
    ETCD_PAGE_KEYS_MIN = 10, /* the largest values that etcd takes still fit */
    ETCD_ANSWER_BYTES_MAX = 64 * 1024 * 1024, /* a larger page is asked for again, smaller */
};

/* 25 to 500 ms: twice as long for each failure before, and a random part off, so that replicas do
 * not come all at once. */
uint64_t etcd_backoff_ms(unsigned failures);

struct etcd_client;

/* All three outlive the client. */
struct etcd_client *etcd_client_open(const struct etcd_url *url, struct etcd_channel *channel,
    uv_loop_t *loop, struct store_stats *stats);

/* Frees; no call comes back any more. */
void etcd_client_close(struct etcd_client *c);

void etcd_client_get(struct etcd_client *c, const char *key, struct store_call *call);
void etcd_client_list(struct etcd_client *c, const char *key_prefix, struct store_call *call);
void etcd_client_get_at(
    struct etcd_client *c, const char *key, int64_t revision, struct store_call *call);
void etcd_client_list_at(
    struct etcd_client *c, const char *key_prefix, int64_t revision, struct store_call *call);
void etcd_client_txn(
    struct etcd_client *c, const struct store_write *writes, size_t count, struct store_call *call);
void etcd_client_lease_grant(struct etcd_client *c, int64_t ttl_seconds, struct store_call *call);
void etcd_client_lease_keepalive(struct etcd_client *c, int64_t lease, struct store_call *call);
void etcd_client_lease_revoke(struct etcd_client *c, int64_t lease, struct store_call *call);
void etcd_client_cancel(struct etcd_client *c, struct store_call *call);

#endif
