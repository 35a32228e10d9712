#include "replication/etcd_call.h"

#include "replication/etcd_client.h"
#include "replication/etcd_codec.h"

#include <errno.h>
#include <string.h>

struct etcd_channel {
    const struct etcd_url *url;
    struct http *http;

    char *token_header; /* NULL: none is known */
    unsigned token;     /* counts them */
    bool is_needless;   /* etcd wants none */

    struct grpc_call login;
    struct buf body;
    struct etcd_call *waiting; /* for the login */
    struct etcd_call *told;    /* those of them that are being told */
    uv_timer_t refusal_timer;
    struct error refusal;
    uint64_t refused_until_ms;
};

/* ---- the call itself ---- */

/* What etcd says of a token that it does not know, or of none where it wants one. It says so before
 * it does anything, so even a conditional write can be made again. */
static bool is_about_token(const struct grpc_result *result)
{
    static const char *const texts[] = {
        "invalid auth token", "revision of auth store is old", "user name is empty"
    };
    if (!result->err || result->status <= GRPC_OK)
        return false;
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++)
        if (strstr(result->err->text, texts[i]))
            return true;
    return result->status == GRPC_UNAUTHENTICATED;
}

static void run(struct etcd_call *call);
static void wait(struct etcd_call *call);

static bool lacks_token(const struct etcd_channel *channel)
{
    return channel->url->user && !channel->token_header && !channel->is_needless;
}

static void go(struct etcd_call *call)
{
    if (lacks_token(call->channel))
        wait(call);
    else
        run(call);
}

static void on_message(struct grpc_call *grpc, struct grpc_message message)
{
    struct etcd_call *call = container_of(grpc, struct etcd_call, grpc);
    call->handlers->on_message(call, message);
}

static void on_end(struct grpc_call *grpc, const struct grpc_result *result)
{
    struct etcd_call *call = container_of(grpc, struct etcd_call, grpc);
    if (!call->channel->url->user || call->has_renewed || !is_about_token(result)) {
        call->handlers->on_end(call, result);
        return;
    }
    call->has_renewed = true;
    if (call->token == call->channel->token)
        etcd_channel_forget(call->channel);
    go(call);
}

static void run(struct etcd_call *call)
{
    static const struct grpc_handlers unary = { NULL, on_end }, stream = { on_message, on_end };
    struct etcd_channel *channel = call->channel;
    call->token = channel->token;
    call->grpc.handlers = call->handlers->on_message ? &stream : &unary;
    call->grpc.limits = call->limits;
    call->grpc.token_header = channel->token_header;
    grpc_start(channel->http, &call->grpc, call->member, call->method, call->frames);
}

void etcd_call_start(struct etcd_channel *channel, struct etcd_call *call, const char *member,
    const char *method, const struct buf *frames)
{
    call->channel = channel;
    call->member = member;
    call->method = method;
    call->frames = frames;
    call->has_renewed = false;
    go(call);
}

static void leave(struct etcd_call **list, const struct etcd_call *call)
{
    while (*list && *list != call)
        list = &(*list)->next_waiting;
    if (*list)
        *list = call->next_waiting;
}

void etcd_call_cancel(struct etcd_call *call)
{
    if (call->is_waiting) {
        leave(&call->channel->waiting, call);
        leave(&call->channel->told, call);
        call->is_waiting = false;
    }
    grpc_cancel(&call->grpc);
}

/* ---- the login ---- */

/* Who waits may begin another call, or cancel those that wait beside it. */
static void tell_waiting(struct etcd_channel *channel, const struct error *err)
{
    const struct grpc_result result = { .err = err, .status = -1, .is_unsent = true };
    channel->told = channel->waiting;
    channel->waiting = NULL;
    while (channel->told) {
        struct etcd_call *call = channel->told;
        channel->told = call->next_waiting;
        call->is_waiting = false;
        if (err)
            call->handlers->on_end(call, &result);
        else
            run(call);
    }
}

static void on_refusal_timer(uv_timer_t *timer)
{
    struct etcd_channel *channel = container_of(timer, struct etcd_channel, refusal_timer);
    struct error err = channel->refusal;
    tell_waiting(channel, &err);
}

static void take_token(struct etcd_channel *channel, const char *token)
{
    static const char head[] = "token: ";
    size_t size = sizeof head + strlen(token);
    etcd_channel_forget(channel);
    channel->token_header = xcalloc(1, size);
    snprintf(channel->token_header, size, "%s%s", head, token);
    channel->token++;
}

static bool take_login(
    struct etcd_channel *channel, const struct grpc_result *result, struct error *err)
{
    struct arena *a = arena_new();
    const char *token = NULL;
    bool is_good = true;
    if (result->err && result->status == GRPC_FAILED_PRECONDITION) {
        channel->is_needless = true; /* authentication is not enabled */
    } else if (result->err) {
        *err = *result->err;
        is_good = error_context(err, "logging in as %s", channel->url->user);
    } else if (!etcd_decode_login(a, result->reply, &token)) {
        is_good = error_set(err, ERROR_GARBLED, "the answer to the login cannot be read");
    } else {
        take_token(channel, token);
    }
    arena_free(a);
    return is_good;
}

static void on_login_end(struct grpc_call *login, const struct grpc_result *result)
{
    struct etcd_channel *channel = container_of(login, struct etcd_channel, login);
    struct error err = { 0 };
    bool is_good = take_login(channel, result, &err);
    explicit_bzero(channel->body.data, channel->body.size);
    if (err.code == ERROR_REFUSED) {
        channel->refusal = err;
        channel->refused_until_ms =
            uv_now(channel->refusal_timer.loop) + (uint64_t)ETCD_LOGIN_REST_MS;
    }
    tell_waiting(channel, is_good ? NULL : &err);
}

static bool read_password(const char *path, char *password, size_t size, struct error *err)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return error_set(err, ERROR_REFUSED, "the password file %s: %s", path, strerror(errno));
    bool is_read = fgets(password, (int)size, file);
    fclose(file);
    password[is_read ? strcspn(password, "\r\n") : 0] = '\0';
    return password[0] ||
           error_set(err, ERROR_REFUSED, "the password file %s: its first line is empty", path);
}

static bool start_login(struct etcd_channel *channel, const char *member)
{
    static const struct grpc_handlers handlers = { NULL, on_login_end };
    char password[ETCD_PASSWORD_BYTES_MAX] = "";
    if (!read_password(channel->url->password_file, password, sizeof password, &channel->refusal))
        return false;
    buf_clear(&channel->body);
    etcd_encode_login(&channel->body, channel->url->user, password);
    explicit_bzero(password, sizeof password);
    channel->login.handlers = &handlers;
    channel->login.limits = (struct http_limits){
        .connect_timeout_ms = ETCD_CONNECT_TIMEOUT_MS,
        .timeout_ms = ETCD_LOGIN_TIMEOUT_MS,
        .body_bytes = ETCD_ANSWER_BYTES_MAX,
    };
    grpc_start(channel->http, &channel->login, member, etcd_method_login, &channel->body);
    return true;
}

/* One login for all who wait. A refusal is told from the loop, too. */
static void wait(struct etcd_call *call)
{
    struct etcd_channel *channel = call->channel;
    call->is_waiting = true;
    call->next_waiting = channel->waiting;
    channel->waiting = call;
    if (grpc_is_running(&channel->login))
        return;
    if (uv_now(channel->refusal_timer.loop) < channel->refused_until_ms ||
        !start_login(channel, call->member))
        uv_timer_start(&channel->refusal_timer, on_refusal_timer, 0, 0);
}

void etcd_channel_forget(struct etcd_channel *channel)
{
    free(channel->token_header);
    channel->token_header = NULL;
    channel->is_needless = false;
    channel->refused_until_ms = 0;
}

/* ---- opening and closing ---- */

struct etcd_channel *etcd_channel_open(uv_loop_t *loop, const struct etcd_url *url)
{
    struct etcd_channel *channel = xcalloc(1, sizeof *channel);
    channel->url = url;
    channel->http = http_open(loop, url->is_tls ? &url->tls : NULL);
    INVARIANT(uv_timer_init(loop, &channel->refusal_timer) == 0);
    return channel;
}

static void on_closed(uv_handle_t *handle)
{
    struct etcd_channel *channel =
        container_of((uv_timer_t *)handle, struct etcd_channel, refusal_timer);
    free(channel->token_header);
    buf_fini(&channel->body);
    free(channel);
}

void etcd_channel_close(struct etcd_channel *channel)
{
    INVARIANT(!channel->waiting && !channel->told);
    grpc_cancel(&channel->login);
    http_close(channel->http);
    uv_close((uv_handle_t *)&channel->refusal_timer, on_closed);
}
