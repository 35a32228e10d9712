#include "xds/status_page.h"

#include "proto/pb.h"
#include "xds/grpc.h"

#include <string.h>
#include <strings.h>

/* ---- which proxies ---- */

enum pattern { EXACT, PREFIX, SUFFIX, CONTAINS };

struct matcher {
    enum pattern kind;
    const char *text;
    bool ignores_case;
};

typedef LIST(struct matcher) matcher_list;

struct status_query {
    struct arena *a;
    matcher_list matchers;
};

static bool refuse(struct error *err, size_t at, const char *field, const char *why)
{
    return error_set(err, ERROR_USAGE, "node_matchers[%zu].%s %s", at, field, why);
}

static bool take_pattern(
    const pb_StringMatcher *from, size_t at, struct matcher *to, struct error *err)
{
    to->ignores_case = from->ignore_case;
    switch (from->match_pattern_case) {
    case ENVOY__TYPE__MATCHER__V3__STRING_MATCHER__MATCH_PATTERN_EXACT:
        to->kind = EXACT;
        to->text = from->exact;
        return true;
    case ENVOY__TYPE__MATCHER__V3__STRING_MATCHER__MATCH_PATTERN_PREFIX:
        to->kind = PREFIX;
        to->text = from->prefix;
        return true;
    case ENVOY__TYPE__MATCHER__V3__STRING_MATCHER__MATCH_PATTERN_SUFFIX:
        to->kind = SUFFIX;
        to->text = from->suffix;
        return true;
    case ENVOY__TYPE__MATCHER__V3__STRING_MATCHER__MATCH_PATTERN_CONTAINS:
        to->kind = CONTAINS;
        to->text = from->contains;
        return true;
    case ENVOY__TYPE__MATCHER__V3__STRING_MATCHER__MATCH_PATTERN_SAFE_REGEX:
        return refuse(err, at, "node_id.safe_regex", "is not supported");
    default:
        return refuse(err, at, "node_id", "must be exact, prefix, suffix or contains");
    }
}

static bool take_matcher(
    const pb_NodeMatcher *from, size_t at, struct matcher *to, struct error *err)
{
    if (from->n_node_metadatas)
        return refuse(err, at, "node_metadatas", "is not supported");
    if (from->base.n_unknown_fields)
        return refuse(err, at, "", "has a field that is not supported");
    if (!from->node_id)
        return refuse(err, at, "node_id", "is missing");
    if (from->node_id->base.n_unknown_fields)
        return refuse(err, at, "node_id", "has a field that is not supported");
    return take_pattern(from->node_id, at, to, err);
}

static bool take_request(
    struct arena *a, const pb_ClientStatusRequest *r, matcher_list *out, struct error *err)
{
    if (!r)
        return error_set(err, ERROR_USAGE, "not a ClientStatusRequest");
    if (r->n_node_matchers > STATUS_MAX_MATCHERS)
        return error_set(
            err, ERROR_USAGE, "node_matchers: at most %d are taken", STATUS_MAX_MATCHERS);
    for (size_t i = 0; i < r->n_node_matchers; i++) {
        struct matcher matcher = { 0 };
        if (!take_matcher(r->node_matchers[i], i, &matcher, err))
            return false;
        list_push(a, out, matcher);
    }
    return true;
}

bool status_query_new(
    const uint8_t *bytes, size_t size_bytes, struct status_query **out, struct error *err)
{
    struct arena *a = arena_new();
    struct status_query *q = ARENA_NEW(a, struct status_query);
    q->a = a;
    bool is_good = take_request(
        a, pb_unpack(a, &pb_ClientStatusRequest_desc, bytes, size_bytes), &q->matchers, err);
    if (is_good)
        *out = q;
    else
        arena_free(a);
    return is_good;
}

struct status_query *status_query_exact(const char *node_id)
{
    struct arena *a = arena_new();
    struct status_query *q = ARENA_NEW(a, struct status_query);
    struct matcher matcher = { .kind = EXACT, .text = arena_strdup(a, node_id) };
    q->a = a;
    list_push(a, &q->matchers, matcher);
    return q;
}

void status_query_free(struct status_query *q)
{
    if (q)
        arena_free(q->a);
}

static bool is_equal(const struct matcher *m, const char *text, size_t size)
{
    return (m->ignores_case ? strncasecmp(text, m->text, size) : strncmp(text, m->text, size)) == 0;
}

static bool matches(const struct matcher *m, const char *id)
{
    size_t id_size = strlen(id), size = strlen(m->text);
    if (id_size < size)
        return false;
    size_t room = id_size - size;
    switch (m->kind) {
    case EXACT:
        return room == 0 && is_equal(m, id, size);
    case PREFIX:
        return is_equal(m, id, size);
    case SUFFIX:
        return is_equal(m, id + room, size);
    default:
        for (size_t i = 0; i <= room; i++)
            if (is_equal(m, id + i, size))
                return true;
        return false;
    }
}

bool status_query_takes(const struct status_query *q, const char *node_id)
{
    for (size_t i = 0; i < q->matchers.count; i++)
        if (matches(&q->matchers.items[i], node_id))
            return true;
    return !q->matchers.count;
}

bool status_query_is_exact(const struct status_query *q)
{
    for (list_each (const struct matcher, m, &q->matchers))
        if (m->kind != EXACT || m->ignores_case)
            return false;
    return q->matchers.count > 0;
}

/* ---- pages ---- */

struct status_page *status_page_new(struct status_query *query, uint64_t call, bool is_framed)
{
    struct status_page *p = xcalloc(1, sizeof *p);
    p->query = query;
    p->call = call;
    p->is_framed = is_framed;
    p->serial = UINT64_MAX;
    return p;
}

void status_page_free(struct status_page *p)
{
    if (!p)
        return;
    status_query_free(p->query);
    buf_fini(&p->configs);
    free(p->after);
    free(p);
}

bool status_page_is_full(const struct status_page *p)
{
    return p->configs.size >= STATUS_PAGE_BYTES;
}

static void begin_proxy(struct status_page *p, uint64_t serial)
{
    free(p->after);
    p->after = NULL;
    p->type = 0;
    p->serial = serial;
}

void status_page_stop_before(struct status_page *p, uint64_t serial)
{
    if (p->serial != serial)
        begin_proxy(p, serial);
}

void status_page_leave_server(struct status_page *p)
{
    begin_proxy(p, UINT64_MAX);
    p->server++;
}

/* ---- one proxy ---- */

static pb_Timestamp *timestamp(struct arena *a, int64_t ms)
{
    return ms ? pb_new_Timestamp(a, .seconds = ms / 1000, .nanos = (int32_t)(ms % 1000) * 1000000)
              : NULL;
}

static char *text(struct arena *a, const char *from)
{
    return pb_str(pb_utf8(a, from));
}

static pb_ClientConfig_GenericXdsConfig *resource_config(
    struct arena *a, const struct xds_resource_status *s)
{
    static const unsigned words[] = {
        [XDS_NOT_SENT] = PB_ConfigStatus_NOT_SENT,
        [XDS_SYNCED] = PB_ConfigStatus_SYNCED,
        [XDS_STALE] = PB_ConfigStatus_STALE,
        [XDS_REFUSED] = PB_ConfigStatus_ERROR,
    };
    char version[HASH128_TEXT_BYTES] = "";
    if (s->has_version)
        hash128_text(&s->version, version);
    char *kept = pb_str(arena_strdup(a, version));
    pb_UpdateFailureState *failure = NULL;
    if (s->sync == XDS_REFUSED)
        failure = pb_new_UpdateFailureState(a,
            .last_update_attempt = timestamp(a, s->refused_ms),
            .details = text(a, s->refusal ? s->refusal : ""),
            .version_info = kept);
    return pb_new_ClientConfig_GenericXdsConfig(a,
        .type_url = pb_str(xds_type_url(s->type)),
        .name = text(a, s->name),
        .version_info = kept,
        .last_updated = timestamp(a, s->sent_ms),
        .config_status = words[s->sync],
        .error_state = failure);
}

/* "envoy 1.40.0" is its name and its version. */
static pb_Node *node_message(struct arena *a, const struct xds_node *node)
{
    char *agent = text(a, node->user_agent), *version = strrchr(agent, ' ');
    if (version)
        *version++ = '\0';
    pb_Node *message = pb_new_Node(a,
        .id = text(a, node->id),
        .cluster = text(a, node->cluster),
        .locality = pb_new_Locality(a,
            .region = text(a, node->region),
            .zone = text(a, node->zone),
            .sub_zone = text(a, node->sub_zone)),
        .user_agent_name = agent,
        pb_Node_user_agent_version(version ? version : pb_str("")));
    return message;
}

enum { FIXED_BYTES = 140 }; /* type, version, times */

/* More or less what it takes in the message. */
static size_t size_of(const struct xds_resource_status *s)
{
    return FIXED_BYTES + strlen(s->name) + (s->refusal ? strlen(s->refusal) : 0);
}

static void append_config(struct status_page *p, struct arena *a, const pb_ClientConfig *config)
{
    struct pb_bytes bytes = pb_pack(a, &config->base);
    uint8_t head[GRPC_HEAD_BYTES] = { 0 };
    size_t head_bytes = p->is_framed ? sizeof head : 0, begin = p->configs.size;
    buf_append(&p->configs, head, head_bytes); /* its size is known once the message is there */
    pb_append_field(&p->configs, 1, bytes.data, bytes.size);
    grpc_head(head, p->configs.size - begin - head_bytes);
    memcpy(p->configs.data + begin, head, head_bytes);
    p->count++;
}

bool status_page_add(struct status_page *p, const struct xds_node *node,
    const struct xds_stream *stream, uint64_t serial)
{
    struct arena *a = arena_new();
    LIST(pb_ClientConfig_GenericXdsConfig *) configs = { 0 };
    struct xds_resource_status status = { 0 };
    struct xds_status_cursor cursor = { 0 };
    size_t size = 0;
    bool is_whole = false;
    if (p->after && p->serial == serial)
        cursor = xds_stream_status_after(stream, p->type, p->after);
    while (size < STATUS_PAGE_BYTES) {
        is_whole = !xds_stream_next_status(stream, &cursor, &status);
        if (is_whole)
            break;
        list_push(a, &configs, resource_config(a, &status));
        size += size_of(&status);
    }
    append_config(p,
        a,
        pb_new_ClientConfig(a,
            .node = node_message(a, node),
            PB_LIST(generic_xds_configs, configs.count, configs.items)));
    begin_proxy(p, is_whole ? serial - 1 : serial);
    if (!is_whole) {
        p->type = status.type;
        p->after = xstrdup(status.name);
    }
    arena_free(a);
    return is_whole;
}
