#include "daemon/tidy.h"

#include <malloc.h>

enum { TIDY_WORTH_BYTES = 16 * 1024 * 1024 };

static void on_time(uv_timer_t *timer)
{
    struct tidy *t = container_of(timer, struct tidy, timer);
    int64_t now = *t->bytes_sent;
    bool is_quiet = now == t->last_seen;
    if (now - t->last_seen > TIDY_WORTH_BYTES)
        t->is_owed = true;
    t->last_seen = now;
    if (!is_quiet || !t->is_owed)
        return;
    t->is_owed = false;
    malloc_trim(0);
}

void tidy_open(struct tidy *t, uv_loop_t *loop, const metric_value *bytes_sent)
{
    *t = (struct tidy){ .bytes_sent = bytes_sent };
    uv_timer_init(loop, &t->timer);
    uv_timer_start(&t->timer, on_time, TIDY_MS, TIDY_MS);
}

void tidy_close(struct tidy *t)
{
    uv_close((uv_handle_t *)&t->timer, NULL);
}
