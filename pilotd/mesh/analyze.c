#include "mesh/analyze.h"

#include "model/destination_rule.h"
#include "model/virtual_service.h"

#include <string.h>

void finding_add(struct snapshot *s, const char *key, enum diag_code code, const char *path,
    const char *hint, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    struct finding finding = {
        .key = key,
        .diag = { .severity = DIAG_WARNING,
            .code = code,
            .path = path,
            .hint = hint,
            .message = arena_vprintf(s->arena, fmt, args) },
    };
    va_end(args);
    list_push(s->arena, &s->findings, finding);
}

/* ---- services by the end of their host ---- */

/* As strcmp, but from the last character to the first. */
static int compare_from_end(const char *a, size_t a_size, const char *b, size_t b_size)
{
    while (a_size > 0 && b_size > 0) {
        int order = (unsigned char)a[--a_size] - (unsigned char)b[--b_size];
        if (order != 0)
            return order;
    }
    return (a_size > 0) - (b_size > 0);
}

static int compare_tailed(const void *left, const void *right)
{
    const struct service *a = *(const struct service *const *)left;
    const struct service *b = *(const struct service *const *)right;
    int order = compare_from_end(a->host, strlen(a->host), b->host, strlen(b->host));
    if (order == 0)
        order =
            (a->create_revision > b->create_revision) - (a->create_revision < b->create_revision);
    return order ? order : strcmp(a->ns, b->ns);
}

/* Sorted when first asked for: few meshes have wildcards. */
static void sort_tailed(struct analysis *an)
{
    size_t count = an->s->services.count;
    if (an->tailed)
        return;
    an->tailed = ARENA_ARRAY(an->scratch, const struct service *, count + 1);
    for (size_t i = 0; i < count; i++)
        an->tailed[i] = an->s->services.items[i];
    qsort(an->tailed, count, sizeof *an->tailed, compare_tailed);
}

static bool ends_with(const char *host, const char *tail)
{
    size_t host_size = strlen(host), tail_size = strlen(tail);
    return host_size >= tail_size && strcmp(host + host_size - tail_size, tail) == 0;
}

/* The first service whose host, read from its end, is not before `tail`; or, `past` it, the first
 * behind those that end with it. */
static size_t tail_bound(struct analysis *an, const char *tail, bool past)
{
    sort_tailed(an);
    size_t low = 0, high = an->s->services.count, size = strlen(tail);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const char *host = an->tailed[middle]->host;
        bool is_before = compare_from_end(host, strlen(host), tail, size) < 0;
        if (is_before || (past && ends_with(host, tail)))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct tailed_slice services_covered(struct analysis *an, const char *pattern)
{
    if (*pattern != '*') {
        struct service_slice same = snapshot_services_of_host(an->s, pattern);
        return (struct tailed_slice){ same.items, same.count };
    }
    const char *tail = pattern + 1;
    size_t first = tail_bound(an, tail, false), end = tail_bound(an, tail, true);
    while (*tail && first < end && strcmp(an->tailed[first]->host, tail) == 0)
        first++; /* a wildcard stands for something */
    return (struct tailed_slice){ an->tailed + first, end - first };
}

const char *service_key(const struct service *service)
{
    return service->object            ? service->object->key
           : service->endpoints.count ? service->endpoints.items[0].object->key
                                      : service->host;
}

/* ---- did you mean ---- */

enum { SUGGESTIONS_MAX = 20, CANDIDATES_MAX = 5000 };

static const char *did_you_mean(struct arena *a, const char *near)
{
    return near ? arena_printf(a, "did you mean \"%s\"?", near) : NULL;
}

const char *suggest(struct analysis *an, const char *word, const string_list *candidates)
{
    if (an->suggestions++ >= SUGGESTIONS_MAX)
        return NULL;
    return did_you_mean(an->s->arena, diag_nearest(word, candidates->items, candidates->count));
}

/* Its first label is mistyped: services that are called alike from the first dot on. */
static const char *nearest_name(struct analysis *an, const char *host, const char *dot)
{
    size_t first = tail_bound(an, dot, false), end = tail_bound(an, dot, true);
    string_list names = { 0 };
    size_t size = strlen(dot);
    for (size_t i = first; i < end && names.count < CANDIDATES_MAX; i++) {
        const char *other = an->tailed[i]->host;
        size_t label = strlen(other) - size;
        if (!memchr(other, '.', label))
            list_push(an->scratch, &names, arena_strndup(an->scratch, other, label));
    }
    const char *label = arena_strndup(an->scratch, host, (size_t)(dot - host));
    const char *near = diag_nearest(label, names.items, names.count);
    return near ? arena_printf(an->scratch, "%s%s", near, dot) : NULL;
}

/* Something behind it is: services that are called alike up to the first dot. */
static const char *nearest_place(struct analysis *an, const char *host, const char *dot)
{
    size_t size = (size_t)(dot - host) + 1, low = 0, high = an->s->services.count;
    string_list hosts = { 0 };
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strncmp(an->s->services.items[middle]->host, host, size) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < an->s->services.count && hosts.count < CANDIDATES_MAX; low++) {
        if (strncmp(an->s->services.items[low]->host, host, size) != 0)
            break;
        list_push(an->scratch, &hosts, an->s->services.items[low]->host);
    }
    const char *near = diag_nearest(host, hosts.items, hosts.count);
    return near || hosts.count != 1 ? near : hosts.items[0];
}

const char *suggest_host(struct analysis *an, const char *host)
{
    const char *dot = strchr(host, '.');
    if (!dot || *host == '*' || an->suggestions++ >= SUGGESTIONS_MAX)
        return NULL;
    const char *near = nearest_name(an, host, dot);
    return did_you_mean(an->s->arena, near ? near : nearest_place(an, host, dot));
}

/* ---- the whole ---- */

static int compare_findings(const void *left, const void *right)
{
    const struct finding *a = left, *b = right;
    int order = strcmp(a->key, b->key);
    if (order == 0)
        order = strcmp(a->diag.path, b->diag.path);
    if (order == 0)
        order = (a->diag.code > b->diag.code) - (a->diag.code < b->diag.code);
    return order ? order : strcmp(a->diag.message, b->diag.message);
}

void analyze(struct snapshot *s)
{
    struct analysis an = { .s = s, .scratch = arena_new() };
    analyze_routes(&an);
    analyze_delegates(&an);
    analyze_shadows(&an);
    analyze_rules(&an);
    analyze_hosts(&an);
    analyze_ports(&an);
    analyze_workloads(&an);
    if (s->findings.count > 0)
        qsort(s->findings.items, s->findings.count, sizeof *s->findings.items, compare_findings);
    arena_free(an.scratch);
}
