#include "fake_uv.h"

#include <string.h>
#include <sys/socket.h>

enum { WAKE_US = 3000, WORK_US = 20 * SIM_MS, PORT = 15010 };

struct fake_loop {
    uv_loop_t *loop;
    struct sim_process *process;
    uint64_t now_ms;
    size_t handles; /* and work under way */
};

struct fake_handle {
    struct sim_event event;
    struct fake_loop *of;
    uv_handle_t *handle;
    bool is_active, is_closing;
    uint64_t repeat_ms;
    union {
        uv_timer_cb on_timer;
        uv_async_cb on_async;
        uv_connection_cb on_connection;
    };
    uv_close_cb on_closed;
    struct fake_handle *next_listener;
    void *offer;
};

static struct {
    struct sim *sim;
    struct sim_process *entered;
    uv_loop_t *newest;
    struct fake_handle *listeners;
    int socket; /* a real one, for who sets its options */
} world;

void fake_uv_begin(struct sim *sim)
{
    world.sim = sim;
    world.listeners = NULL;
    if (world.socket == 0)
        world.socket = socket(AF_INET, SOCK_STREAM, 0);
}

struct sim *fake_uv_sim(void)
{
    return world.sim;
}

void fake_uv_enter(struct sim_process *process)
{
    world.entered = process;
}

/* ---- loops ---- */

static struct fake_loop *loop_of(const uv_loop_t *loop)
{
    return loop->data;
}

int uv_loop_init(uv_loop_t *loop)
{
    struct fake_loop *l = xcalloc(1, sizeof *l);
    memset(loop, 0, sizeof *loop);
    l->loop = loop;
    l->process = world.entered;
    l->now_ms = world.sim->now_us / SIM_MS;
    loop->data = l;
    world.newest = loop;
    return 0;
}

int uv_loop_close(uv_loop_t *loop)
{
    if (loop_of(loop)->handles > 0)
        return UV_EBUSY;
    free(loop->data);
    return 0;
}

struct sim_process *fake_uv_process(const uv_loop_t *loop)
{
    return loop_of(loop)->process;
}

void fake_uv_wake(const uv_loop_t *loop)
{
    loop_of(loop)->now_ms = world.sim->now_us / SIM_MS;
}

void fake_uv_drain(uv_loop_t *loop)
{
    while (loop_of(loop)->handles > 0 && sim_step_of(world.sim, loop))
        ;
    INVARIANT(loop_of(loop)->handles == 0);
}

uint64_t uv_now(const uv_loop_t *loop)
{
    return loop_of(loop)->now_ms;
}

uint64_t uv_hrtime(void)
{
    return world.sim->now_us * 1000;
}

int uv_random(uv_loop_t *loop, uv_random_t *req, void *bytes, size_t size, unsigned flags,
    uv_random_cb on_done)
{
    (void)loop, (void)req, (void)flags, (void)on_done;
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)bytes)[i] = (uint8_t)sim_roll(world.sim);
    return 0;
}

/* Only a loop that could not be set up is run here. */
int uv_run(uv_loop_t *loop, uv_run_mode mode)
{
    (void)mode;
    fake_uv_drain(loop);
    return 0;
}

/* ---- handles ---- */

static struct fake_handle *fake_of(const uv_handle_t *handle)
{
    return handle->u.reserved[0];
}

static struct fake_handle *handle_new(
    uv_loop_t *loop, uv_handle_t *handle, void (*run)(struct sim_event *e))
{
    struct fake_handle *h = xcalloc(1, sizeof *h);
    h->of = loop_of(loop);
    h->handle = handle;
    h->event = (struct sim_event){ .run = run, .process = h->of->process, .loop = loop };
    h->of->handles++;
    handle->loop = loop;
    handle->u.reserved[0] = h;
    return h;
}

static struct fake_handle *waking(struct sim_event *event)
{
    struct fake_handle *h = container_of(event, struct fake_handle, event);
    fake_uv_wake(h->of->loop);
    return h;
}

static void on_close(struct sim_event *event)
{
    struct fake_handle *h = waking(event);
    uv_close_cb on_closed = h->on_closed;
    uv_handle_t *handle = h->handle;
    h->of->handles--;
    free(h);
    if (on_closed)
        on_closed(handle);
}

void uv_close(uv_handle_t *handle, uv_close_cb on_closed)
{
    struct fake_handle *h = fake_of(handle);
    INVARIANT(!h->is_closing);
    for (struct fake_handle **at = &world.listeners; *at; at = &(*at)->next_listener)
        if (*at == h) {
            *at = h->next_listener;
            break;
        }
    h->is_closing = true;
    h->is_active = false;
    h->on_closed = on_closed;
    h->event.run = on_close;
    sim_schedule(world.sim, &h->event, 0);
}

int uv_is_active(const uv_handle_t *handle)
{
    return fake_of(handle)->is_active;
}

int uv_is_closing(const uv_handle_t *handle)
{
    return fake_of(handle)->is_closing;
}

/* ---- timers ---- */

/* A loop that is busy comes to its timers late. */
static void arm(struct fake_handle *h, uint64_t ms)
{
    uint64_t at_us = (h->of->now_ms + ms) * SIM_MS, now_us = world.sim->now_us;
    uint64_t in_us = at_us > now_us ? at_us - now_us : 0;
    h->is_active = true;
    sim_schedule(world.sim, &h->event, in_us + sim_delay(world.sim, 2 * SIM_MS));
}

static void on_due(struct sim_event *event)
{
    struct fake_handle *h = waking(event);
    h->is_active = false;
    if (h->repeat_ms)
        arm(h, h->repeat_ms);
    h->on_timer((uv_timer_t *)(void *)h->handle);
}

int uv_timer_init(uv_loop_t *loop, uv_timer_t *timer)
{
    memset(timer, 0, sizeof *timer);
    handle_new(loop, (uv_handle_t *)timer, on_due);
    return 0;
}

int uv_timer_start(uv_timer_t *timer, uv_timer_cb on_timer, uint64_t ms, uint64_t repeat_ms)
{
    struct fake_handle *h = fake_of((const uv_handle_t *)timer);
    if (h->is_closing)
        return UV_EINVAL;
    h->on_timer = on_timer;
    h->repeat_ms = repeat_ms;
    arm(h, ms);
    return 0;
}

int uv_timer_stop(uv_timer_t *timer)
{
    struct fake_handle *h = fake_of((const uv_handle_t *)timer);
    if (h->is_active)
        sim_cancel(world.sim, &h->event);
    h->is_active = false;
    return 0;
}

/* ---- waking a loop from another thread ---- */

static void on_async(struct sim_event *event)
{
    struct fake_handle *h = waking(event);
    h->on_async((uv_async_t *)(void *)h->handle);
}

int uv_async_init(uv_loop_t *loop, uv_async_t *async, uv_async_cb on_wake)
{
    memset(async, 0, sizeof *async);
    struct fake_handle *h = handle_new(loop, (uv_handle_t *)async, on_async);
    h->on_async = on_wake;
    h->is_active = true;
    return 0;
}

int uv_async_send(uv_async_t *async)
{
    struct fake_handle *h = fake_of((const uv_handle_t *)async);
    if (!h->is_closing && h->event.place == 0)
        sim_schedule(world.sim, &h->event, sim_delay(world.sim, WAKE_US));
    return 0;
}

/* ---- work on the pool: one event to do it, one to tell ---- */

struct fake_work {
    struct sim_event event;
    uv_work_t *work;
    uv_work_cb on_work;
    uv_after_work_cb on_worked;
};

static void tell_worked(struct sim_event *event)
{
    struct fake_work w = *container_of(event, struct fake_work, event);
    free(container_of(event, struct fake_work, event));
    fake_uv_wake(w.event.loop);
    loop_of(w.event.loop)->handles--;
    w.on_worked(w.work, 0);
}

static void do_work(struct sim_event *event)
{
    struct fake_work *w = container_of(event, struct fake_work, event);
    w->on_work(w->work);
    w->event.run = tell_worked;
    sim_schedule(world.sim, event, sim_delay(world.sim, WAKE_US));
}

int uv_queue_work(uv_loop_t *loop, uv_work_t *work, uv_work_cb on_work, uv_after_work_cb on_worked)
{
    struct fake_work *w = xcalloc(1, sizeof *w);
    w->work = work;
    w->on_work = on_work;
    w->on_worked = on_worked;
    w->event =
        (struct sim_event){ .run = do_work, .process = loop_of(loop)->process, .loop = loop };
    work->loop = loop;
    loop_of(loop)->handles++;
    sim_schedule(world.sim, &w->event, sim_delay(world.sim, WORK_US));
    return 0;
}

/* ---- threads: the loop that was made last is the one that the thread will run ---- */

int uv_thread_create(uv_thread_t *thread, uv_thread_cb on_thread, void *arg)
{
    (void)on_thread, (void)arg;
    *thread = (uv_thread_t)world.newest;
    return 0;
}

int uv_thread_join(uv_thread_t *thread)
{
    fake_uv_drain((uv_loop_t *)*thread);
    return 0;
}

int uv_mutex_init(uv_mutex_t *mutex)
{
    (void)mutex;
    return 0;
}

void uv_mutex_lock(uv_mutex_t *mutex)
{
    (void)mutex;
}

void uv_mutex_unlock(uv_mutex_t *mutex)
{
    (void)mutex;
}

void uv_mutex_destroy(uv_mutex_t *mutex)
{
    (void)mutex;
}

/* ---- listening ---- */

static void on_offered(struct sim_event *event)
{
    struct fake_handle *h = waking(event);
    h->on_connection((uv_stream_t *)(void *)h->handle, 0);
}

int uv_tcp_init(uv_loop_t *loop, uv_tcp_t *tcp)
{
    memset(tcp, 0, sizeof *tcp);
    handle_new(loop, (uv_handle_t *)tcp, on_offered);
    return 0;
}

int uv_tcp_init_ex(uv_loop_t *loop, uv_tcp_t *tcp, unsigned flags)
{
    (void)flags;
    return uv_tcp_init(loop, tcp);
}

int uv_fileno(const uv_handle_t *handle, uv_os_fd_t *fd)
{
    (void)handle;
    *fd = world.socket;
    return 0;
}

int uv_translate_sys_error(int number)
{
    return -number;
}

int uv_tcp_open(uv_tcp_t *tcp, uv_os_sock_t sock)
{
    (void)tcp, (void)sock;
    return UV_ENOTSUP;
}

int uv_tcp_bind(uv_tcp_t *tcp, const struct sockaddr *address, unsigned flags)
{
    (void)tcp, (void)address, (void)flags;
    return 0;
}

int uv_tcp_getsockname(const uv_tcp_t *tcp, struct sockaddr *address, int *size)
{
    (void)tcp, (void)size;
    return uv_ip4_addr("127.0.0.1", PORT, (struct sockaddr_in *)(void *)address);
}

int uv_ip4_addr(const char *ip, int port, struct sockaddr_in *address)
{
    (void)ip;
    memset(address, 0, sizeof *address);
    address->sin_family = AF_INET;
    address->sin_port = htons((uint16_t)port);
    return 0;
}

int uv_ip6_addr(const char *ip, int port, struct sockaddr_in6 *address)
{
    (void)ip, (void)port, (void)address;
    return UV_EINVAL;
}

const char *uv_strerror(int problem)
{
    (void)problem;
    return "not simulated";
}

int uv_listen(uv_stream_t *stream, int backlog, uv_connection_cb on_connection)
{
    struct fake_handle *h = fake_of((const uv_handle_t *)stream);
    (void)backlog;
    h->on_connection = on_connection;
    h->next_listener = world.listeners;
    world.listeners = h;
    return 0;
}

int uv_accept(uv_stream_t *listener, uv_stream_t *client)
{
    (void)listener, (void)client;
    return 0;
}

uv_stream_t *fake_uv_listener(struct sim_process *process)
{
    size_t count = 0, chosen;
    for (struct fake_handle *h = world.listeners; h; h = h->next_listener)
        count += h->of->process == process;
    if (count == 0)
        return NULL;
    chosen = sim_below(world.sim, count);
    for (struct fake_handle *h = world.listeners; h; h = h->next_listener)
        if (h->of->process == process && chosen-- == 0)
            return (uv_stream_t *)(void *)h->handle;
    return NULL;
}

void fake_uv_offer(uv_stream_t *listener, void *connection)
{
    struct fake_handle *h = fake_of((const uv_handle_t *)listener);
    h->offer = connection;
    on_offered(&h->event);
    h->offer = NULL;
}

void *fake_uv_take_offer(uv_stream_t *listener)
{
    return fake_of((const uv_handle_t *)listener)->offer;
}
