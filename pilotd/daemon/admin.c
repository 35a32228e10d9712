#include "daemon/admin.h"

#include "daemon/events.h"
#include "daemon/http_server.h"
#include "daemon/inspect.h"
#include "daemon/readiness.h"
#include "daemon/report.h"
#include "daemon/ui.h"

#include <string.h>

struct admin {
    struct http_handler handler;
    struct control *control;
    struct http_server *server;
    struct events *events;
};

/* A request whose answer needs the serving loops. */
struct inquiry {
    struct roll_call_waiter waiter;
    struct control *control;
    struct http_exchange *exchange;
};

static const char text_plain[] = "text/plain; charset=utf-8";
static const char json_type[] = "application/json";
static const char events_path[] = "/debug/events";

static void respond_text(struct http_exchange *x, int status, const char *text)
{
    struct buf body = { 0 };
    buf_text(&body, text);
    http_respond(x, status, text_plain, &body);
}

/* ---- /ready ---- */

static void respond_readiness(struct inquiry *inquiry, int status, struct buf *text)
{
    buf_text(text, "\n");
    http_respond(inquiry->exchange, status, text_plain, text);
    free(inquiry);
}

static void on_serving(struct roll_call_waiter *waiter, const struct roll_call_result *result)
{
    struct inquiry *inquiry = container_of(waiter, struct inquiry, waiter);
    struct buf text = { 0 };
    int status = readiness_serving(inquiry->control, result, &text);
    respond_readiness(inquiry, status, &text);
}

static void on_ready(struct roll_call_waiter *waiter, const struct roll_call_result *result)
{
    struct inquiry *inquiry = container_of(waiter, struct inquiry, waiter);
    struct buf text = { 0 };
    int status = readiness_ready(inquiry->control, result, &text);
    respond_readiness(inquiry, status, &text);
}

/* ---- /debug/proxies ---- */

/* One array out of many: each is "[…]". */
static void join_arrays(struct buf *out, const struct roll_call_result *result)
{
    bool is_first = true;
    buf_text(out, "[");
    for (size_t i = 0; i < result->count; i++) {
        const struct buf *report = &result->reports[i];
        if (report->size <= 2)
            continue;
        buf_text(out, is_first ? "" : ",");
        buf_append(out, report->data + 1, report->size - 2);
        is_first = false;
    }
    buf_text(out, "]\n");
}

static void on_census(struct roll_call_waiter *waiter, const struct roll_call_result *result)
{
    struct inquiry *inquiry = container_of(waiter, struct inquiry, waiter);
    struct buf body = { 0 };
    join_arrays(&body, result);
    http_respond(inquiry->exchange, result->is_complete ? 200 : 503, json_type, &body);
    free(inquiry);
}

static void inquire(struct control *c, struct roll_call *call, struct http_exchange *x,
    void (*on_done)(struct roll_call_waiter *, const struct roll_call_result *))
{
    struct inquiry *inquiry = xcalloc(1, sizeof *inquiry);
    inquiry->waiter.on_done = on_done;
    inquiry->control = c;
    inquiry->exchange = x;
    roll_call_ask(call, &inquiry->waiter);
}

/* ---- the pages ---- */

static void page_ready(struct control *c, struct http_exchange *x)
{
    inquire(c, &c->pulse, x, on_ready);
}

static void page_serving(struct control *c, struct http_exchange *x)
{
    inquire(c, &c->pulse, x, on_serving);
}

static void page_proxies(struct control *c, struct http_exchange *x)
{
    inquire(c, &c->census, x, on_census);
}

static void page_healthz(struct control *c, struct http_exchange *x)
{
    (void)c;
    respond_text(x, 200, "ok\n");
}

static void page_metrics(struct control *c, struct http_exchange *x)
{
    struct buf body = { 0 };
    report_gauges(c);
    stats_render(&c->stats, &body);
    http_respond(x, 200, "text/plain; version=0.0.4; charset=utf-8", &body);
}

static void page_status(struct control *c, struct http_exchange *x)
{
    struct buf body = { 0 };
    report_status(c, &body);
    http_respond(x, 200, json_type, &body);
}

static void page_snapshot(struct control *c, struct http_exchange *x)
{
    struct buf body = { 0 };
    report_snapshot(c, &body);
    http_respond(x, 200, json_type, &body);
}

static void page_changes(struct control *c, struct http_exchange *x)
{
    struct buf body = { 0 };
    applied_report(&c->applied, &body);
    http_respond(x, 200, json_type, &body);
}

static void page_versions(struct control *c, struct http_exchange *x)
{
    struct buf body = { 0 };
    report_versions(c, &body);
    http_respond(x, 200, json_type, &body);
}

static const struct {
    const char *path, *what;
    void (*respond)(struct control *c, struct http_exchange *x);
} pages[] = {
    { "/ready",
        "200 when this replica is fit for new streams, 404 when it is stale or full",
        page_ready },
    { "/serving", "200 when it serves, stale or not", page_serving },
    { "/healthz", "200 when the process lives", page_healthz },
    { "/metrics", "Prometheus", page_metrics },
    { "/debug/status", "the replicas, agreement, what was rejected", page_status },
    { "/debug/versions", "what the hash covers, each with its version", page_versions },
    { "/debug/changes", "when this replica applied the last changes", page_changes },
    { "/debug/proxies", "the connected proxies", page_proxies },
    { "/debug/snapshot", "objects and services", page_snapshot },
};

static void respond_list(struct http_exchange *x, int status)
{
    struct buf body = { 0 };
    for (size_t i = 0; i < ARRAY_COUNT(pages); i++)
        buf_printf(&body, "%-16s %s\n", pages[i].path, pages[i].what);
    for (size_t i = 0; i < inspect_page_count; i++)
        buf_printf(&body, "%-16s %s\n", inspect_pages[i].path, inspect_pages[i].what);
    ui_list(&body);
    buf_printf(&body, "%-16s %s\n", events_path, "server-sent events: something has changed");
    http_respond(x, status, text_plain, &body);
}

static void on_request(
    struct http_handler *handler, const struct http1_request *request, struct http_exchange *x)
{
    struct admin *a = container_of(handler, struct admin, handler);
    if (strcmp(request->path, events_path) == 0) {
        events_listen(a->events, request, x);
        return;
    }
    if (ui_respond(a->control, request, x))
        return;
    for (size_t i = 0; i < ARRAY_COUNT(pages); i++)
        if (strcmp(request->path, pages[i].path) == 0) {
            pages[i].respond(a->control, x);
            return;
        }
    if (!inspect_respond(a->control, request, x))
        respond_list(x, strcmp(request->path, "/debug") == 0 ? 200 : 404);
}

bool admin_open(struct control *c, struct admin **out, struct error *err)
{
    struct admin *a = xcalloc(1, sizeof *a);
    a->handler.on_request = on_request;
    a->control = c;
    if (http_server_open(&c->loop,
            c->options->admin,
            c->sockets.admin,
            &a->handler,
            &c->stats.admin_requests,
            &c->stats.admin_errors,
            &a->server,
            err)) {
        a->events = events_open(c);
        *out = a;
        return true;
    }
    free(a);
    return error_context(err, "--admin");
}

int admin_port(const struct admin *a)
{
    return http_server_port(a->server);
}

void admin_close(struct admin *a)
{
    if (!a)
        return;
    http_server_close(a->server);
    events_close(a->events);
    free(a);
}
