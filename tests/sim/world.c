#include "world.h"

#include "fake_uv.h"

enum { TROUBLE_MS = 15000, CALM_MS = 60000, LOOK_MS = 500, REST_MS = 3000 };

static void on_commit(struct fake_etcd *e, void *owner)
{
    struct world *w = owner;
    (void)e;
    truth_note(&w->truth);
    check_holds_committed(w);
    check_epoch_committed(w);
    check_expiry_committed(w);
}

static void begin(struct world *w, struct sim *sim)
{
    *w = (struct world){ .sim = sim, .a = arena_new(), .began_us = sim->now_us };
    fake_uv_begin(sim);
    fake_etcd_init(&w->etcd, sim);
    w->net = (struct fake_net){ .sim = sim, .etcd = &w->etcd };
    fake_http_begin(&w->net);
    truth_init(&w->truth, &w->etcd);
    w->etcd.on_commit = on_commit;
    w->etcd.owner = w;
    w->replica_count = sim_between(sim, 2, REPLICAS_MAX);
    for (size_t i = 0; i < w->replica_count; i++)
        replica_init(&w->replicas[i], sim, i);
    check_proxies_begin(w);
    w->proxy_count = sim_between(sim, 1, PROXIES_MAX);
    for (size_t i = 0; i < w->proxy_count; i++)
        proxy_init(&w->proxies[i], sim, i, &w->proxy_owner);
    w->balancer = (struct balancer){
        .sim = sim,
        .replicas = w->replicas,
        .proxies = w->proxies,
        .replica_count = w->replica_count,
        .proxy_count = w->proxy_count,
    };
    balancer_begin(&w->balancer);
    history_begin(w);
}

static void run_for(struct world *w, uint64_t us)
{
    uint64_t until_us = w->sim->now_us + us;
    while (!w->sim->has_failed && sim_step(w->sim, until_us))
        check_step(w);
}

static void end(struct world *w)
{
    w->sim->is_over = true;
    balancer_end(&w->balancer);
    for (size_t i = 0; i < w->proxy_count; i++)
        proxy_fini(&w->proxies[i]);
    for (size_t i = 0; i < w->replica_count; i++)
        replica_kill(&w->replicas[i]);
    for (size_t i = 0; i < w->replica_count; i++)
        replica_wipe(&w->replicas[i]);
    sim_cancel(w->sim, &w->write);
    sim_cancel(w->sim, &w->fault);
    sim_cancel(w->sim, &w->renewal);
    sim_cancel(w->sim, &w->etcd.expiry);
    while (sim_step(w->sim, UINT64_MAX)) /* what is still on its way */
        ;
    w->etcd.on_commit = NULL;
    check_holds_forget(w);
    truth_fini(&w->truth);
    fake_etcd_fini(&w->etcd);
    arena_free(w->a);
}

static bool is_at_rest(struct world *w)
{
    return world_is_at_rest(w) && proxies_are_at_rest(w, false) && share_is_at_rest(w, false) &&
           epoch_is_at_rest(w, false);
}

void world_run(struct world *w, struct sim *sim)
{
    begin(w, sim);
    run_for(w, TROUBLE_MS * SIM_MS);
    history_end(w);
    for (unsigned ms = 0, rest_ms = 0; ms < CALM_MS && rest_ms < REST_MS; ms += LOOK_MS) {
        run_for(w, LOOK_MS * SIM_MS);
        w->recovery_ms = ms + LOOK_MS - rest_ms;
        rest_ms = is_at_rest(w) ? rest_ms + LOOK_MS : 0;
    }
    check_rest(w);
    proxies_are_at_rest(w, true);
    share_is_at_rest(w, true);
    check_holds_rest(w);
    epoch_is_at_rest(w, true);
    check_expiry_rest(w);
    end(w);
}
