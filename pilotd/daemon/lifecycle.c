#include "daemon/lifecycle.h"

#include "base/version.h"
#include "daemon/address.h"
#include "daemon/admin.h"
#include "daemon/control.h"
#include "daemon/dev.h"
#include "daemon/manager.h"
#include "daemon/tidy.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_DRAINED = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };
enum {
    LEAVE_MS = 3000,   /* for the lease to be revoked */
    MARGIN_MS = 10000, /* until the service manager loses patience */
};

struct lifecycle {
    struct control control;
    struct options *options;
    int argc;
    char *const *argv;
    struct arena *a;
    uv_signal_t signals[3];
    uv_timer_t leaving;
    struct tidy tidy;
    struct manager manager;
    size_t drained; /* serving loops */
    int status;
    bool is_stopping;
};

/* ---- leaving: drained, then the record, then the rest ---- */

static void stop(struct lifecycle *l)
{
    struct control *c = &l->control;
    if (l->is_stopping)
        return;
    l->is_stopping = true;
    for (size_t i = 0; i < ARRAY_COUNT(l->signals); i++)
        uv_close((uv_handle_t *)&l->signals[i], NULL);
    uv_close((uv_handle_t *)&l->leaving, NULL);
    tidy_close(&l->tidy);
    manager_close(&l->manager);
    certificates_close(&c->certificates);
    control_close_servings(c);
    admin_close(c->admin);
    control_stop(c);
}

static void on_record_gone(struct replica_owner *owner)
{
    struct control *c = container_of(owner, struct control, replica_owner);
    c->replica = NULL;
    stop(container_of(c, struct lifecycle, control));
}

/* The store is away and the lease cannot be revoked: it runs out by itself. */
static void on_leaving_too_long(uv_timer_t *timer)
{
    struct lifecycle *l = timer->data;
    if (l->control.replica)
        replica_close(l->control.replica, true);
    l->control.replica = NULL;
    stop(l);
}

static void leave(struct lifecycle *l)
{
    struct control *c = &l->control;
    if (!c->replica) {
        stop(l);
        return;
    }
    uv_timer_start(&l->leaving, on_leaving_too_long, LEAVE_MS, 0);
    replica_close(c->replica, false);
}

static void on_drained(struct serving_owner *owner, struct serving *serving)
{
    struct control *c = container_of(owner, struct control, serving_owner);
    struct lifecycle *l = container_of(c, struct lifecycle, control);
    (void)serving;
    if (++l->drained == c->serving_count)
        leave(l);
}

static void drain(struct lifecycle *l)
{
    struct control *c = &l->control;
    log_info(&c->log,
        "draining",
        LOG_INT("streams", xds_stats_streams(&c->stats.xds)),
        LOG_INT("spread_ms", l->options->drain_spread_ms));
    manager_stopping(&l->manager,
        l->options->drain_spread_ms + l->options->drain_grace_ms + LEAVE_MS + MARGIN_MS);
    control_drain(c);
    for (size_t i = 0; i < c->serving_count; i++) {
        serving_set_serving(c->servings[i], false);
        serving_drain(c->servings[i],
            (uint64_t)l->options->drain_spread_ms,
            (uint64_t)l->options->drain_grace_ms);
    }
}

/* ---- signals ---- */

static void on_end(uv_signal_t *signal, int number)
{
    struct lifecycle *l = signal->data;
    (void)number;
    if (l->control.is_draining)
        _exit(EXIT_FAILED); /* the second one: at once */
    drain(l);
}

static void on_fixed(const struct log_scope *log, const char *name)
{
    log_warn(log, "a setting cannot change while running", LOG_STR("setting", name));
}

static void reload(struct lifecycle *l)
{
    struct control *c = &l->control;
    struct error err;
    if (!options_reload(l->options, l->argc, l->argv, on_fixed, &c->log, &err)) {
        log_error(&c->log, "settings are left as they were", LOG_STR("why", err.text));
        return;
    }
    c->log.level = l->options->log_level;
    for (size_t i = 0; i < c->serving_count; i++)
        serving_set_log_level(c->servings[i], c->log.level);
    certificates_reload(&c->certificates);
    store_reload(c->store);
    log_info(&c->log, "settings are read again");
}

static void on_reload(uv_signal_t *signal, int number)
{
    struct lifecycle *l = signal->data;
    (void)number;
    manager_reloading(&l->manager);
    reload(l);
    manager_reloaded(&l->manager);
}

static void watch_signals(struct lifecycle *l)
{
    static const struct {
        int number;
        uv_signal_cb on_signal;
    } wanted[] = { { SIGTERM, on_end }, { SIGINT, on_end }, { SIGHUP, on_reload } };
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < ARRAY_COUNT(wanted); i++) {
        uv_signal_init(&l->control.loop, &l->signals[i]);
        l->signals[i].data = l;
        uv_signal_start(&l->signals[i], wanted[i].on_signal, wanted[i].number);
    }
}

/* ---- beginning ---- */

static bool open_data_dir(const struct control *c, struct error *err)
{
    const char *dir = c->options->data_dir;
    if (!dir)
        return true;
    if (begins_with(c->store_url, "file:"))
        return error_set(
            err, ERROR_USAGE, "--data-dir: goes with etcd; files are there when pilotd starts");
    if ((mkdir(dir, 0700) == 0 || errno == EEXIST) && access(dir, R_OK | W_OK | X_OK) == 0)
        return true;
    return error_set(err, ERROR_USAGE, "--data-dir: %s: %s", dir, strerror(errno));
}

static void warn_of_address(
    const struct control *c, int socket, const char *setting, const char *given, const char *got)
{
    if (socket && strcmp(given, got) != 0)
        log_warn(&c->log,
            "a socket stands in the place of a setting",
            LOG_STR("setting", setting),
            LOG_STR("given", given),
            LOG_STR("socket", got));
}

static void warn_of_addresses(const struct control *c)
{
    const struct options *o = c->options;
    warn_of_address(c, c->sockets.xds, "xds", o->xds, c->xds_address);
    warn_of_address(c, c->sockets.xds_tls, "xds-tls", o->xds_tls, c->xds_tls_address);
    warn_of_address(c, c->sockets.admin, "admin", o->admin, c->admin_address);
}

static bool open_sockets(struct control *c, struct error *err)
{
    if (!inherited_open(&c->sockets, err))
        return false;
    return !c->sockets.xds_tls || c->options->xds_tls ||
           error_set(err,
               ERROR_USAGE,
               "LISTEN_FDNAMES: a socket xds-tls is handed over, and there is no --xds-tls");
}

static void on_certificates(struct certificates *certificates)
{
    struct control *c = container_of(certificates, struct control, certificates);
    for (size_t i = 0; i < c->serving_count; i++)
        serving_set_tls(c->servings[i], certificates->context);
}

static bool open_certificates(struct control *c, struct error *err)
{
    c->certificates = (struct certificates){
        .options = c->options,
        .on_changed = on_certificates,
        .stats = &c->stats.certificates,
        .log = &c->log,
    };
    return certificates_open(&c->certificates, &c->loop, err);
}

static bool open_all(struct lifecycle *l, struct error *err)
{
    struct control *c = &l->control;
    c->serving_owner.on_drained = on_drained;
    c->replica_owner.on_closed = on_record_gone;
    if (!manager_open(&l->manager, c, err) || !open_sockets(c, err) || !open_data_dir(c, err) ||
        !open_certificates(c, err) || !control_start(c, err) ||
        !control_open_servings(c, l->a, err) || !admin_open(c, &c->admin, err))
        return false;
    c->admin_address = c->sockets.admin
                           ? address_of_socket(l->a, c->sockets.admin)
                           : address_with_port(l->a, l->options->admin, admin_port(c->admin));
    warn_of_addresses(c);
    manager_begin(&l->manager);
    log_info(&c->log,
        "pilotd starts",
        LOG_STR("version", PILOTD_VERSION),
        LOG_STR("store", c->store_url),
        LOG_STR("xds", c->xds_address),
        LOG_STR("xds_tls", c->xds_tls_address ? c->xds_tls_address : "none"),
        LOG_STR("admin", c->admin_address),
        LOG_INT("loops", (int64_t)c->serving_count));
    return true;
}

static void begin(struct lifecycle *l, struct options *options, const struct dev *dev)
{
    struct control *c = &l->control;
    INVARIANT(uv_loop_init(&c->loop) == 0);
    c->options = options;
    c->store_url = dev ? dev_store_url(dev) : options->store;
    log_set_format((enum log_format)options->log_format);
    c->log.level = options->log_level;
    snprintf(c->log.context, sizeof c->log.context, "replica=%.80s ", options->id);
    metric_set(&c->stats.process.start_time_seconds, (int64_t)time(NULL));
    uv_timer_init(&c->loop, &l->leaving);
    l->leaving.data = l;
    tidy_open(&l->tidy, &c->loop, &c->stats.xds.bytes_sent);
    watch_signals(l);
}

static void finish(struct lifecycle *l)
{
    struct control *c = &l->control;
    manager_fini(&l->manager);
    control_fini(c);
    INVARIANT(uv_loop_close(&c->loop) == 0);
    arena_free(l->a);
}

int lifecycle_run(struct options *options, int argc, char *const *argv, struct dev *dev)
{
    struct lifecycle l = { .options = options, .argc = argc, .argv = argv, .a = arena_new() };
    struct error err;
    begin(&l, options, dev);
    if (!open_all(&l, &err)) {
        dev_stop(dev);
        /* Half of it is open: the process's end is the tidiest way out. */
        fprintf(stderr, "pilotd: %s\n", err.text);
        _exit(err.code == ERROR_USAGE ? EXIT_USAGE : EXIT_FAILED);
    }
    if (dev)
        dev_print_hints(dev, l.control.xds_address, l.control.admin_address);
    uv_run(&l.control.loop, UV_RUN_DEFAULT);
    log_info(&l.control.log, "pilotd has left");
    finish(&l);
    return l.status;
}
