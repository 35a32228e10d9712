#include "daemon/serving.h"

#include "daemon/scope_table.h"
#include "proto/pb_json.h"
#include "xds/status_page.h"

#include <string.h>

struct serving {
    struct serving_options options;
    uv_thread_t thread;

    /* The rest is the thread's once it runs. */
    uv_loop_t loop;
    struct mailbox mailbox;
    struct xds_server *server;
    struct xds_source source;
    struct scope_table table;
    struct log_scope log;
    bool has_views;
    uint64_t ticket; /* the newest that was asked with */
    bool is_asking;  /* and it is not let in yet */
};

/* ---- letters to the control loop ---- */

struct want_letter {
    struct letter letter;
    struct serving *from;
    struct shared_scope *scope;
};

static struct serving_owner *owner_at(struct mailbox *at)
{
    return container_of(at, struct serving_owner, mailbox);
}

static void want_arrived(struct mailbox *at, struct letter *letter)
{
    struct want_letter *l = container_of(letter, struct want_letter, letter);
    owner_at(at)->on_want(owner_at(at), l->from, l->scope);
}

static void drop_arrived(struct mailbox *at, struct letter *letter)
{
    struct want_letter *l = container_of(letter, struct want_letter, letter);
    owner_at(at)->on_drop(owner_at(at), l->from, l->scope->scope.key);
}

static void free_want(struct letter *letter)
{
    struct want_letter *l = container_of(letter, struct want_letter, letter);
    shared_scope_release(l->scope);
    free(l);
}

static const struct letter_kind want_kind = { want_arrived, free_want };
static const struct letter_kind drop_kind = { drop_arrived, free_want };

static void send_want(struct serving *s, const struct letter_kind *kind, struct shared_scope *scope)
{
    struct want_letter *l = xcalloc(1, sizeof *l);
    *l =
        (struct want_letter){ .letter.kind = kind, .from = s, .scope = shared_scope_retain(scope) };
    mailbox_send(&s->options.owner->mailbox, &l->letter);
}

struct ask_letter {
    struct letter letter;
    struct serving *from;
    uint64_t ticket;
};

static void ask_arrived(struct mailbox *at, struct letter *letter)
{
    struct ask_letter *l = container_of(letter, struct ask_letter, letter);
    owner_at(at)->on_ask(owner_at(at), l->from, l->ticket);
}

static void free_ask(struct letter *letter)
{
    free(container_of(letter, struct ask_letter, letter));
}

static const struct letter_kind ask_kind = { ask_arrived, free_ask };

static void ask(struct serving *s)
{
    struct ask_letter *l = xcalloc(1, sizeof *l);
    s->is_asking = true;
    *l = (struct ask_letter){ .letter.kind = &ask_kind, .from = s, .ticket = ++s->ticket };
    mailbox_send(&s->options.owner->mailbox, &l->letter);
}

struct answer_letter {
    struct letter letter;
    struct serving *from;
    struct serving_answer answer;
};

static void answer_arrived(struct mailbox *at, struct letter *letter)
{
    struct answer_letter *l = container_of(letter, struct answer_letter, letter);
    owner_at(at)->on_answer(owner_at(at), l->from, &l->answer);
}

static void drained_arrived(struct mailbox *at, struct letter *letter)
{
    struct answer_letter *l = container_of(letter, struct answer_letter, letter);
    owner_at(at)->on_drained(owner_at(at), l->from);
}

static void free_answer(struct letter *letter)
{
    struct answer_letter *l = container_of(letter, struct answer_letter, letter);
    buf_fini(&l->answer.report);
    free(l);
}

static const struct letter_kind answer_kind = { answer_arrived, free_answer };
static const struct letter_kind drained_kind = { drained_arrived, free_answer };

static struct answer_letter *new_answer(struct serving *s, const struct letter_kind *kind)
{
    struct answer_letter *l = xcalloc(1, sizeof *l);
    l->letter.kind = kind;
    l->from = s;
    return l;
}

/* ---- letters from the control loop ---- */

static struct serving *serving_at(struct mailbox *at)
{
    return container_of(at, struct serving, mailbox);
}

struct publication_letter {
    struct letter letter;
    struct publication *publication;
};

/* So many proxies have been sent it, or will be once they have taken what was before. */
static void note_told(
    struct serving *s, const struct publication *p, uint64_t taken_ns, int64_t proxies)
{
    int64_t queue_us = (int64_t)(taken_ns - p->made_ns) / 1000;
    int64_t all_us = (int64_t)(uv_hrtime() - p->changed_ns) / 1000;
    metric_observe(s->options.queue_us, &metric_seconds, queue_us, proxies);
    metric_observe(s->options.convergence_us, &metric_seconds, all_us, proxies);
}

static void publication_arrived(struct mailbox *at, struct letter *letter)
{
    struct serving *s = serving_at(at);
    const struct publication *p =
        container_of(letter, struct publication_letter, letter)->publication;
    s->has_views = true;
    for (size_t i = 0; i < p->count; i++) {
        uint64_t taken_ns = uv_hrtime();
        size_t told = scope_table_view(&s->table, p->views[i].scope->scope.key, p->views[i].view);
        if (p->changed_ns)
            note_told(s, p, taken_ns, (int64_t)told);
    }
}

static void free_publication(struct letter *letter)
{
    struct publication_letter *l = container_of(letter, struct publication_letter, letter);
    publication_release(l->publication);
    free(l);
}

/* A whole one has a view for every scope that one before it had and that is still wanted. Others
 * add to what went before and must all arrive; there are no more of them than scopes. */
static const struct letter_kind whole_kind = { publication_arrived, free_publication, true };
static const struct letter_kind added_kind = { publication_arrived, free_publication };

void serving_publish(struct serving *s, struct publication *p)
{
    struct publication_letter *l = xcalloc(1, sizeof *l);
    l->letter.kind = p->is_whole ? &whole_kind : &added_kind;
    l->publication = publication_retain(p);
    mailbox_send(&s->mailbox, &l->letter);
}

struct view_letter {
    struct letter letter;
    struct shared_scope *scope;
    struct xds_view *view;
};

static void view_arrived(struct mailbox *at, struct letter *letter)
{
    struct view_letter *l = container_of(letter, struct view_letter, letter);
    scope_table_view(&serving_at(at)->table, l->scope->scope.key, l->view);
}

static void free_view(struct letter *letter)
{
    struct view_letter *l = container_of(letter, struct view_letter, letter);
    shared_scope_release(l->scope);
    xds_view_release(l->view);
    free(l);
}

static const struct letter_kind view_kind = { view_arrived, free_view };

void serving_hand_over(struct serving *s, struct shared_scope *scope, struct xds_view *view)
{
    struct view_letter *l = xcalloc(1, sizeof *l);
    *l = (struct view_letter){
        .letter.kind = &view_kind,
        .scope = shared_scope_retain(scope),
        .view = xds_view_retain(view),
    };
    mailbox_send(&s->mailbox, &l->letter);
}

struct tls_letter {
    struct letter letter;
    struct tls_context *context;
};

static void tls_arrived(struct mailbox *at, struct letter *letter)
{
    struct tls_letter *l = container_of(letter, struct tls_letter, letter);
    xds_server_set_tls(serving_at(at)->server, l->context);
}

static void free_tls(struct letter *letter)
{
    struct tls_letter *l = container_of(letter, struct tls_letter, letter);
    tls_context_release(l->context);
    free(l);
}

static const struct letter_kind tls_kind = { tls_arrived, free_tls, true };

void serving_set_tls(struct serving *s, struct tls_context *context)
{
    struct tls_letter *l = xcalloc(1, sizeof *l);
    *l = (struct tls_letter){ .letter.kind = &tls_kind, .context = tls_context_retain(context) };
    mailbox_send(&s->mailbox, &l->letter);
}

/* What needs no more than numbers. */
struct order_letter {
    struct letter letter;
    union {
        enum serving_question question;
        bool is_serving;
        enum log_level log_level;
        struct {
            uint64_t spread_ms, grace_ms;
        } drain;
        struct {
            size_t count;
            uint64_t spread_ms;
        } shed;
        struct {
            uint64_t ticket;
            enum gate_verdict verdict;
        } entry;
    };
};

static struct order_letter *order_of(struct letter *letter)
{
    return container_of(letter, struct order_letter, letter);
}

static void free_order(struct letter *letter)
{
    free(order_of(letter));
}

static void question_arrived(struct mailbox *at, struct letter *letter)
{
    struct serving *s = serving_at(at);
    struct answer_letter *answer = new_answer(s, &answer_kind);
    answer->answer.question = order_of(letter)->question;
    answer->answer.has_views = s->has_views;
    if (answer->answer.question == SERVING_REPORT)
        xds_server_report(s->server, &answer->answer.report);
    mailbox_send(&s->options.owner->mailbox, &answer->letter);
}

static void health_arrived(struct mailbox *at, struct letter *letter)
{
    xds_server_set_serving(serving_at(at)->server, order_of(letter)->is_serving);
}

static void log_level_arrived(struct mailbox *at, struct letter *letter)
{
    serving_at(at)->log.level = order_of(letter)->log_level;
}

static void on_drained(struct xds_source *source)
{
    struct serving *s = container_of(source, struct serving, source);
    mailbox_send(&s->options.owner->mailbox, &new_answer(s, &drained_kind)->letter);
}

static void drain_arrived(struct mailbox *at, struct letter *letter)
{
    const struct order_letter *l = order_of(letter);
    xds_server_drain(serving_at(at)->server, l->drain.spread_ms, l->drain.grace_ms, on_drained);
}

static void shed_arrived(struct mailbox *at, struct letter *letter)
{
    const struct order_letter *l = order_of(letter);
    xds_server_shed(serving_at(at)->server, l->shed.count, l->shed.spread_ms);
}

static void entry_arrived(struct mailbox *at, struct letter *letter)
{
    struct serving *s = serving_at(at);
    const struct order_letter *l = order_of(letter);
    bool is_let_in = l->entry.verdict != GATE_TURN_AWAY;
    size_t count = scope_table_decide(&s->table, l->entry.ticket, is_let_in);
    if (l->entry.verdict == GATE_LET_IN_STALE)
        metric_add(s->options.stale_streams, (int64_t)count);
    else if (!is_let_in)
        metric_add(s->options.turned_away, (int64_t)count);
    s->is_asking = false;
    if (scope_table_has_waiting(&s->table))
        ask(s);
}

static void close_arrived(struct mailbox *at, struct letter *letter)
{
    (void)letter;
    xds_server_close(serving_at(at)->server);
    mailbox_close(at);
}

static const struct letter_kind question_kind = { question_arrived, free_order };
static const struct letter_kind health_kind = { health_arrived, free_order };
static const struct letter_kind log_level_kind = { log_level_arrived, free_order };
static const struct letter_kind drain_kind = { drain_arrived, free_order };
static const struct letter_kind shed_kind = { shed_arrived, free_order };
/* What the verdict lets in to was published before it. A loop asks again only after the verdict, so
 * there is one on the way. */
static const struct letter_kind entry_kind = { entry_arrived, free_order, .is_barrier = true };
static const struct letter_kind close_kind = { close_arrived, free_order };

static void send_order(struct serving *s, const struct letter_kind *kind, struct order_letter order)
{
    struct order_letter *l = xcalloc(1, sizeof *l);
    *l = order;
    l->letter.kind = kind;
    mailbox_send(&s->mailbox, &l->letter);
}

void serving_ask(struct serving *s, enum serving_question question)
{
    send_order(s, &question_kind, (struct order_letter){ .question = question });
}

void serving_set_serving(struct serving *s, bool is_serving)
{
    send_order(s, &health_kind, (struct order_letter){ .is_serving = is_serving });
}

void serving_set_log_level(struct serving *s, enum log_level level)
{
    send_order(s, &log_level_kind, (struct order_letter){ .log_level = level });
}

void serving_drain(struct serving *s, uint64_t spread_ms, uint64_t grace_ms)
{
    send_order(s, &drain_kind, (struct order_letter){ .drain = { spread_ms, grace_ms } });
}

void serving_shed(struct serving *s, size_t count, uint64_t spread_ms)
{
    send_order(s, &shed_kind, (struct order_letter){ .shed = { count, spread_ms } });
}

void serving_decide(struct serving *s, uint64_t ticket, enum gate_verdict verdict)
{
    send_order(s, &entry_kind, (struct order_letter){ .entry = { ticket, verdict } });
}

/* ---- pages of status, from loop to loop ---- */

struct status_letter {
    struct letter letter;
    struct serving *asker;
    struct status_page *page; /* NULL once it was handed on */
};

static struct status_page *page_of(struct status_letter *l)
{
    struct status_page *page = l->page;
    l->page = NULL;
    return page;
}

static void free_status(struct letter *letter)
{
    struct status_letter *l = container_of(letter, struct status_letter, letter);
    status_page_free(l->page);
    free(l);
}

static void send_status(struct mailbox *to, const struct letter_kind *kind, struct serving *asker,
    struct status_page *page)
{
    struct status_letter *l = xcalloc(1, sizeof *l);
    *l = (struct status_letter){ .letter.kind = kind, .asker = asker, .page = page };
    mailbox_send(to, &l->letter);
}

static void status_wanted(struct mailbox *at, struct letter *letter)
{
    struct status_letter *l = container_of(letter, struct status_letter, letter);
    owner_at(at)->on_status(owner_at(at), l->asker, page_of(l));
}

static void status_returned(struct mailbox *at, struct letter *letter)
{
    struct status_letter *l = container_of(letter, struct status_letter, letter);
    xds_server_take_status(serving_at(at)->server, page_of(l));
}

static const struct letter_kind wanted_kind = { status_wanted, free_status };
static const struct letter_kind return_kind = { status_returned, free_status };

static void status_to_fill(struct mailbox *at, struct letter *letter)
{
    struct serving *s = serving_at(at);
    struct status_letter *l = container_of(letter, struct status_letter, letter);
    xds_server_fill_status(s->server, l->page);
    if (l->asker)
        serving_return_status(l->asker, page_of(l));
    else
        send_status(&s->options.owner->mailbox, &wanted_kind, NULL, page_of(l));
}

static const struct letter_kind fill_kind = { status_to_fill, free_status };

static void on_carry(struct xds_source *source, struct status_page *page)
{
    struct serving *s = container_of(source, struct serving, source);
    send_status(&s->options.owner->mailbox, &wanted_kind, s, page);
}

void serving_fill_status(struct serving *s, struct serving *asker, struct status_page *page)
{
    send_status(&s->mailbox, &fill_kind, asker, page);
}

void serving_return_status(struct serving *asker, struct status_page *page)
{
    send_status(&asker->mailbox, &return_kind, asker, page);
}

/* ---- the source of views ---- */

static char *metadata_text(const struct xds_node *node, struct error *err)
{
    cJSON *json = pb_struct_json(node->metadata, node->metadata_bytes, err);
    char *text = json ? cJSON_PrintUnformatted(json) : NULL;
    cJSON_Delete(json);
    if (!json) {
        err->code = ERROR_USAGE; /* the proxy's fault, and no other reply would be better */
        error_context(err, "node.metadata");
    }
    return text;
}

static bool parse_node(
    struct arena *a, const struct xds_node *node, struct scope *scope, struct error *err)
{
    char *metadata = metadata_text(node, err);
    if (!metadata)
        return false;
    struct scope_input input = {
        .node_id = node->id,
        .metadata_json = metadata,
        .region = node->region,
        .zone = node->zone,
        .sub_zone = node->sub_zone,
        .is_aggregated_delta = node->is_aggregated_delta,
    };
    bool is_good = scope_parse(a, &input, scope, err);
    cJSON_free(metadata);
    return is_good;
}

static bool has_room(struct serving *s, const struct scope *scope, struct error *err)
{
    if (scope_table_has(&s->table, scope->key) ||
        atomic_load_explicit(s->options.scopes, memory_order_relaxed) < SCOPES_MAX)
        return true;
    metric_add(s->options.refused_scopes, 1);
    return error_set(err,
        ERROR_REFUSED,
        "resource exhausted: this replica serves %d different kinds of proxies already",
        SCOPES_MAX);
}

static bool on_subscribe(struct xds_source *source, const struct xds_node *node,
    struct xds_subscriber *subscriber, struct error *err)
{
    struct serving *s = container_of(source, struct serving, source);
    struct arena *a = arena_new();
    struct scope scope;
    bool is_good = parse_node(a, node, &scope, err) && has_room(s, &scope, err);
    if (is_good) {
        scope_table_add(&s->table, &scope, subscriber, s->ticket + 1);
        if (!s->is_asking)
            ask(s);
    }
    arena_free(a);
    return is_good;
}

static void on_unsubscribe(struct xds_source *source, struct xds_subscriber *subscriber)
{
    scope_table_remove(&container_of(source, struct serving, source)->table, subscriber);
}

static void on_want(struct scope_table *table, struct shared_scope *scope)
{
    struct serving *s = container_of(table, struct serving, table);
    metric_add(s->options.scopes, 1);
    send_want(s, &want_kind, scope);
}

static void on_drop(struct scope_table *table, struct shared_scope *scope)
{
    struct serving *s = container_of(table, struct serving, table);
    metric_add(s->options.scopes, -1);
    send_want(s, &drop_kind, scope);
}

/* ---- opening and closing ---- */

static void run(void *serving)
{
    struct serving *s = serving;
    uv_run(&s->loop, UV_RUN_DEFAULT);
}

static bool listen_there(struct serving *s, struct error *err)
{
    struct xds_server_options options = {
        .address = s->options.address,
        .tls_address = s->options.tls_address,
        .socket = s->options.socket,
        .tls_socket = s->options.tls_socket,
        .tls_context = s->options.tls_context,
        .identity = s->options.id,
        .source = &s->source,
        .log = &s->log,
        .stats = s->options.xds,
        .limits = s->options.limits,
        .addresses = s->options.addresses,
        .max_age_ms = s->options.max_stream_age_ms,
        .max_joining = s->options.max_joining,
        .status_access = s->options.status_access,
    };
    return xds_server_open(&s->loop, &options, &s->server, err);
}

/* Everything is opened here and then belongs to the thread. */
bool serving_open(const struct serving_options *options, struct serving **out, struct error *err)
{
    struct serving *s = xcalloc(1, sizeof *s);
    s->options = *options;
    s->log = *options->log;
    s->source = (struct xds_source){ on_subscribe, on_unsubscribe, on_carry };
    s->table = (struct scope_table){ .on_want = on_want, .on_drop = on_drop };
    INVARIANT(uv_loop_init(&s->loop) == 0);
    mailbox_open(&s->loop, &s->mailbox);
    if (!listen_there(s, err)) {
        mailbox_close(&s->mailbox);
        run(s);
        serving_free(s);
        return false;
    }
    INVARIANT(uv_thread_create(&s->thread, run, s) == 0);
    *out = s;
    return true;
}

size_t serving_index(const struct serving *s)
{
    return s->options.index;
}

int serving_port(const struct serving *s)
{
    return xds_server_port(s->server);
}

int serving_tls_port(const struct serving *s)
{
    return xds_server_tls_port(s->server);
}

void serving_stop(struct serving *s)
{
    send_order(s, &close_kind, (struct order_letter){ 0 });
    uv_thread_join(&s->thread);
}

void serving_free(struct serving *s)
{
    scope_table_fini(&s->table);
    mailbox_fini(&s->mailbox);
    INVARIANT(uv_loop_close(&s->loop) == 0);
    free(s);
}
