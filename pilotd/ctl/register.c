/*
 * pilotctl register: a leased instance of a service, kept alive while this process (or the command
 * it runs) lives. The command is registered once its port accepts connections, and is deregistered
 * before it is told to stop, so that no request is sent to a port that is closing.
 */
#include "ctl/instance.h"
#include "ctl/session.h"
#include "replication/lease.h"

#include <signal.h>
#include <string.h>
#include <uv.h>

static const struct flag flag_instance = {
    .name = "--instance", .value_name = "NAME", .help = "the key's last part (default ADDRESS-PORT)"
};
static const struct flag flag_ttl = {
    .name = "--ttl",
    .value_name = "SECONDS",
    .fallback = "10",
    .help = "of the lease: how long a dead instance stays listed",
};
static const struct flag flag_wait = {
    .name = "--wait",
    .value_name = "SECONDS",
    .fallback = "60",
    .help = "how long the command may take until its port accepts",
};
const struct flag *const register_flags[] = { STORE_FLAGS,
    &flag_namespace,
    &flag_address,
    &flag_port,
    &flag_label,
    &flag_weight,
    &flag_locality,
    &flag_group,
    &flag_instance,
    &flag_ttl,
    &flag_wait,
    NULL };

enum { PROBE_INTERVAL_MS = 100, PUT_AGAIN_MS = 500 };

struct registration {
    struct ctl *ctl;
    uv_loop_t loop;
    struct store *store;
    struct lease_keeper *lease;
    struct lease_owner owner;
    const char *key, *tombstone, *value, *app_address;
    uint16_t app_port; /* the first port: probed before the command is registered */
    struct store_call put, farewell;
    int64_t put_lease; /* that of the put under way or last */
    uv_signal_t signals[2];
    uv_timer_t probe_timer; /* and, once registered, that of a put that failed */
    uv_tcp_t probe;
    uv_connect_t connect;
    uv_process_t process;
    uint64_t deadline_ms;
    bool is_running, is_probing, is_putting, is_leaving, is_closed;
    int stop_signal, exit_status;
};

static int prepare(struct registration *r)
{
    struct ctl *ctl = r->ctl;
    const char *ns = ctl_value(ctl, &flag_namespace), *name = ctl_value(ctl, &flag_instance);
    if (ctl->args.count != 1)
        return ctl_fail(EXIT_USAGE, "register: exactly one SERVICE is needed");
    int status = instance_value(ctl, &r->value, &r->app_port);
    if (status != EXIT_GOOD)
        return status;
    r->app_address = ctl_value(ctl, &flag_address);
    if (!name)
        name = arena_printf(ctl->a, "%s-%u", r->app_address ? r->app_address : "", r->app_port);
    r->key =
        arena_printf(ctl->a, "registry/%s/%s/%s", ns ? ns : "default", ctl->args.items[0], name);
    r->tombstone = arena_printf(ctl->a, "tombstones/%s", r->key);
    /* A value that replicas would reject is not written. */
    struct object *object = instance_decode(ctl, r->key, r->value, strlen(r->value));
    object_release(object);
    return object ? EXIT_GOOD : EXIT_REFUSED;
}

/* ---- leaving: deregister first, then stop the command ---- */

static void close_all(struct registration *r)
{
    if (r->is_closed)
        return;
    r->is_closed = true;
    for (size_t i = 0; i < ARRAY_COUNT(r->signals); i++)
        uv_close((uv_handle_t *)&r->signals[i], NULL);
    uv_close((uv_handle_t *)&r->probe_timer, NULL);
    store_close(r->store);
}

/* What is left to do once nothing is registered any more. */
static void finish_leaving(struct registration *r)
{
    if (!r->is_running)
        close_all(r);
    else if (r->stop_signal)
        uv_process_kill(&r->process, r->stop_signal);
}

static void on_closed(struct lease_owner *owner)
{
    struct registration *r = container_of(owner, struct registration, owner);
    r->lease = NULL;
    finish_leaving(r);
}

static void on_farewell(struct store_call *call, const struct store_reply *reply)
{
    struct registration *r = container_of(call, struct registration, farewell);
    if (reply->err) { /* the lease may be dead, or etcd of a user that may not write tombstones */
        lease_keeper_close(r->lease);
        return;
    }
    lease_keeper_abandon(r->lease);
    r->lease = NULL;
    finish_leaving(r);
}

/* Who leaves without a word is taken for one whose registrar failed. The word goes with the lease,
 * which is renewed no longer. */
static void say_farewell(struct registration *r, int64_t lease)
{
    const struct store_write writes[] = {
        { .key = r->key, .expected_mod_revision = STORE_ANY_REVISION },
        { .key = r->tombstone,
            .value = "{}",
            .size = 2,
            .lease = lease,
            .expected_mod_revision = STORE_ANY_REVISION },
    };
    r->farewell.on_reply = on_farewell;
    store_txn(r->store, writes, ARRAY_COUNT(writes), &r->farewell);
}

/* A put that is under way could come after it. */
static void deregister(struct registration *r)
{
    int64_t lease = lease_keeper_lease(r->lease);
    if (r->is_putting)
        return;
    if (lease == STORE_LEASE_NONE)
        lease_keeper_close(r->lease);
    else
        say_farewell(r, lease);
}

static void leave(struct registration *r)
{
    bool is_first = !r->is_leaving;
    r->is_leaving = true;
    uv_timer_stop(&r->probe_timer);
    if (r->lease && is_first)
        deregister(r);
    else if (!r->lease)
        finish_leaving(r);
}

static void on_signal(uv_signal_t *signal, int number)
{
    struct registration *r = signal->data;
    r->stop_signal = number;
    leave(r);
}

/* ---- registering ---- */

static void put_instance(struct registration *r, int64_t lease)
{
    const struct store_write writes[] = {
        { .key = r->key,
            .value = r->value,
            .size = strlen(r->value),
            .lease = lease,
            .expected_mod_revision = STORE_ANY_REVISION },
        { .key = r->tombstone, .expected_mod_revision = STORE_ANY_REVISION },
    };
    r->is_putting = true;
    r->put_lease = lease;
    store_txn(r->store, writes, ARRAY_COUNT(writes), &r->put);
}

static void on_put_again(uv_timer_t *timer)
{
    struct registration *r = timer->data;
    int64_t lease = lease_keeper_lease(r->lease);
    if (lease != STORE_LEASE_NONE && !r->is_putting)
        put_instance(r, lease);
}

static void on_put(struct store_call *call, const struct store_reply *reply)
{
    struct registration *r = container_of(call, struct registration, put);
    bool is_with_this_lease = lease_keeper_lease(r->lease) == r->put_lease;
    r->is_putting = false;
    if (r->is_leaving) {
        deregister(r);
        return;
    }
    if (reply->err)
        ctl_fail(EXIT_FINDINGS, "registering %s: %s (trying on)", r->key, reply->err->text);
    else
        fprintf(stderr, "pilotctl: registered %s\n", r->key);
    if (reply->err || !is_with_this_lease)
        uv_timer_start(&r->probe_timer, on_put_again, PUT_AGAIN_MS, 0);
}

static void on_held(struct lease_owner *owner, int64_t lease)
{
    struct registration *r = container_of(owner, struct registration, owner);
    if (!r->is_leaving && !r->is_putting)
        put_instance(r, lease);
}

static void on_lost(struct lease_owner *owner)
{
    struct registration *r = container_of(owner, struct registration, owner);
    fprintf(stderr, "pilotctl: the lease of %s is lost; registering anew\n", r->key);
}

static void register_now(struct registration *r)
{
    long ttl;
    INVARIANT(ctl_number(r->ctl, &flag_ttl, 1, 86400, &ttl));
    r->owner = (struct lease_owner){ on_held, on_lost, on_closed };
    r->put.on_reply = on_put;
    r->lease = lease_keeper_open(r->store, ttl, &r->owner);
}

/* ---- the command: started, and registered once its port accepts ---- */

static void on_probe_closed(uv_handle_t *handle)
{
    struct registration *r = handle->data;
    r->is_probing = false;
}

static void on_probed(uv_connect_t *connect, int status)
{
    struct registration *r = connect->data;
    uv_close((uv_handle_t *)&r->probe, on_probe_closed);
    if (status != 0 || r->is_leaving)
        return;
    uv_timer_stop(&r->probe_timer);
    register_now(r);
}

static void give_up(struct registration *r)
{
    r->exit_status = ctl_fail(EXIT_FINDINGS,
        "%s port %u did not accept within %s s; not registered, the command is stopped",
        r->app_address,
        r->app_port,
        ctl_value(r->ctl, &flag_wait));
    r->stop_signal = SIGTERM;
    leave(r);
}

static void on_probe_time(uv_timer_t *timer)
{
    struct registration *r = timer->data;
    struct sockaddr_storage address;
    if (r->is_probing)
        return;
    if (uv_now(&r->loop) > r->deadline_ms) {
        give_up(r);
        return;
    }
    if (uv_ip4_addr(r->app_address, r->app_port, (struct sockaddr_in *)&address) != 0 &&
        uv_ip6_addr(r->app_address, r->app_port, (struct sockaddr_in6 *)&address) != 0)
        return;
    r->is_probing = true;
    uv_tcp_init(&r->loop, &r->probe);
    r->probe.data = r->connect.data = r;
    if (uv_tcp_connect(&r->connect, &r->probe, (struct sockaddr *)&address, on_probed) != 0)
        uv_close((uv_handle_t *)&r->probe, on_probe_closed);
}

static void on_command_exit(uv_process_t *process, int64_t status, int signal)
{
    struct registration *r = process->data;
    uv_close((uv_handle_t *)process, NULL);
    r->is_running = false;
    if (!r->exit_status)
        r->exit_status = signal ? 128 + signal : (int)status;
    leave(r);
}

static int start_command(struct registration *r)
{
    uv_stdio_container_t stdio[3];
    for (int i = 0; i < 3; i++)
        stdio[i] = (uv_stdio_container_t){ .flags = UV_INHERIT_FD, .data.fd = i };
    uv_process_options_t options = {
        .file = r->ctl->command[0],
        .args = r->ctl->command,
        .exit_cb = on_command_exit,
        .stdio = stdio,
        .stdio_count = 3,
    };
    r->process.data = r;
    int problem = uv_spawn(&r->loop, &r->process, &options);
    if (problem)
        return ctl_fail(EXIT_FINDINGS, "%s: %s", r->ctl->command[0], uv_strerror(problem));
    long wait_s;
    INVARIANT(ctl_number(r->ctl, &flag_wait, 1, 86400, &wait_s));
    r->is_running = true;
    r->deadline_ms = uv_now(&r->loop) + (uint64_t)wait_s * 1000;
    uv_timer_start(&r->probe_timer, on_probe_time, 0, PROBE_INTERVAL_MS);
    return EXIT_GOOD;
}

static bool open_store(struct registration *r, struct error *err)
{
    static const struct log_scope quiet = { .level = LOG_LEVEL_ERROR };
    struct store_options options = {
        .url = ctl_value(r->ctl, &flag_store),
        .access = session_access(r->ctl),
        .layout = &document_layout,
        .log = &quiet,
        .is_oneshot = true,
    };
    return store_open(&r->loop, &options, NULL, &r->store, err);
}

static void start_handles(struct registration *r)
{
    static const int numbers[] = { SIGTERM, SIGINT };
    uv_timer_init(&r->loop, &r->probe_timer);
    r->probe_timer.data = r;
    for (size_t i = 0; i < ARRAY_COUNT(numbers); i++) {
        uv_signal_init(&r->loop, &r->signals[i]);
        r->signals[i].data = r;
        uv_signal_start(&r->signals[i], on_signal, numbers[i]);
    }
}

static bool check_numbers(const struct ctl *ctl)
{
    long ignored;
    return ctl_number(ctl, &flag_ttl, 1, 86400, &ignored) &&
           ctl_number(ctl, &flag_wait, 1, 86400, &ignored);
}

int verb_register(struct ctl *ctl)
{
    struct registration r = { .ctl = ctl };
    struct error err = { 0 };
    int status = check_numbers(ctl) ? prepare(&r) : EXIT_USAGE;
    if (status != EXIT_GOOD)
        return status;
    if (ctl->command && !ctl->command[0])
        return ctl_fail(EXIT_USAGE, "register: no command after --");
    INVARIANT(uv_loop_init(&r.loop) == 0);
    if (open_store(&r, &err)) {
        start_handles(&r);
        if (!ctl->command)
            register_now(&r);
        else if ((r.exit_status = start_command(&r)) != EXIT_GOOD)
            close_all(&r);
    } else {
        r.exit_status = ctl_fail_error(&err);
    }
    uv_run(&r.loop, UV_RUN_DEFAULT);
    INVARIANT(uv_loop_close(&r.loop) == 0);
    return r.exit_status;
}
