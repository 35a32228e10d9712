#include "xds/admission.h"

static void append(struct admission_queue *q, struct admission_place *p)
{
    p->before = q->last;
    p->next = NULL;
    *(q->last ? &q->last->next : &q->first) = p;
    q->last = p;
}

static void unlink_from(struct admission_queue *q, struct admission_place *p)
{
    *(p->before ? &p->before->next : &q->first) = p->next;
    *(p->next ? &p->next->before : &q->last) = p->before;
    p->before = p->next = NULL;
}

static bool has_room(const struct admission *a)
{
    return a->limit == 0 || a->count < a->limit;
}

static void join(struct admission *a, struct admission_place *p, uint64_t now_ms)
{
    p->state = ADMISSION_JOINING;
    p->since_ms = now_ms;
    append(&a->joining, p);
    a->count++;
    metric_add(&a->stats->joining, 1);
}

bool admission_enter(struct admission *a, struct admission_place *p, uint64_t now_ms)
{
    if (has_room(a) && !a->waiting.first) {
        join(a, p, now_ms);
        return true;
    }
    p->state = ADMISSION_WAITING;
    append(&a->waiting, p);
    metric_add(&a->stats->waiting, 1);
    metric_add(&a->stats->waited, 1);
    return false;
}

void admission_leave(struct admission *a, struct admission_place *p)
{
    if (p->state == ADMISSION_OUTSIDE)
        return;
    bool is_joining = p->state == ADMISSION_JOINING;
    unlink_from(is_joining ? &a->joining : &a->waiting, p);
    metric_add(is_joining ? &a->stats->joining : &a->stats->waiting, -1);
    a->count -= is_joining;
    p->state = ADMISSION_OUTSIDE;
}

struct admission_place *admission_next(struct admission *a, uint64_t now_ms)
{
    struct admission_place *p = a->waiting.first;
    if (!p || !has_room(a))
        return NULL;
    admission_leave(a, p);
    join(a, p, now_ms);
    return p;
}

static uint64_t ends_ms(const struct admission *a, const struct admission_place *p)
{
    return p->since_ms + a->hold_ms;
}

void admission_expire(struct admission *a, uint64_t now_ms)
{
    while (a->joining.first && ends_ms(a, a->joining.first) <= now_ms) {
        metric_add(&a->stats->overdue, 1);
        admission_leave(a, a->joining.first);
    }
}

int64_t admission_due_ms(const struct admission *a, uint64_t now_ms)
{
    if (a->waiting.first && has_room(a))
        return 0;
    if (!a->joining.first)
        return -1;
    uint64_t end = ends_ms(a, a->joining.first);
    return end > now_ms ? (int64_t)(end - now_ms) : 0;
}
