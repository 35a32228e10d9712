#include "http.h"

#include "tests/sim/fake_uv.h"

#include <string.h>

struct http {
    uv_loop_t *loop;
};

struct http_job {
    struct http *http;
    struct http_request *request;
    struct http_job *next;
    char *path;
};

static struct http_job *jobs;

void made_http_begin(void)
{
    INVARIANT(!jobs);
}

struct http_request *made_http_find(unsigned index)
{
    unsigned count = 0;
    for (struct http_job *j = jobs; j; j = j->next)
        count++;
    if (!count)
        return NULL;
    struct http_job *j = jobs;
    for (unsigned at = index % count; at > 0; at--)
        j = j->next;
    return j->request;
}

const char *made_http_method(const struct http_request *r)
{
    return r->job->path;
}

static void drop(struct http_request *r)
{
    struct http_job **at = &jobs, *j = r->job;
    while (*at != j)
        at = &(*at)->next;
    *at = j->next;
    free(j->path);
    free(j);
    r->job = NULL;
}

static void finish(struct http_request *r, const struct http_result *result)
{
    drop(r);
    r->handlers->on_end(r, result);
    if (!r->job)
        buf_fini(&r->received);
}

static void end_too_large(struct http_request *r)
{
    struct error err;
    error_set(&err, ERROR_GARBLED, "the answer is too large");
    finish(r, &(struct http_result){ .err = &err, .is_too_large = true });
}

void made_http_say(struct http_request *r, const void *bytes, size_t size_bytes)
{
    fake_uv_wake(r->job->http->loop);
    if (r->received.size + size_bytes > r->limits.body_bytes) {
        end_too_large(r);
        return;
    }
    buf_append(&r->received, bytes, size_bytes);
    if (r->handlers->on_data)
        r->handlers->on_data(r);
}

void made_http_end(
    struct http_request *r, const char *status, const char *text, const char *problem)
{
    struct error err;
    fake_uv_wake(r->job->http->loop);
    if (status) {
        r->handlers->on_header(r, "grpc-status", status);
        r->handlers->on_header(r, "grpc-message", text);
    }
    if (problem)
        error_set(&err, ERROR_UNREACHABLE, "%s", problem);
    finish(
        r, &(struct http_result){ .err = problem ? &err : NULL, .is_unsent = problem && !status });
}

/* ---- replication/http.h ---- */

struct http *http_open(uv_loop_t *loop, const struct http_tls *tls)
{
    struct http *h = xcalloc(1, sizeof *h);
    INVARIANT(!tls);
    h->loop = loop;
    return h;
}

const char *http_scheme(const struct http *h)
{
    (void)h;
    return "http";
}

void http_close(struct http *h)
{
    free(h);
}

void http_start(struct http *h, struct http_request *r)
{
    struct http_job *j = xcalloc(1, sizeof *j);
    INVARIANT(!r->job);
    j->http = h;
    j->request = r;
    j->path = xstrdup(strchr(strstr(r->url, "//") + 2, '/'));
    j->next = jobs;
    jobs = j;
    r->job = j;
    buf_clear(&r->received);
}

void http_cancel(struct http_request *r)
{
    if (r->job)
        drop(r);
    buf_fini(&r->received);
    r->received = (struct buf){ 0 };
}
