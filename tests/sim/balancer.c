#include "balancer.h"

enum { CHECK_MS = 300, FALL = 2 };

static bool answers(const struct balancer *b, size_t i)
{
    const struct replica_process *r = &b->replicas[i];
    return r->is_up && r->process.stopped_until_us <= b->sim->now_us;
}

static void cut_streams(struct balancer *b, const struct sim_process *process)
{
    for (size_t i = 0; i < b->proxy_count; i++)
        if (b->proxies[i].process == process)
            proxy_hang_up(&b->proxies[i]);
}

static void on_check(struct sim_event *event)
{
    struct balancer *b = container_of(event, struct balancer, check);
    for (size_t i = 0; i < b->replica_count; i++) {
        b->seen[i].silent = answers(b, i) ? 0 : b->seen[i].silent + 1;
        if (b->seen[i].silent == 0)
            b->seen[i].is_ready = replica_is_ready(&b->replicas[i]);
        else if (b->seen[i].silent >= FALL)
            b->seen[i].is_ready = false;
        if (b->seen[i].silent == FALL)
            cut_streams(b, &b->replicas[i].process);
    }
    sim_schedule(b->sim, event, CHECK_MS * SIM_MS);
}

void balancer_begin(struct balancer *b)
{
    b->check.run = on_check;
    sim_schedule(b->sim, &b->check, 0);
}

void balancer_end(struct balancer *b)
{
    sim_cancel(b->sim, &b->check);
}

struct sim_process *balancer_choose(struct balancer *b)
{
    size_t candidates[ARRAY_COUNT(b->seen)], count = 0;
    for (size_t i = 0; i < b->replica_count; i++)
        if (b->seen[i].is_ready)
            candidates[count++] = i;
    for (size_t i = 0; count == 0 && i < b->replica_count; i++)
        if (b->seen[i].silent < FALL && b->replicas[i].control.published)
            candidates[count++] = i;
    return count ? &b->replicas[candidates[sim_below(b->sim, count)]].process : NULL;
}
