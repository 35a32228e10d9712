/*
 * options: pilotd's settings: flags, the environment, a file, defaults; in this order.
 *
 * One table (options.c) has them all: --drain-spread 10s is also PILOTD_DRAIN_SPREAD=10s, and
 * `drain-spread: 10s` in the YAML file that --config names.
 */
#ifndef DAEMON_OPTIONS_H
#define DAEMON_OPTIONS_H

#include "base/arena.h"
#include "base/error.h"
#include "base/log.h"

enum { THREADS_MAX = 64 };

struct options {
    const char *store, *xds, *admin, *id, *config;
    const char *data_dir; /* NULL: nothing is kept */
    const char *xds_tls;  /* NULL: no TLS port */
    const char *xds_tls_cert, *xds_tls_key, *xds_tls_ca, *xds_tls_crl;
    const char *etcd_ca, *etcd_cert, *etcd_key, *etcd_user, *etcd_password_file;
    bool is_dev;
    enum log_level log_level;
    int64_t log_format; /* enum log_format */
    int64_t threads; /* serving loops */
    int64_t drain_spread_ms, drain_grace_ms, replica_ttl_ms, max_stream_age_ms;
    int64_t max_joining, stream_margin;
    int64_t keepalive_ms, request_timeout_ms, stall_timeout_ms, idle_timeout_ms;
    int64_t max_address_connections;
    int64_t client_status; /* enum xds_status_access */
    int64_t hold_share, hold_window_ms, hold_time_ms;
    struct arena *arena; /* of the texts */
};

/* Reads a file whole, in `a` and NUL-terminated. */
bool options_read_file(
    struct arena *a, const char *path, const char **text, size_t *size_bytes, struct error *err);

/* From the command line, PILOTD_* and --config. False: err says which setting, where it stands and
 * what it must be. */
bool options_parse(struct options *o, int argc, char *const *argv, struct error *err);
void options_fini(struct options *o);

/* After SIGHUP: reads all again. Those settings that can change take their new values in `o`; each
 * of the others that differs is told to on_fixed. False leaves all as it was. */
bool options_reload(struct options *o, int argc, char *const *argv,
    void (*on_fixed)(const struct log_scope *log, const char *name), const struct log_scope *log,
    struct error *err);

/* --help or --version anywhere: prints it and returns true. */
bool options_print_wanted(int argc, char *const *argv);

#endif
