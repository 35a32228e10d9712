#include "daemon/client_status.h"

#include "xds/status_page.h"

void client_status_open(struct client_status *s, struct serving **servings, size_t count)
{
    *s = (struct client_status){ .servings = servings, .count = count };
}

static struct client_status_waiter **place_of(struct client_status *s, uint64_t call)
{
    struct client_status_waiter **at = &s->first;
    while (*at && (*at)->call != call)
        at = &(*at)->next;
    return at;
}

static void finish(struct client_status_waiter **at, const char *why)
{
    struct client_status_waiter *w = *at;
    *at = w->next;
    w->on_done(w, why);
}

void client_status_close(struct client_status *s)
{
    while (s->first)
        finish(&s->first, "pilotd ends");
}

void client_status_ask(struct client_status *s, const char *node_id, struct client_status_waiter *w)
{
    w->call = ++s->calls;
    w->next = s->first;
    s->first = w;
    serving_fill_status(
        s->servings[0], NULL, status_page_new(status_query_exact(node_id), w->call, false));
}

void client_status_take(struct client_status *s, struct status_page *page)
{
    struct client_status_waiter **at = place_of(s, page->call), *w = *at;
    bool is_too_long = false;
    if (w) {
        if (page->configs.size)
            buf_append(&w->answer, page->configs.data, page->configs.size);
        buf_clear(&page->configs);
        is_too_long = w->answer.size > CLIENT_STATUS_MAX_BYTES;
    }
    if (w && !is_too_long && !page->is_last) {
        serving_fill_status(s->servings[page->server], NULL, page);
        return;
    }
    if (w)
        finish(at, is_too_long ? "the answer is too long" : NULL);
    status_page_free(page);
}
