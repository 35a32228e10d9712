#include "ctl/rollout.h"

#include "ctl/admin.h"
#include "ctl/report.h"

#include <string.h>
#include <time.h>

const struct flag flag_wait = {
    .name = "--wait",
    .help = "until every connected proxy, on all replicas, has acknowledged it",
};
const struct flag flag_timeout = {
    .name = "--timeout",
    .value_name = "SECONDS",
    .fallback = "60",
    .help = "of --wait; then it tells who has not, and exits with 1",
};

enum { LOOK_EVERY_MS = 100, TOLD_MAX = 20 };

static const char *const types[] = { "CDS", "EDS", "LDS", "RDS", "VHDS" };

static const cJSON *type_of(const cJSON *proxy, size_t type)
{
    return report_member(report_member(proxy, "types"), types[type]);
}

static const char *nack_key(struct arena *a, const char *server, const cJSON *proxy, size_t type)
{
    return arena_printf(a, "%s %s %s", server, report_text(proxy, "id"), types[type]);
}

/* ---- before ---- */

void rollout_begin(struct rollout *r, struct ctl *ctl)
{
    struct error err;
    string_list servers = admin_servers(ctl);
    *r = (struct rollout){ .ctl = ctl };
    for (list_each (const char *const, server, &servers)) {
        cJSON *proxies = admin_get(*server, "/debug/proxies", &err), *proxy;
        cJSON_ArrayForEach (proxy, proxies)
            for (size_t type = 0; type < ARRAY_COUNT(types); type++) {
                long long *count = xcalloc(1, sizeof *count);
                *count = report_number(type_of(proxy, type), "nacks");
                free(map_put(&r->nacks, nack_key(ctl->a, *server, proxy, type), count));
            }
        cJSON_Delete(proxies);
    }
}

void rollout_end(struct rollout *r)
{
    map_fini(&r->nacks, free);
}

/* ---- one look ---- */

struct look {
    struct rollout *r;
    struct arena *a;
    int64_t revision;
    const string_list *keys;
    size_t proxies, done, replicas;
    string_list refused, late; /* lines: who, and why */
};

/* Refused since the change began; or by a proxy that came since, and refused all that it was sent.
 */
static bool has_refused(const struct look *l, const char *server, const cJSON *proxy, size_t type)
{
    const cJSON *told = type_of(proxy, type);
    const long long *before = map_find(&l->r->nacks, nack_key(l->a, server, proxy, type));
    return report_number(told, "refused") > 0 &&
           (!before || report_number(told, "nacks") > *before);
}

static void look_at_proxy(struct look *l, const char *server, const cJSON *proxy, bool is_served)
{
    const char *id = report_text(proxy, "id");
    bool is_done = is_served;
    l->proxies++;
    for (size_t type = 0; type < ARRAY_COUNT(types); type++) {
        const cJSON *told = type_of(proxy, type);
        bool is_subscribed = told && strcmp(report_text(told, "state"), "not sent") != 0;
        if (is_served && has_refused(l, server, proxy, type)) {
            list_push(l->a,
                &l->refused,
                arena_printf(l->a,
                    "%s (at %s) refused %s: %s",
                    id,
                    server,
                    types[type],
                    report_text(told, "lastNack")));
            is_done = false;
        } else if (is_served && is_subscribed && !cJSON_IsTrue(report_member(told, "settled"))) {
            list_push(l->a,
                &l->late,
                arena_printf(l->a, "%s (at %s) has not answered %s", id, server, types[type]));
            is_done = false;
        }
    }
    l->done += is_done;
}

/* Of the keys that were written one is not in force there. */
static void look_for_rejects(struct look *l, const char *server, const cJSON *status)
{
    const cJSON *item;
    cJSON_ArrayForEach (item, report_member(status, "rejected"))
        for (list_each (const char *const, key, l->keys))
            if (strcmp(*key, report_text(item, "key")) == 0 &&
                report_number(item, "revision") >= l->revision)
                list_push(l->a,
                    &l->refused,
                    arena_printf(l->a, "the replica at %s rejected %s", server, *key));
}

/* Proxies are asked for after the replica: what it served then has come to the loops that tell of
 * them before this question. */
static void look_at_replica(struct look *l, const char *server)
{
    struct error err;
    cJSON *status = admin_get(server, "/debug/status", &err), *proxy;
    cJSON *proxies = status ? admin_get(server, "/debug/proxies", &err) : NULL;
    bool is_served = report_number(status, "revision") >= l->revision;
    l->replicas++;
    if (!proxies)
        list_push(l->a, &l->late, arena_printf(l->a, "replica: %s", err.text));
    else if (!is_served)
        list_push(l->a,
            &l->late,
            arena_printf(l->a, "the replica at %s has not come to the revision", server));
    look_for_rejects(l, server, status);
    cJSON_ArrayForEach (proxy, proxies)
        look_at_proxy(l, server, proxy, is_served);
    cJSON_Delete(status);
    cJSON_Delete(proxies);
}

/* ---- until it is done ---- */

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void tell(const char *word, const string_list *lines)
{
    for (size_t i = 0; i < lines->count && i < TOLD_MAX; i++)
        printf("%-9s %s\n", word, lines->items[i]);
    if (lines->count > TOLD_MAX)
        printf("and %zu more\n", lines->count - TOLD_MAX);
}

static void tell_all(const struct look *l)
{
    printf("applied   %zu/%zu proxies, %zu replicas\n", l->done, l->proxies, l->replicas);
    tell("refused", &l->refused);
    tell("late", &l->late);
}

/* True when there is nothing more to wait for. */
static bool look_once(struct rollout *r, struct look *l, bool is_last, enum rollout_outcome *out)
{
    struct ctl turn = *r->ctl;
    turn.a = l->a;
    string_list servers = admin_servers(&turn);
    for (list_each (const char *const, server, &servers))
        look_at_replica(l, *server);
    *out = l->refused.count ? ROLLOUT_REFUSED : l->late.count ? ROLLOUT_LATE : ROLLOUT_DONE;
    if (*out == ROLLOUT_LATE && !is_last)
        return false;
    tell_all(l);
    return true;
}

enum rollout_outcome rollout_wait(struct rollout *r, int64_t revision, const string_list *keys)
{
    const struct timespec rest = { .tv_nsec = LOOK_EVERY_MS * 1000000L };
    enum rollout_outcome outcome = ROLLOUT_LATE;
    long timeout_s;
    INVARIANT(ctl_number(r->ctl, &flag_timeout, 1, 86400, &timeout_s));
    int64_t deadline_ms = now_ms() + (int64_t)timeout_s * 1000;
    for (bool is_over = false; !is_over;) {
        struct look l = { .r = r, .a = arena_new(), .revision = revision, .keys = keys };
        is_over = look_once(r, &l, now_ms() >= deadline_ms, &outcome);
        arena_free(l.a);
        if (!is_over)
            nanosleep(&rest, NULL);
    }
    return outcome;
}

/* ---- one replica, for a trace ---- */

static bool is_refused_since(const cJSON *told, int64_t applied_ms)
{
    return report_number(told, "refused") > 0 && report_number(told, "refusedMs") >= applied_ms;
}

static bool is_type_done(const cJSON *told, int64_t revision)
{
    bool is_subscribed = told && strcmp(report_text(told, "state"), "not sent") != 0;
    return !is_subscribed || cJSON_IsTrue(report_member(told, "settled")) ||
           report_number(told, "ackedRevision") >= revision;
}

static void stand_proxy(struct arena *a, const cJSON *proxy, int64_t revision, int64_t applied_ms,
    struct rollout_standing *s)
{
    const char *id = report_text(proxy, "id"), *refused = NULL, *late = NULL;
    s->proxies++;
    for (size_t type = 0; type < ARRAY_COUNT(types); type++) {
        const cJSON *told = type_of(proxy, type);
        if (report_number(told, "ackedMs") > s->last_ack_ms)
            s->last_ack_ms = report_number(told, "ackedMs");
        if (is_refused_since(told, applied_ms))
            refused = arena_printf(a, "%s %s: %s", id, types[type], report_text(told, "lastNack"));
        else if (!is_type_done(told, revision))
            late = arena_printf(a, "%s %s", id, types[type]);
    }
    if (refused)
        list_push(a, &s->refused, refused);
    else if (late || !s->is_served)
        list_push(a, &s->late, late ? late : arena_strdup(a, id));
    else
        s->done++;
}

bool rollout_standing(struct ctl *ctl, const char *server, int64_t revision, int64_t applied_ms,
    struct rollout_standing *out, struct error *err)
{
    cJSON *status = admin_get(server, "/debug/status", err), *proxy;
    cJSON *proxies = status ? admin_get(server, "/debug/proxies", err) : NULL;
    bool is_good = proxies != NULL;
    *out = (struct rollout_standing){ .is_served = report_number(status, "revision") >= revision };
    cJSON_ArrayForEach (proxy, proxies)
        stand_proxy(ctl->a, proxy, revision, applied_ms, out);
    cJSON_Delete(status);
    cJSON_Delete(proxies);
    return is_good;
}

/* ---- what each has ---- */

static int64_t revision_of(const cJSON *proxy, int64_t served)
{
    int64_t least = served;
    for (size_t type = 0; type < ARRAY_COUNT(types); type++) {
        const cJSON *told = type_of(proxy, type);
        const char *state = report_text(told, "state");
        if (!told || strcmp(state, "synced") == 0 || strcmp(state, "not sent") == 0)
            continue;
        if (report_number(told, "ackedRevision") < least)
            least = report_number(told, "ackedRevision");
    }
    return least;
}

struct rollout_revisions rollout_revisions(struct ctl *ctl)
{
    struct rollout_revisions all = { 0 };
    struct error err;
    string_list servers = admin_servers(ctl);
    for (list_each (const char *const, server, &servers)) {
        cJSON *status = admin_get(*server, "/debug/status", &err), *proxy;
        cJSON *proxies = status ? admin_get(*server, "/debug/proxies", &err) : NULL;
        cJSON_ArrayForEach (proxy, proxies)
            list_push(ctl->a, &all.items, revision_of(proxy, report_number(status, "revision")));
        cJSON_Delete(status);
        cJSON_Delete(proxies);
    }
    return all;
}
