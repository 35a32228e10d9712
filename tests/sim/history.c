#include "world.h"

#include <string.h>

enum {
    WRITE_MS = 400,
    BURST_WRITE_MS = 8,
    BURST_MS = 120,
    FAULT_MS = 1200,
    RENEWAL_MS = 1500,
    INSTANCE_TTL_MS = 6000
};

static uint64_t about_ms(struct world *w, uint64_t ms)
{
    return sim_between(w->sim, 1, 2 * ms) * SIM_MS;
}

static struct replica_process *any_replica(struct world *w)
{
    return &w->replicas[sim_below(w->sim, w->replica_count)];
}

/* ---- writing ---- */

/* Of every other service, all instances hang on one lease. */
static struct registrar *registrar_of(struct world *w, size_t service, size_t instance)
{
    return &w->registrars[service][service % 2 ? 0 : instance];
}

static void write_instance(struct world *w, size_t service, size_t instance)
{
    struct registrar *r = registrar_of(w, service, instance);
    const char *key = vocabulary_instance_key(w->a, service, instance);
    if (!etcd_lease_find(&w->etcd, r->lease))
        r->lease = etcd_lease_grant(&w->etcd, INSTANCE_TTL_MS);
    r->is_alive = true;
    etcd_put_text(&w->etcd, key, vocabulary_instance(w->sim, w->a, service, instance), r->lease);
}

static void write_value(struct world *w, const char *key)
{
    bool is_bad = sim_chance(w->sim, 120);
    const char *value = vocabulary_value(w->sim, w->a, key, is_bad);
    etcd_put_text(&w->etcd, key, value, 0);
    check_holds_written(w, key, value, is_bad);
}

/* As one file of several resources is applied. */
static void write_several(struct world *w)
{
    struct etcd_commit c = etcd_begin(&w->etcd);
    struct map keys = { 0 };
    for (size_t i = sim_between(w->sim, 2, 5); i > 0; i--) {
        const char *key = vocabulary_key(w->sim, w->a);
        const char *value = vocabulary_value(w->sim, w->a, key, false);
        if (map_put(&keys, key, w))
            continue;
        sim_trace(w->sim, "etcd: put %s at %lld: %s", key, (long long)c.revision, value);
        etcd_put(&c, key, value, strlen(value), 0);
        check_holds_written(w, key, value, false);
    }
    map_fini(&keys, NULL);
    etcd_commit(&c);
}

static void delete_value(struct world *w, const char *key)
{
    etcd_delete_key(&w->etcd, key);
    check_holds_written(w, key, NULL, false);
}

/* Half of those who take an instance away say so, as they should; or do so when it is gone. */
static void delete_instance(struct world *w, size_t service, size_t instance)
{
    const char *key = vocabulary_instance_key(w->a, service, instance);
    const struct etcd_version *there = etcd_get(&w->etcd, key);
    if (sim_chance(w->sim, 500)) {
        etcd_delete_key(&w->etcd, key);
        return;
    }
    const char *tombstone = arena_printf(w->a, "/pilot/tombstones/%s", key + strlen("/pilot/"));
    int64_t lease = there ? there->lease : etcd_lease_grant(&w->etcd, INSTANCE_TTL_MS);
    struct etcd_commit c = etcd_begin(&w->etcd);
    sim_trace(w->sim, "etcd: %s says farewell at %lld", key, (long long)c.revision);
    etcd_delete(&c, key);
    etcd_put(&c, tombstone, "{}", 2, lease);
    etcd_commit(&c);
}

/* An operator's slip: the key `cluster` is deleted or garbled. */
static void hurt_cluster_key(struct world *w)
{
    if (!etcd_get(&w->etcd, CLUSTER_KEY))
        return;
    if (sim_chance(w->sim, 500))
        etcd_delete_key(&w->etcd, CLUSTER_KEY);
    else
        etcd_put_text(&w->etcd, CLUSTER_KEY, "{\"epoch\":", 0);
}

static void write_something(struct world *w)
{
    const char *key = vocabulary_key(w->sim, w->a);
    size_t service = sim_below(w->sim, SERVICES), instance = sim_below(w->sim, INSTANCES);
    unsigned at = (unsigned)sim_below(w->sim, 100);
    if (at < 25)
        write_instance(w, service, instance);
    else if (at < 32)
        delete_instance(w, service, instance);
    else if (at < 42)
        delete_value(w, key);
    else if (at < 50)
        write_several(w);
    else if (at < 52)
        hurt_cluster_key(w);
    else
        write_value(w, key);
}

static void on_write(struct sim_event *event)
{
    struct world *w = container_of(event, struct world, write);
    do /* at times several at once */
        write_something(w);
    while (sim_chance(w->sim, 300));
    bool is_burst = w->burst_until_us > w->sim->now_us;
    sim_schedule(w->sim, event, about_ms(w, is_burst ? BURST_WRITE_MS : WRITE_MS));
}

static void on_renewal(struct sim_event *event)
{
    struct world *w = container_of(event, struct world, renewal);
    for (size_t s = 0; s < SERVICES; s++)
        for (size_t i = 0; i < INSTANCES; i++) {
            struct etcd_lease_of *lease = etcd_lease_find(&w->etcd, w->registrars[s][i].lease);
            if (lease && w->registrars[s][i].is_alive)
                etcd_lease_keep(&w->etcd, lease);
        }
    sim_schedule(w->sim, event, RENEWAL_MS * SIM_MS);
}

/* ---- faults ---- */

static void kill_replica(struct world *w)
{
    struct replica_process *r = any_replica(w);
    if (r->is_up)
        sim_trace(w->sim, "fault: %s is killed", r->id);
    replica_kill(r);
}

static void start_replica(struct world *w)
{
    struct replica_process *r = any_replica(w);
    if (r->is_up)
        return;
    if (sim_chance(w->sim, 200))
        replica_wipe(r);
    sim_trace(w->sim, "%s starts", r->id);
    replica_start(r);
}

static void kill_or_start(struct world *w)
{
    if (sim_chance(w->sim, 400))
        kill_replica(w);
    else
        start_replica(w);
}

static void leave(struct world *w)
{
    struct replica_process *r = any_replica(w);
    if (!r->is_up) {
        start_replica(w);
        return;
    }
    sim_trace(w->sim, "%s is asked to leave", r->id);
    replica_leave(r);
}

static void stop_replica(struct world *w)
{
    struct replica_process *r = any_replica(w);
    uint64_t us = about_ms(w, sim_chance(w->sim, 300) ? 4000 : 400);
    sim_trace(w->sim, "fault: %s is stopped for %llu us", r->id, (unsigned long long)us);
    replica_stop_for(r, us);
}

static void cut_off(struct world *w)
{
    struct replica_process *r = any_replica(w);
    size_t member = sim_below(w->sim, ETCD_MEMBERS + 1);
    uint64_t us = about_ms(w, sim_chance(w->sim, 400) ? 6000 : 1000);
    sim_trace(w->sim,
        "fault: %s is cut off from m%zu for %llu us",
        r->id,
        member,
        (unsigned long long)us);
    for (size_t m = 0; m < ETCD_MEMBERS; m++)
        if (member == m || member == ETCD_MEMBERS)
            w->net.cut_until_us[r->process.index][m] = w->sim->now_us + us;
}

static void refuse(struct world *w)
{
    struct replica_process *r = any_replica(w);
    size_t member = sim_below(w->sim, ETCD_MEMBERS);
    bool *is_refused = &w->net.is_refused[r->process.index][member];
    *is_refused = !*is_refused;
    sim_trace(w->sim, "fault: m%zu refuses %s: %d", member, r->id, *is_refused);
    if (*is_refused)
        fake_http_reset(&w->net, &r->process, member);
}

static void reset(struct world *w)
{
    struct replica_process *r = any_replica(w);
    sim_trace(w->sim, "fault: connections of %s to etcd are reset", r->id);
    fake_http_reset(&w->net, &r->process, sim_below(w->sim, ETCD_MEMBERS + 1));
}

static void hurt_member(struct world *w)
{
    size_t m = sim_below(w->sim, ETCD_MEMBERS);
    uint64_t until_us = w->sim->now_us + about_ms(w, sim_chance(w->sim, 300) ? 5000 : 1500);
    bool is_stopped = sim_chance(w->sim, 500);
    sim_trace(w->sim, "fault: m%zu is %s", m, is_stopped ? "stopped" : "isolated");
    *(is_stopped ? &w->etcd.members[m].stopped_until_us : &w->etcd.members[m].isolated_until_us) =
        until_us;
}

static void lose_quorum(struct world *w)
{
    uint64_t us = about_ms(w, 3000);
    sim_trace(w->sim, "fault: etcd loses its quorum for %llu us", (unsigned long long)us);
    for (size_t m = 0; m < ETCD_MEMBERS; m++)
        w->etcd.members[m].isolated_until_us = w->sim->now_us + us;
}

static void compact(struct world *w)
{
    etcd_compact(&w->etcd, w->etcd.revision - (int64_t)sim_below(w->sim, 5));
}

static void back_up_or_restore(struct world *w)
{
    if (w->etcd.backup == 0 || sim_chance(w->sim, 600)) {
        etcd_backup(&w->etcd);
        return;
    }
    etcd_restore(&w->etcd);
    check_holds_forget(w);
    w->vanished = NULL;
    w->restored_us = w->sim->now_us;
    fake_http_reset(&w->net, NULL, ETCD_MEMBERS);
}

static void lose_registrars(struct world *w)
{
    size_t s = sim_below(w->sim, SERVICES), all = sim_below(w->sim, 2);
    for (size_t i = 0; i < INSTANCES; i++)
        if (all || sim_chance(w->sim, 400))
            w->registrars[s][i].is_alive = false;
    sim_trace(w->sim, "fault: registrars of s%zu are gone", s);
}

static void lose_answers(struct world *w)
{
    w->net.lost_of_1000 = (unsigned)sim_below(w->sim, 2) * (unsigned)sim_below(w->sim, 150);
    w->net.torn_of_1000 = (unsigned)sim_below(w->sim, 2) * (unsigned)sim_below(w->sim, 50);
    sim_trace(w->sim,
        "fault: of 1000 answers, %u are lost and %u are torn",
        w->net.lost_of_1000,
        w->net.torn_of_1000);
}

static void fill(struct world *w)
{
    w->etcd.is_full = !w->etcd.is_full;
    sim_trace(w->sim, "fault: etcd is full: %d", w->etcd.is_full);
}

static void lose_stream(struct world *w)
{
    struct proxy *p = &w->proxies[sim_below(w->sim, w->proxy_count)];
    uint64_t us = about_ms(w, 2000);
    if (sim_chance(w->sim, 500) || !p->channel) {
        proxy_hang_up(p);
        return;
    }
    sim_trace(w->sim, "fault: %s hears nothing for %llu us", p->id, (unsigned long long)us);
    p->cut_until_us = w->sim->now_us + us;
    channel_cut(p->channel, p->cut_until_us);
}

/* A balancer dies, and something is written while all come back at once. */
static void lose_balancer(struct world *w)
{
    sim_trace(w->sim, "fault: a balancer dies");
    for (size_t i = 0; i < w->proxy_count; i++)
        proxy_hang_up(&w->proxies[i]);
    w->burst_until_us = w->sim->now_us + BURST_MS * SIM_MS;
    sim_schedule(w->sim, &w->write, sim_below(w->sim, BURST_MS * SIM_MS / 2));
}

static void (*const faults[])(struct world *w) = {
    kill_or_start,
    leave,
    stop_replica,
    cut_off,
    refuse,
    reset,
    hurt_member,
    lose_quorum,
    compact,
    back_up_or_restore,
    lose_registrars,
    lose_answers,
    lose_stream,
    lose_balancer,
    fill,
};

static void on_fault(struct sim_event *event)
{
    struct world *w = container_of(event, struct world, fault);
    size_t at = sim_below(w->sim, ARRAY_COUNT(faults));
    if (w->moods & 1u << at)
        faults[at](w);
    sim_schedule(w->sim, event, about_ms(w, FAULT_MS) / (1 + sim_below(w->sim, 3)));
}

/* ---- beginning and end ---- */

static size_t bit_of(unsigned mood)
{
    return (size_t)__builtin_ctz(mood);
}

/* A history has all kinds of faults, a few, or none. */
static unsigned draw_moods(struct world *w)
{
    unsigned all = (1u << ARRAY_COUNT(faults)) - 1;
    switch (sim_below(w->sim, 6)) {
    case 0:
        return 0;
    case 1:
        return all;
    case 2:
        INVARIANT(faults[bit_of(HISTORY_OF_REGISTRARS)] == lose_registrars);
        INVARIANT(faults[bit_of(HISTORY_OF_LOST_QUORUM)] == lose_quorum);
        return HISTORY_OF_REGISTRARS | (sim_chance(w->sim, 500) ? HISTORY_OF_LOST_QUORUM : 0);
    default:
        return (unsigned)sim_roll(w->sim) & (unsigned)sim_roll(w->sim) & all;
    }
}

void history_begin(struct world *w)
{
    w->write.run = on_write;
    w->fault.run = on_fault;
    w->renewal.run = on_renewal;
    static const unsigned slownesses[] = { 1, 1, 4, 15 };
    w->sim->slowness = slownesses[sim_below(w->sim, ARRAY_COUNT(slownesses))];
    w->moods = draw_moods(w);
    sim_trace(w->sim,
        "%zu replicas, faults %x, slowness %u",
        w->replica_count,
        w->moods,
        w->sim->slowness);
    for (size_t i = sim_below(w->sim, 12); i > 0; i--)
        write_something(w);
    for (size_t i = 0; i < w->replica_count; i++)
        replica_start(&w->replicas[i]);
    sim_schedule(w->sim, &w->write, about_ms(w, 3 * WRITE_MS));
    sim_schedule(w->sim, &w->fault, about_ms(w, 3 * FAULT_MS));
    sim_schedule(w->sim, &w->renewal, RENEWAL_MS * SIM_MS);
}

void history_end(struct world *w)
{
    struct fake_net *net = &w->net;
    sim_trace(w->sim, "calm: every fault is mended");
    sim_cancel(w->sim, &w->write);
    sim_cancel(w->sim, &w->fault);
    *net = (struct fake_net){ .sim = w->sim, .etcd = &w->etcd, .jobs = net->jobs };
    w->etcd.is_full = false;
    for (size_t m = 0; m < ETCD_MEMBERS; m++)
        w->etcd.members[m] = (struct etcd_member){ 0 };
    for (size_t i = 0; i < w->proxy_count; i++) {
        struct proxy *p = &w->proxies[i];
        p->refused_of_1000 = 0;
        if (p->channel)
            channel_cut(p->channel, 0);
        if (p->has_refused) /* what it refused is sent again on a new stream alone */
            proxy_hang_up(p);
    }
    for (size_t i = 0; i < w->replica_count; i++) {
        struct replica_process *r = &w->replicas[i];
        if (r->is_leaving)
            replica_kill(r);
        if (!r->is_up)
            replica_start(r);
        if (r->process.stopped_until_us > w->sim->now_us)
            r->process.stopped_until_us = w->sim->now_us;
    }
}
