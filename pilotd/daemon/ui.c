#include "daemon/ui.h"

#include "daemon/json_out.h"
#include "daemon/listings.h"
#include "daemon/page.h"
#include "daemon/report.h"

#include <string.h>

enum { ROUNDS_MAX = 6 /* of asking the serving loops: with many proxies one may take its time */ };

enum part { PART_STATUS = 1, PART_PROXIES = 2, PART_SERVICES = 4, PART_GRAPH = 8 };

struct view {
    const char *path, *what, *title; /* title NULL: it is JSON */
    unsigned parts;
};

static const struct view views[] = {
    { "/", "the status page", "Overview", PART_STATUS | PART_PROXIES | PART_SERVICES | PART_GRAPH },
    { "/ui/proxies", "its proxies", "Proxies", PART_PROXIES },
    { "/ui/services", "its services", "Services", PART_SERVICES },
    { "/ui/routes", "its routes", "Routes", PART_GRAPH },
    { "/debug/services", "?search=&from=&limit=: services with their health", NULL, PART_SERVICES },
    { "/debug/routes", "?search=&from=&limit=: where VirtualServices lead", NULL, PART_GRAPH },
    { "/debug/proxies", "?search=&sort=&order=&from=&limit=: some of them", NULL, PART_PROXIES },
};

/* One answer on its way. */
struct visit {
    struct roll_call_waiter waiter;
    uv_work_t work;
    struct control *control;
    struct http_exchange *exchange;
    const struct view *view;
    struct arena *arena;
    struct range range;
    struct buf *reports; /* of the serving loops */
    size_t report_count;
    unsigned rounds; /* of asking them */
    struct page page;
    cJSON *status, *proxies, *services, *graph;
    struct buf body;
};

static void end_visit(struct visit *v, int status, const char *type)
{
    http_respond(v->exchange, status, type, &v->body);
    for (size_t i = 0; i < v->report_count; i++)
        buf_fini(&v->reports[i]);
    free(v->reports);
    cJSON_Delete(v->status);
    cJSON_Delete(v->proxies);
    cJSON_Delete(v->services);
    cJSON_Delete(v->graph);
    arena_free(v->arena);
    free(v);
}

static void refuse(struct visit *v, const char *why)
{
    buf_printf(&v->body, "%s: %s\n", v->view->path, why);
    end_visit(v, 400, "text/plain; charset=utf-8");
}

/* On a thread of the pool. */
static void render_visit(uv_work_t *work)
{
    struct visit *v = container_of(work, struct visit, work);
    const struct view *view = v->view;
    if (view->parts & PART_PROXIES)
        v->proxies = listing_proxies(v->reports, v->report_count, &v->range);
    if (!view->title) {
        cJSON **json = view->parts & PART_PROXIES    ? &v->proxies
                       : view->parts & PART_SERVICES ? &v->services
                                                     : &v->graph;
        json_out(&v->body, *json);
        *json = NULL;
        return;
    }
    v->page.status = v->status;
    v->page.proxies = v->proxies;
    v->page.services = v->services;
    v->page.graph = v->graph;
    page_render(&v->body, &v->page);
}

static void on_rendered(uv_work_t *work, int status)
{
    struct visit *v = container_of(work, struct visit, work);
    (void)status; /* nobody cancels it */
    end_visit(v, 200, v->view->title ? "text/html; charset=utf-8" : "application/json");
}

static void begin_rendering(struct visit *v)
{
    INVARIANT(uv_queue_work(&v->control->loop, &v->work, render_visit, on_rendered) == 0);
}

/* The reports are the round's own. What comes too late for one round counts in the next. */
static void on_census(struct roll_call_waiter *waiter, const struct roll_call_result *result)
{
    struct visit *v = container_of(waiter, struct visit, waiter);
    bool is_late = !result->is_complete && !result->is_last;
    if (is_late && ++v->rounds < ROUNDS_MAX) {
        roll_call_ask(&v->control->census, &v->waiter);
        return;
    }
    v->reports = xcalloc(result->count + 1, sizeof *v->reports);
    v->report_count = result->count;
    v->page.is_partial = !result->is_complete;
    for (size_t i = 0; i < result->count; i++)
        buf_append(&v->reports[i], result->reports[i].data, result->reports[i].size);
    begin_rendering(v);
}

/* What the control loop has is taken now, so that it is of one moment. */
static void gather(struct visit *v)
{
    const struct snapshot *s = v->control->published ? v->control->published->snapshot : NULL;
    struct range unsorted = v->range;
    unsorted.sort = "";
    if (v->view->parts & PART_STATUS)
        v->status = report_status_json(v->control);
    if (v->view->parts & PART_SERVICES)
        v->services = listing_services(s, &unsorted);
    if (v->view->parts & PART_GRAPH)
        v->graph = listing_graph(s, &unsorted);
    if (v->view->parts & PART_PROXIES)
        roll_call_ask(&v->control->census, &v->waiter);
    else
        begin_rendering(v);
}

/* Only proxies can be sorted. */
static const char *check_sort(const struct view *view, const struct range *range)
{
    if (!*range->sort)
        return NULL;
    if (!(view->parts & PART_PROXIES))
        return "it cannot be sorted";
    return listing_can_sort(range->sort) ? NULL : "sort must be id, address, version or state";
}

static void begin_visit(
    struct control *c, const struct view *view, const char *query, struct http_exchange *x)
{
    struct visit *v = xcalloc(1, sizeof *v);
    v->control = c;
    v->exchange = x;
    v->view = view;
    v->arena = arena_new();
    v->waiter.on_done = on_census;
    v->page = (struct page){ .path = view->path, .title = view->title, .id = c->options->id };
    const char *why = range_parse(v->arena, query, &v->range);
    if (!why)
        why = check_sort(view, &v->range);
    if (why)
        refuse(v, why);
    else
        gather(v);
}

static void respond_file(struct http_exchange *x, const struct page_file *file)
{
    struct buf body = { 0 };
    buf_append(&body, file->bytes, file->size);
    http_respond(x, 200, file->content_type, &body);
}

bool ui_respond(struct control *c, const struct http1_request *request, struct http_exchange *x)
{
    const struct page_file *file = page_file_find(request->path);
    /* Without a question it is all of them, as it has always been. */
    bool is_all = strcmp(request->path, "/debug/proxies") == 0 && !*request->query;
    for (size_t i = 0; !is_all && i < ARRAY_COUNT(views); i++)
        if (strcmp(request->path, views[i].path) == 0) {
            begin_visit(c, &views[i], request->query, x);
            return true;
        }
    if (file)
        respond_file(x, file);
    return file != NULL;
}

void ui_list(struct buf *out)
{
    for (size_t i = 0; i < ARRAY_COUNT(views); i++)
        buf_printf(out, "%-16s %s\n", views[i].path, views[i].what);
}
