#include "replica.h"

#include "fake_uv.h"
#include "replication/store_impl.h"

#include <sys/stat.h>
#include <unistd.h>

enum { LEAVE_MS = 3000, DRAIN_SPREAD_MS = 500, DRAIN_GRACE_MS = 1000, TTL_MS = 5000 };

/* There are no folders in a sim. */
struct store *file_store_new(
    const char *rest, const struct store_options *options, struct error *err)
{
    (void)rest, (void)options;
    error_set(err, ERROR_USAGE, "not simulated");
    return NULL;
}

static struct replica_process *of_control(struct control *c)
{
    return container_of(c, struct replica_process, control);
}

static void take_down(struct replica_process *r);

static void on_gone(struct sim_event *event)
{
    take_down(container_of(event, struct replica_process, gone));
}

void replica_init(struct replica_process *r, struct sim *sim, size_t index)
{
    int64_t threads = 1 + (int64_t)(index % 2);
    *r = (struct replica_process){ .sim = sim };
    snprintf(r->id, sizeof r->id, "r%zu", index);
    r->process = (struct sim_process){ .name = r->id, .index = index };
    snprintf(r->data_dir, sizeof r->data_dir, "/dev/shm/pilot-sim-%d-%s", (int)getpid(), r->id);
    r->options = (struct options){
        .data_dir = r->data_dir,
        .id = r->id,
        .store = "etcd://m0,m1,m2",
        .xds = "127.0.0.1:15010",
        .log_level = sim->is_tracing ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR + 1,
        .threads = threads,
        .max_joining = 2 * threads, /* so that some of these few proxies have to wait */
        .stream_margin = REPLICA_STREAM_MARGIN,
        .replica_ttl_ms = TTL_MS,
        .hold_share = 50,
        .hold_window_ms = 15000,
        .hold_time_ms = 8000,
    };
    r->gone.run = on_gone;
    replica_wipe(r);
}

void replica_wipe(struct replica_process *r)
{
    char file[sizeof r->data_dir + 16];
    snprintf(file, sizeof file, "%s/last-good", r->data_dir);
    unlink(file);
    rmdir(r->data_dir);
}

/* ---- leaving, as in lifecycle.c ---- */

static void have_left(struct replica_process *r)
{
    sim_schedule(r->sim, &r->gone, 0);
}

static void on_record_gone(struct replica_owner *owner)
{
    struct control *c = container_of(owner, struct control, replica_owner);
    c->replica = NULL;
    if (of_control(c)->is_leaving)
        have_left(of_control(c));
}

static void on_leaving_too_long(uv_timer_t *timer)
{
    have_left(container_of(timer, struct replica_process, leaving));
}

static void on_drained(struct serving_owner *owner, struct serving *serving)
{
    struct control *c = container_of(owner, struct control, serving_owner);
    struct replica_process *r = of_control(c);
    (void)serving;
    if (++r->drained < c->serving_count)
        return;
    if (!c->replica) {
        have_left(r);
        return;
    }
    uv_timer_start(&r->leaving, on_leaving_too_long, LEAVE_MS, 0);
    replica_close(c->replica, false);
}

void replica_leave(struct replica_process *r)
{
    struct control *c = &r->control;
    if (!r->is_up || r->is_leaving)
        return;
    r->is_leaving = true;
    fake_uv_wake(&c->loop);
    control_drain(c);
    for (size_t i = 0; i < c->serving_count; i++) {
        serving_set_serving(c->servings[i], false);
        serving_drain(c->servings[i], DRAIN_SPREAD_MS, DRAIN_GRACE_MS);
    }
}

/* ---- starting ---- */

void replica_start(struct replica_process *r)
{
    struct control *c = &r->control;
    struct error err;
    *c = (struct control){ .options = &r->options };
    r->process.is_dead = false;
    r->process.stopped_until_us = 0;
    r->is_up = true;
    r->is_leaving = false;
    r->drained = 0;
    r->arena = arena_new();
    mkdir(r->data_dir, 0700);
    fake_uv_enter(&r->process);
    INVARIANT(uv_loop_init(&c->loop) == 0);
    c->store_url = r->options.store;
    c->log.level = r->options.log_level;
    snprintf(c->log.context, sizeof c->log.context, "replica=%s ", r->id);
    uv_timer_init(&c->loop, &r->leaving);
    c->serving_owner.on_drained = on_drained;
    c->replica_owner.on_closed = on_record_gone;
    INVARIANT(control_start(c, &err) && control_open_servings(c, r->arena, &err));
    c->admin_address = "127.0.0.1:15014";
    c->fair_share.slack = 0;
}

/* ---- ending ---- */

/* The world hears no more of it; what it holds is given back the way it does itself. */
static void take_down(struct replica_process *r)
{
    struct control *c = &r->control;
    r->process.is_dead = true;
    r->is_leaving = false;
    r->is_up = false;
    sim_cancel(r->sim, &r->gone);
    fake_uv_wake(&c->loop);
    if (c->replica)
        replica_close(c->replica, true);
    c->replica = NULL;
    uv_close((uv_handle_t *)&r->leaving, NULL);
    control_close_servings(c);
    control_stop(c);
    fake_uv_drain(&c->loop);
    control_fini(c);
    arena_free(r->arena);
    INVARIANT(uv_loop_close(&c->loop) == 0);
}

void replica_kill(struct replica_process *r)
{
    if (!r->is_up)
        return;
    r->control.keeper.dir = NULL; /* what it would still write to its disk, it does not */
    take_down(r);
}

void replica_stop_for(struct replica_process *r, uint64_t us)
{
    r->process.stopped_until_us = r->sim->now_us + us;
}

bool replica_is_ready(const struct replica_process *r)
{
    return r->is_up && r->control.state == REPLICA_SERVING &&
           r->process.stopped_until_us <= r->sim->now_us;
}
