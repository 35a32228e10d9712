#include "replication/http.h"

#include <curl/curl.h>

#include <ctype.h>
#include <string.h>

enum {
    RECEIVE_CHUNK_BYTES = 256 * 1024,
    HEADER_NAME_MAX = 64,
    HEADER_VALUE_MAX = 512,
    KEEPALIVE_S = 10,
    STALL_CHECK_MS = 100,
};

/* A request that runs. */
struct http_job {
    struct http *http;
    struct http_request *request;
    struct http_job *next, *prev; /* of http->jobs */
    CURL *easy;
    struct curl_slist *headers;
    uint64_t heard_ms; /* when something was received last, or it was started */
    bool has_news;     /* data that on_data was not called for */
    bool is_too_large;
    char error_text[CURL_ERROR_SIZE];
};

/* A socket that libcurl wants watched. */
struct http_socket {
    uv_poll_t poll;
    struct http *http;
    struct http_socket *next, *prev; /* of http->sockets */
    curl_socket_t fd;
};

struct http {
    const struct http_tls *tls;
    CURLM *multi;
    uv_timer_t timer;       /* libcurl's */
    uv_timer_t stall_timer; /* runs while a job has that limit */
    unsigned open_timers;
    struct http_job *jobs;
    struct http_socket *sockets;
    bool is_closed;
};

/* ---- one job ---- */

static void free_job(struct http_job *job)
{
    struct http *h = job->http;
    if (job->prev)
        job->prev->next = job->next;
    else
        h->jobs = job->next;
    if (job->next)
        job->next->prev = job->prev;
    curl_multi_remove_handle(h->multi, job->easy);
    curl_easy_cleanup(job->easy);
    curl_slist_free_all(job->headers);
    job->request->job = NULL;
    free(job);
}

static size_t on_curl_data(char *bytes, size_t size, size_t count, void *context)
{
    struct http_job *job = context;
    struct http_request *r = job->request;
    if (r->received.size + size * count > r->limits.body_bytes) {
        job->is_too_large = true;
        return 0; /* makes libcurl end it */
    }
    buf_append(&r->received, bytes, size * count);
    job->has_news = true;
    job->heard_ms = uv_now(job->http->timer.loop);
    return size * count;
}

/* "name: value\r\n"; the status line has no colon. Longer ones than we ask for are cut. */
static size_t on_curl_header(char *line, size_t size, size_t count, void *context)
{
    struct http_job *job = context;
    char name[HEADER_NAME_MAX], value[HEADER_VALUE_MAX];
    const char *end = line + size * count, *colon = memchr(line, ':', size * count);
    if (!colon)
        return size * count;
    size_t length = 0;
    for (const char *c = line; c < colon && length + 1 < sizeof name; c++)
        name[length++] = (char)tolower((unsigned char)*c);
    name[length] = '\0';
    length = 0;
    for (const char *c = colon + 1; c < end && length + 1 < sizeof value; c++)
        if ((length || *c != ' ') && *c != '\r' && *c != '\n')
            value[length++] = *c;
    value[length] = '\0';
    job->request->handlers->on_header(job->request, name, value);
    return size * count;
}

/* What always holds. A reused plain-text HTTP/2 connection breaks in libcurl 7.88 (the preface is
 * sent inside the stream), so each request has its own. The environment's proxies are not for the
 * members of a cluster. */
static void set_fixed_options(CURL *easy)
{
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_S);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, (long)KEEPALIVE_S);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)RECEIVE_CHUNK_BYTES);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_curl_header);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_curl_data);
}

/* Without a pass phrase OpenSSL would ask for one on the terminal. */
static void set_connection_options(CURL *easy, const struct http_tls *tls)
{
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, tls ? "https" : "http");
    curl_easy_setopt(easy,
        CURLOPT_HTTP_VERSION,
        (long)(tls ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE));
    if (!tls)
        return;
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 0L);
    curl_easy_setopt(easy, CURLOPT_KEYPASSWD, "");
    if (tls->ca_file) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, tls->ca_file);
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    }
    if (tls->cert_file) {
        curl_easy_setopt(easy, CURLOPT_SSLCERT, tls->cert_file);
        curl_easy_setopt(easy, CURLOPT_SSLKEY, tls->key_file);
    }
}

static void set_request_options(struct http_job *job)
{
    const struct http_request *r = job->request;
    CURL *easy = job->easy;
    for (const char *const *header = r->headers; *header; header++)
        job->headers = curl_slist_append(job->headers, *header);
    curl_easy_setopt(easy, CURLOPT_URL, r->url);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, job->headers);
    /* A body that is read by callback loses parts of answers silently: only a fixed one. */
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body_size);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, r->body);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)r->limits.connect_timeout_ms);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)r->limits.timeout_ms);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, job->error_text);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, job);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, job);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, job);
}

static void on_stall_timer(uv_timer_t *timer);

void http_start(struct http *h, struct http_request *r)
{
    INVARIANT(!r->job && !h->is_closed);
    struct http_job *job = xcalloc(1, sizeof *job);
    job->http = h;
    job->request = r;
    job->easy = curl_easy_init();
    INVARIANT(job->easy);
    job->heard_ms = uv_now(h->timer.loop);
    job->next = h->jobs;
    if (job->next)
        job->next->prev = job;
    if (r->limits.stall_ms > 0 && !uv_is_active((uv_handle_t *)&h->stall_timer))
        uv_timer_start(&h->stall_timer, on_stall_timer, STALL_CHECK_MS, STALL_CHECK_MS);
    h->jobs = job;
    r->job = job;
    buf_clear(&r->received);
    set_fixed_options(job->easy);
    set_connection_options(job->easy, h->tls);
    set_request_options(job);
    INVARIANT(curl_multi_add_handle(h->multi, job->easy) == CURLM_OK);
}

void http_cancel(struct http_request *r)
{
    if (r->job)
        free_job(r->job);
    buf_fini(&r->received);
}

/* ---- telling what libcurl reported, once it has returned ---- */

/* The same fault has the same text each time: libcurl's own tells milliseconds. */
static const char *fault_text(const struct http_job *job, CURLcode code, bool is_connected)
{
    long system_error = 0;
    curl_easy_getinfo(job->easy, CURLINFO_OS_ERRNO, &system_error);
    if (code == CURLE_COULDNT_CONNECT && system_error)
        return strerror((int)system_error);
    if (code == CURLE_OPERATION_TIMEDOUT)
        return is_connected ? "no answer in time" : "no connection in time";
    return job->error_text[0] ? job->error_text : curl_easy_strerror(code);
}

/* So far that a request can have been sent. */
static bool is_connected(const struct http_job *job)
{
    curl_off_t connect_us = 0;
    CURLINFO info = job->http->tls ? CURLINFO_APPCONNECT_TIME_T : CURLINFO_CONNECT_TIME_T;
    curl_easy_getinfo(job->easy, info, &connect_us);
    return connect_us > 0;
}

static bool check_result(const struct http_job *job, CURLcode code, struct error *err)
{
    long status = 0;
    curl_easy_getinfo(job->easy, CURLINFO_RESPONSE_CODE, &status);
    if (job->is_too_large)
        return error_set(err,
            ERROR_GARBLED,
            "the answer is larger than %zu bytes",
            job->request->limits.body_bytes);
    if (code != CURLE_OK)
        return error_set(err, ERROR_UNREACHABLE, "%s", fault_text(job, code, is_connected(job)));
    if (status != 200)
        return error_set(err, ERROR_GARBLED, "answered with HTTP status %ld", status);
    return true;
}

static void finish_job(struct http_job *job, CURLcode code)
{
    struct http_request *r = job->request;
    struct error err = { 0 };
    bool is_good = check_result(job, code, &err);
    struct http_result result = {
        .err = is_good ? NULL : &err,
        .is_unsent = code != CURLE_OK && !is_connected(job),
        .is_too_large = job->is_too_large,
    };
    free_job(job);
    r->handlers->on_end(r, &result);
}

/* The jobs may change, and `h` be closed, with each callback: look from the start each time. */
static bool tell_data(struct http *h)
{
    for (struct http_job *job = h->jobs; job; job = job->next) {
        if (!job->has_news)
            continue;
        job->has_news = false;
        if (job->request->handlers->on_data) {
            job->request->handlers->on_data(job->request);
            return true;
        }
    }
    return false;
}

static bool tell_end(struct http *h)
{
    int left = 0;
    for (CURLMsg *message; (message = curl_multi_info_read(h->multi, &left));) {
        struct http_job *job = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&job);
        finish_job(job, message->data.result);
        return true;
    }
    return false;
}

static void run_curl(struct http *h, curl_socket_t fd, int events)
{
    int running = 0;
    curl_multi_socket_action(h->multi, fd, events, &running);
    while (!h->is_closed && tell_data(h))
        continue;
    while (!h->is_closed && tell_end(h))
        continue;
}

/* libcurl's own limit of speed is seconds late. One a tick: the jobs change with its callback. */
static void on_stall_timer(uv_timer_t *timer)
{
    struct http *h = container_of(timer, struct http, stall_timer);
    uint64_t now_ms = uv_now(timer->loop);
    bool is_needed = false;
    for (struct http_job *job = h->jobs; job; job = job->next) {
        uint64_t stall_ms = job->request->limits.stall_ms;
        is_needed = is_needed || stall_ms > 0;
        if (stall_ms > 0 && now_ms - job->heard_ms >= stall_ms) {
            finish_job(job, CURLE_OPERATION_TIMEDOUT);
            return;
        }
    }
    if (!is_needed)
        uv_timer_stop(timer);
}

/* ---- libcurl's sockets and its timer on the loop ---- */

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct http_socket *socket = container_of(poll, struct http_socket, poll);
    int flags = status < 0 ? CURL_CSELECT_ERR : 0;
    flags |= events & UV_READABLE ? CURL_CSELECT_IN : 0;
    flags |= events & UV_WRITABLE ? CURL_CSELECT_OUT : 0;
    run_curl(socket->http, socket->fd, flags);
}

static void on_timer(uv_timer_t *timer)
{
    run_curl(container_of(timer, struct http, timer), CURL_SOCKET_TIMEOUT, 0);
}

static void on_socket_closed(uv_handle_t *handle)
{
    free(container_of((uv_poll_t *)handle, struct http_socket, poll));
}

static void close_socket(struct http_socket *socket)
{
    if (socket->prev)
        socket->prev->next = socket->next;
    else
        socket->http->sockets = socket->next;
    if (socket->next)
        socket->next->prev = socket->prev;
    uv_close((uv_handle_t *)&socket->poll, on_socket_closed);
}

static struct http_socket *add_socket(struct http *h, curl_socket_t fd)
{
    struct http_socket *socket = xcalloc(1, sizeof *socket);
    socket->http = h;
    socket->fd = fd;
    INVARIANT(uv_poll_init_socket(h->timer.loop, &socket->poll, fd) == 0);
    socket->next = h->sockets;
    if (socket->next)
        socket->next->prev = socket;
    h->sockets = socket;
    curl_multi_assign(h->multi, fd, socket);
    return socket;
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *known)
{
    struct http *h = context;
    struct http_socket *socket = known;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (socket)
            close_socket(socket);
        curl_multi_assign(h->multi, fd, NULL);
        return 0;
    }
    if (!socket)
        socket = add_socket(h, fd);
    int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    uv_poll_start(&socket->poll, events, on_poll);
    return 0;
}

/* libcurl must not be entered from here: even a timeout of 0 goes through the loop. */
static int on_curl_timer(CURLM *multi, long timeout_ms, void *context)
{
    struct http *h = context;
    (void)multi;
    if (timeout_ms < 0)
        uv_timer_stop(&h->timer);
    else
        uv_timer_start(&h->timer, on_timer, (uint64_t)timeout_ms, 0);
    return 0;
}

const char *http_scheme(const struct http *h)
{
    return h->tls ? "https" : "http";
}

struct http *http_open(uv_loop_t *loop, const struct http_tls *tls)
{
    struct http *h = xcalloc(1, sizeof *h);
    h->tls = tls;
    INVARIANT(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    INVARIANT(uv_timer_init(loop, &h->timer) == 0);
    INVARIANT(uv_timer_init(loop, &h->stall_timer) == 0);
    h->open_timers = 2;
    h->multi = curl_multi_init();
    INVARIANT(h->multi);
    curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
    curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
    return h;
}

static void close_timer(struct http *h)
{
    if (--h->open_timers > 0)
        return;
    free(h);
    curl_global_cleanup();
}

static void on_timer_closed(uv_handle_t *handle)
{
    close_timer(container_of((uv_timer_t *)handle, struct http, timer));
}

static void on_stall_timer_closed(uv_handle_t *handle)
{
    close_timer(container_of((uv_timer_t *)handle, struct http, stall_timer));
}

void http_close(struct http *h)
{
    h->is_closed = true;
    while (h->jobs)
        http_cancel(h->jobs->request);
    curl_multi_cleanup(h->multi);
    while (h->sockets)
        close_socket(h->sockets);
    uv_close((uv_handle_t *)&h->timer, on_timer_closed);
    uv_close((uv_handle_t *)&h->stall_timer, on_stall_timer_closed);
}
