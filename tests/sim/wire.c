#include "wire.h"

enum { MOST_US = 20 * SIM_MS };

static void free_parcel(struct parcel *p)
{
    buf_fini(&p->bytes);
    free(p);
}

static void on_arrival(struct sim_event *event)
{
    struct wire *w = container_of(event, struct wire, event);
    uint64_t until_us = w->handlers->blocked_until ? w->handlers->blocked_until(w) : 0;
    struct parcel *p = w->first;
    if (until_us > w->sim->now_us) {
        sim_schedule(w->sim, event, until_us - w->sim->now_us + sim_delay(w->sim, 5 * SIM_MS));
        return;
    }
    w->first = p->next;
    if (w->first)
        sim_schedule(w->sim, event, sim_delay(w->sim, w->most_us / 10));
    else
        w->last = NULL;
    w->handlers->on_arrival(w, p);
    free_parcel(p);
}

void wire_open(struct wire *w, struct sim *sim, const struct wire_handlers *handlers,
    struct sim_process *process, const void *loop)
{
    *w = (struct wire){ .sim = sim, .handlers = handlers, .most_us = MOST_US };
    w->event = (struct sim_event){
        .run = on_arrival, .process = process, .loop = loop, .is_from_outside = true
    };
}

void wire_send(struct wire *w, int tag, const void *bytes, size_t size_bytes)
{
    struct parcel *p = xcalloc(1, sizeof *p);
    p->tag = tag;
    if (size_bytes)
        buf_append(&p->bytes, bytes, size_bytes);
    if (w->last)
        w->last->next = p;
    else
        w->first = p;
    w->last = p;
    if (w->first == p)
        sim_schedule(w->sim, &w->event, sim_delay(w->sim, w->most_us));
}

void wire_close(struct wire *w)
{
    if (!w->sim)
        return;
    sim_cancel(w->sim, &w->event);
    while (w->first) {
        struct parcel *p = w->first;
        w->first = p->next;
        free_parcel(p);
    }
    w->last = NULL;
}
