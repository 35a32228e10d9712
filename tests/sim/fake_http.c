#include "fake_http.h"

#include "fake_uv.h"
#include "replication/grpc.h"
#include "wire.h"

#include <string.h>

enum { CONNECT_US = 3 * SIM_MS, MEMBER_AT = sizeof "http://m" - 1 };
enum tag { MESSAGE, END, RESET };

struct http {
    uv_loop_t *loop;
    struct sim_process *process;
};

struct http_job {
    struct http *http;
    struct http_request *request;
    struct http_job *next, *prev; /* of the net's */
    struct etcd_caller caller;
    struct wire to_etcd, from_etcd;
    struct sim_event connect, deadline, stall;
    size_t member;
    uint64_t began_us;
    char method[64];
    bool is_connected;
    bool is_broken; /* nothing that is said from now on arrives */
};

static struct fake_net *net;

void fake_http_begin(struct fake_net *n)
{
    net = n;
}

/* ---- the end of a job ---- */

static struct http_request *drop_job(struct http_job *j)
{
    struct http_request *r = j->request;
    fake_etcd_hang_up(&j->caller);
    wire_close(&j->to_etcd);
    wire_close(&j->from_etcd);
    sim_cancel(net->sim, &j->connect);
    sim_cancel(net->sim, &j->deadline);
    sim_cancel(net->sim, &j->stall);
    *(j->prev ? &j->prev->next : &net->jobs) = j->next;
    if (j->next)
        j->next->prev = j->prev;
    free(j);
    r->job = NULL;
    return r;
}

static void end_job(struct http_job *j, const struct http_result *result)
{
    struct http_request *r = drop_job(j);
    r->handlers->on_end(r, result);
    if (!r->job)
        buf_fini(&r->received);
}

static void fail_job(struct http_job *j, const char *why)
{
    struct error err = { .code = ERROR_UNREACHABLE };
    struct http_result result = { .err = &err, .is_unsent = !j->is_connected };
    snprintf(err.text, sizeof err.text, "%s", why);
    end_job(j, &result);
}

static uint64_t cut_until(const struct http_job *j)
{
    return net->cut_until_us[j->http->process->index][j->member];
}

static bool is_refused(const struct http_job *j)
{
    return net->is_refused[j->http->process->index][j->member];
}

/* ---- from etcd ---- */

static struct http_job *caller_of(struct etcd_caller *c)
{
    return container_of(c, struct http_job, caller);
}

static void on_message(struct etcd_caller *c, const void *bytes, size_t size_bytes)
{
    struct http_job *j = caller_of(c);
    struct buf frame = { 0 };
    bool is_torn = sim_chance(net->sim, net->torn_of_1000);
    if (j->is_broken)
        return;
    grpc_append_frame_head(&frame, size_bytes);
    buf_append(&frame, bytes, size_bytes);
    if (is_torn)
        frame.size = sim_below(net->sim, frame.size);
    j->is_broken = is_torn || sim_chance(net->sim, net->lost_of_1000);
    if (is_torn || !j->is_broken)
        wire_send(&j->from_etcd, MESSAGE, frame.data, frame.size);
    if (j->is_broken)
        wire_send(&j->from_etcd, RESET, NULL, 0);
    buf_fini(&frame);
}

static void on_answered(struct etcd_caller *c, int status, const char *text)
{
    char line[128];
    int size = snprintf(line, sizeof line, "%d %s", status, text);
    if (!caller_of(c)->is_broken)
        wire_send(&caller_of(c)->from_etcd, END, line, (size_t)size);
}

static void watch_silence(struct http_job *j)
{
    if (j->request->limits.stall_ms)
        sim_schedule(net->sim, &j->stall, j->request->limits.stall_ms * SIM_MS);
}

static void take_end(struct http_job *j, const char *line)
{
    struct http_request *r = j->request;
    char *text;
    long status = strtol(line, &text, 10);
    char number[16];
    snprintf(number, sizeof number, "%ld", status);
    r->handlers->on_header(r, "grpc-status", number);
    r->handlers->on_header(r, "grpc-message", *text ? text + 1 : "");
    end_job(j, &(struct http_result){ 0 });
}

static void on_from_etcd(struct wire *w, struct parcel *p)
{
    struct http_job *j = container_of(w, struct http_job, from_etcd);
    struct http_request *r = j->request;
    fake_uv_wake(j->http->loop);
    if (is_refused(j) || p->tag == RESET) {
        fail_job(j, "the connection was reset");
    } else if (p->tag == END) {
        take_end(j, p->bytes.data);
    } else {
        watch_silence(j);
        if (p->bytes.size)
            buf_append(&r->received, p->bytes.data, p->bytes.size);
        if (r->handlers->on_data)
            r->handlers->on_data(r);
    }
}

/* ---- to etcd ---- */

static void ask(struct http_job *j, const struct buf *body)
{
    struct grpc_message message;
    size_t frame_size;
    INVARIANT(grpc_next_frame(body, &message, &frame_size));
    fake_etcd_ask(net->etcd, &j->caller, j->member, j->method, message.bytes, message.size);
}

static void on_to_etcd(struct wire *w, struct parcel *p)
{
    ask(container_of(w, struct http_job, to_etcd), &p->bytes);
}

static uint64_t to_blocked(struct wire *w)
{
    struct http_job *j = container_of(w, struct http_job, to_etcd);
    uint64_t cut_us = cut_until(j), stopped_us = net->etcd->members[j->member].stopped_until_us;
    return cut_us > stopped_us ? cut_us : stopped_us;
}

static uint64_t from_blocked(struct wire *w)
{
    struct http_job *j = container_of(w, struct http_job, from_etcd);
    uint64_t cut_us = cut_until(j), stopped_us = net->etcd->members[j->member].stopped_until_us;
    return cut_us > stopped_us ? cut_us : stopped_us;
}

/* A stopped member's kernel still accepts. */
static void on_connect(struct sim_event *event)
{
    struct http_job *j = container_of(event, struct http_job, connect);
    uint64_t give_up_us = j->began_us + j->request->limits.connect_timeout_ms * SIM_MS;
    uint64_t now_us = net->sim->now_us, cut_us = cut_until(j);
    fake_uv_wake(j->http->loop);
    if (is_refused(j)) {
        fail_job(j, "connection refused");
    } else if (cut_us > now_us && give_up_us <= now_us) {
        fail_job(j, "the connection took too long");
    } else if (cut_us > now_us) {
        sim_schedule(
            net->sim, event, (cut_us < give_up_us ? cut_us : give_up_us) - now_us + SIM_MS);
    } else {
        j->is_connected = true;
        watch_silence(j);
        wire_send(&j->to_etcd, MESSAGE, j->request->body, j->request->body_size);
    }
}

static void on_deadline(struct sim_event *event)
{
    struct http_job *j = container_of(event, struct http_job, deadline);
    fake_uv_wake(j->http->loop);
    fail_job(j, "no answer in time");
}

static void on_stall(struct sim_event *event)
{
    struct http_job *j = container_of(event, struct http_job, stall);
    fake_uv_wake(j->http->loop);
    fail_job(j, "nothing was received for too long");
}

/* ---- replication/http.h ---- */

struct http *http_open(uv_loop_t *loop, const struct http_tls *tls)
{
    struct http *h = xcalloc(1, sizeof *h);
    INVARIANT(!tls);
    h->loop = loop;
    h->process = fake_uv_process(loop);
    return h;
}

const char *http_scheme(const struct http *h)
{
    (void)h;
    return "http";
}

/* Whoever closes has cancelled everything, so nothing refers to it any more. */
void http_close(struct http *h)
{
    free(h);
}

static struct sim_event event_of(const struct http *h, void (*run)(struct sim_event *e))
{
    return (struct sim_event){ .run = run, .process = h->process, .loop = h->loop };
}

void http_start(struct http *h, struct http_request *r)
{
    static const struct wire_handlers to = { on_to_etcd, to_blocked };
    static const struct wire_handlers from = { on_from_etcd, from_blocked };
    struct http_job *j = xcalloc(1, sizeof *j);
    j->http = h;
    j->request = r;
    j->member = (size_t)(r->url[MEMBER_AT] - '0');
    j->began_us = net->sim->now_us;
    snprintf(j->method, sizeof j->method, "%s", strchr(r->url + MEMBER_AT, '/') + 1);
    j->caller = (struct etcd_caller){ .on_message = on_message, .on_end = on_answered };
    wire_open(&j->to_etcd, net->sim, &to, NULL, NULL);
    wire_open(&j->from_etcd, net->sim, &from, h->process, h->loop);
    j->connect = event_of(h, on_connect);
    j->deadline = event_of(h, on_deadline);
    j->stall = event_of(h, on_stall);
    j->next = net->jobs;
    if (j->next)
        j->next->prev = j;
    net->jobs = j;
    r->job = j;
    buf_clear(&r->received);
    sim_schedule(net->sim, &j->connect, sim_delay(net->sim, CONNECT_US));
    if (r->limits.timeout_ms)
        sim_schedule(net->sim, &j->deadline, r->limits.timeout_ms * SIM_MS);
}

/* What was sent may be carried out all the same. */
void http_cancel(struct http_request *r)
{
    struct http_job *j = r->job;
    if (j) {
        bool may_arrive = j->to_etcd.first && !strstr(j->method, "Watch") &&
                          to_blocked(&j->to_etcd) <= net->sim->now_us;
        if (may_arrive && sim_chance(net->sim, 500)) {
            struct buf body = j->to_etcd.first->bytes;
            ask(j, &body);
        }
        drop_job(j);
    }
    buf_fini(&r->received);
    r->received = (struct buf){ 0 };
}

/* ---- faults ---- */

void fake_http_reset(struct fake_net *n, const struct sim_process *process, size_t member)
{
    for (struct http_job *j = n->jobs; j; j = j->next) {
        if ((process && j->http->process != process) ||
            (member != ETCD_MEMBERS && j->member != member))
            continue;
        fake_etcd_hang_up(&j->caller);
        if (j->is_connected && !j->is_broken)
            wire_send(&j->from_etcd, RESET, NULL, 0);
        j->is_broken = j->is_connected;
    }
}
