#include "xds/known.h"

#include <string.h>

struct stub {
    struct hash128 version;
    bool is_held, is_told_absent;
    char name[];
};

static void *pointer(known_entry e)
{
    return (void *)(e & ~(known_entry)KNOWN_FLAGS);
}

static const struct stub *stub_of(known_entry e)
{
    return pointer(e);
}

struct xds_resource *known_resource(known_entry e)
{
    return e & KNOWN_STUB ? NULL : pointer(e);
}

const char *known_name(known_entry e)
{
    return e & KNOWN_STUB ? stub_of(e)->name : known_resource(e)->name;
}

bool known_is_held(known_entry e)
{
    return !(e & KNOWN_STUB) || stub_of(e)->is_held;
}

bool known_is_told_absent(known_entry e)
{
    return (e & KNOWN_STUB) && stub_of(e)->is_told_absent && !(e & KNOWN_RESEND);
}

bool known_is_nothing(known_entry e)
{
    bool is_bare_stub = (e & KNOWN_FLAGS) == KNOWN_STUB;
    return !e || (is_bare_stub && !known_is_held(e) && !known_is_told_absent(e));
}

const struct hash128 *known_held_version(known_entry e)
{
    if (!known_is_held(e))
        return NULL;
    return e & KNOWN_STUB ? &stub_of(e)->version : &known_resource(e)->version;
}

bool known_is_version(known_entry e, const struct hash128 *version)
{
    const struct hash128 *held = known_held_version(e);
    return held && hash128_equal(held, version);
}

static known_entry tag(const void *p, unsigned flags)
{
    INVARIANT(((uintptr_t)p & KNOWN_FLAGS) == 0);
    return (known_entry)p | flags;
}

known_entry known_sent(struct xds_resource *r, unsigned flags)
{
    return tag(xds_resource_retain(r), flags & ~(unsigned)KNOWN_STUB);
}

static struct stub *stub_new(const char *name)
{
    size_t size = strlen(name) + 1;
    struct stub *stub = xcalloc(1, sizeof *stub + size);
    memcpy(stub->name, name, size);
    return stub;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A version that is none of ours stays all zero, and so differs from every resource's. */
known_entry known_version(const char *name, const char *version_text)
{
    struct stub *stub = stub_new(name);
    stub->is_held = true;
    if (strlen(version_text) != 2 * HASH128_BYTES)
        return tag(stub, KNOWN_STUB);
    for (size_t i = 0; i < HASH128_BYTES; i++) {
        int high = hex_digit(version_text[2 * i]), low = hex_digit(version_text[2 * i + 1]);
        if (high < 0 || low < 0) {
            stub->version = (struct hash128){ 0 };
            break;
        }
        stub->version.bytes[i] = (uint8_t)(high << 4 | low);
    }
    return tag(stub, KNOWN_STUB);
}

known_entry known_nothing(const char *name, unsigned flags, bool is_told_absent)
{
    struct stub *stub = stub_new(name);
    stub->is_told_absent = is_told_absent;
    return tag(stub, flags | KNOWN_STUB);
}

void known_drop(known_entry e)
{
    if (e & KNOWN_STUB)
        free(pointer(e));
    else
        xds_resource_release(pointer(e));
}

/* ---- names ---- */

/* The entries are somebody else's now. */
static void forget_entries(struct known *k)
{
    free(k->items);
    k->items = NULL;
    k->count = k->capacity = 0;
}

size_t known_place(const struct known *k, const char *name)
{
    size_t low = 0, high = k->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(known_name(k->items[middle]), name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_at(const struct known *k, size_t at, const char *name)
{
    return at < k->count && strcmp(known_name(k->items[at]), name) == 0;
}

known_entry *known_find(const struct known *k, const char *name)
{
    size_t at = known_place(k, name);
    return is_at(k, at, name) ? &k->items[at] : NULL;
}

size_t known_after(const struct known *k, const char *name)
{
    size_t at = known_place(k, name);
    return at + is_at(k, at, name);
}

static struct xds_resource *find_in_rest(const struct known *k, const char *name)
{
    return k->rest ? xds_view_find(k->rest, k->type, name) : NULL;
}

known_entry known_of(const struct known *k, const char *name)
{
    const known_entry *own = known_find(k, name);
    struct xds_resource *r = own ? NULL : find_in_rest(k, name);
    if (own)
        return *own;
    return r ? tag(r, k->rest_flags) : 0;
}

static void reserve(struct known *k, size_t capacity)
{
    if (capacity <= k->capacity)
        return;
    k->items = xrealloc(k->items, capacity * sizeof *k->items);
    k->capacity = capacity;
}

known_entry *known_own(struct known *k, const char *name)
{
    size_t at = known_place(k, name);
    bool is_there = is_at(k, at, name);
    struct xds_resource *r = is_there ? NULL : find_in_rest(k, name);
    if (is_there)
        return &k->items[at];
    if (!r)
        return NULL;
    reserve(k, k->count + 1);
    memmove(k->items + at + 1, k->items + at, (k->count - at) * sizeof *k->items);
    k->items[at] = known_sent(r, k->rest_flags);
    k->count++;
    return &k->items[at];
}

void known_append(struct known *k, known_entry e)
{
    if (k->count == k->capacity)
        reserve(k, k->capacity ? k->capacity + k->capacity / 2 + 1 : 4);
    k->items[k->count++] = e;
}

void known_take(struct known *k, struct known *next)
{
    forget_entries(k);
    if (!next->count)
        forget_entries(next);
    else if (next->count < next->capacity)
        next->items = xrealloc(next->items, next->count * sizeof *next->items);
    k->items = next->items;
    k->count = k->capacity = next->count;
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static bool is_sorted(const char **names, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (strcmp(names[i - 1], names[i]) > 0)
            return false;
    return true;
}

/* Names without an entry, sorted, without repetitions; on the heap. */
static const char **missing_names(const struct known *k, const string_list *names, size_t *count)
{
    const char **missing = NULL;
    size_t found = 0;
    *count = 0;
    for (size_t i = 0; i < names->count; i++) {
        if (known_find(k, names->items[i]))
            continue;
        if (!missing)
            missing = xcalloc(names->count - i, sizeof *missing);
        missing[found++] = names->items[i];
    }
    if (!is_sorted(missing, found))
        qsort(missing, found, sizeof *missing, compare_names);
    for (size_t i = 0; i < found; i++)
        if (!*count || strcmp(missing[*count - 1], missing[i]) != 0)
            missing[(*count)++] = missing[i];
    return missing;
}

static known_entry new_entry(const struct known *k, const char *name, unsigned flags)
{
    struct xds_resource *r = find_in_rest(k, name);
    return r ? known_sent(r, k->rest_flags) : known_nothing(name, flags, false);
}

/* Merged in one pass. */
bool known_add(struct known *k, const string_list *names, unsigned flags)
{
    size_t fresh, next = 0, old = 0;
    const char **missing = missing_names(k, names, &fresh);
    struct known merged = { 0 };
    if (!fresh)
        return false;
    reserve(&merged, k->count + fresh);
    while (old < k->count || next < fresh) {
        bool takes_old = next == fresh ||
                         (old < k->count && strcmp(known_name(k->items[old]), missing[next]) < 0);
        known_append(&merged, takes_old ? k->items[old] : new_entry(k, missing[next], flags));
        old += takes_old;
        next += !takes_old;
    }
    free(missing);
    known_take(k, &merged);
    return true;
}

bool known_has_refused(const struct known *k)
{
    for (size_t i = 0; i < k->count; i++)
        if (k->items[i] & KNOWN_REFUSED)
            return true;
    return false;
}

static bool has_unasked(const struct known *k)
{
    for (size_t i = 0; i < k->count; i++)
        if (!(k->items[i] & KNOWN_ASKED) && !(k->rest && known_is_nothing(k->items[i])))
            return true;
    return false;
}

/* Where there is a rest, it takes an entry to say that the proxy has not what the view has. */
void known_drop_unasked(struct known *k)
{
    struct known kept = { 0 };
    if (!has_unasked(k))
        return;
    for (size_t i = 0; i < k->count; i++) {
        known_entry e = k->items[i];
        if (e & KNOWN_ASKED) {
            known_append(&kept, e);
            continue;
        }
        if (find_in_rest(k, known_name(e)))
            known_append(&kept, known_nothing(known_name(e), 0, false));
        known_drop(e);
    }
    known_take(k, &kept);
}

/* ---- walking ---- */

/* Most names are known by the very resource that is wanted: no need to compare text. */
static int order_of(const struct xds_resource *r, const struct known *k, size_t at)
{
    if (!r)
        return 1;
    if (at == k->count)
        return -1;
    return known_resource(k->items[at]) == r ? 0 : strcmp(r->name, known_name(k->items[at]));
}

static bool next_entry(struct known_walk *w)
{
    if (w->at == w->known->count)
        return false;
    w->e = w->known->items[w->at++];
    w->r = xds_view_find(w->view, w->type, known_name(w->e));
    w->is_entry = true;
    return true;
}

bool known_walk_next(struct known_walk *w)
{
    struct xds_cursor ahead = w->cursor;
    if (w->only_entries)
        return next_entry(w);
    struct xds_resource *r = w->view ? xds_view_next(w->view, w->type, &ahead) : NULL;
    if (!r && w->at == w->known->count)
        return false;
    int order = order_of(r, w->known, w->at);
    w->is_entry = order >= 0;
    w->r = order <= 0 ? r : NULL;
    w->e = w->is_entry ? w->known->items[w->at] : 0;
    if (!w->is_entry && w->known->rest)
        w->e = tag(r, w->known->rest_flags);
    if (order <= 0)
        w->cursor = ahead;
    w->at += w->is_entry;
    return true;
}

/* ---- the rest ---- */

/* Does an entry (or none) say no more than that the proxy has what there is? */
static bool says_the_same(known_entry e, const struct xds_resource *r, unsigned rest_flags)
{
    if (!r)
        return known_is_nothing(e);
    return (e & KNOWN_FLAGS) == rest_flags && e && known_is_version(e, &r->version);
}

static size_t count_others(const struct known *k, const struct xds_view *view, enum xds_type type,
    unsigned flags, size_t limit)
{
    struct known_walk w = { .known = k, .view = view, .type = type };
    size_t count = 0;
    while (count <= limit && known_walk_next(&w))
        count += !says_the_same(w.e, w.r, flags);
    return count;
}

void known_keep_rest(
    struct known *k, const struct xds_view *view, enum xds_type type, unsigned flags)
{
    struct known_walk w = { .known = k, .view = view, .type = type };
    struct known others = { 0 };
    size_t limit = k->count / 2;
    if (k->rest || xds_view_count(view, type) > k->count + limit ||
        count_others(k, view, type, flags, limit) > limit)
        return;
    while (known_walk_next(&w)) {
        if (!says_the_same(w.e, w.r, flags))
            known_append(&others, w.e ? w.e : known_nothing(w.r->name, 0, false));
        else if (w.is_entry)
            known_drop(w.e);
    }
    known_take(k, &others);
    k->rest = view;
    k->type = type;
    k->rest_flags = flags;
}

void known_spread(struct known *k)
{
    struct known_walk w = { .known = k, .view = k->rest, .type = k->type };
    struct known all = { 0 };
    if (!k->rest)
        return;
    reserve(&all, k->count + xds_view_count(k->rest, k->type));
    while (known_walk_next(&w))
        known_append(&all, w.is_entry ? w.e : known_sent(w.r, k->rest_flags));
    known_take(k, &all);
    k->rest = NULL;
}

void known_move(struct known *k, const struct xds_view *to, const string_list *names)
{
    if (!k->rest)
        return;
    known_add(k, names, 0);
    k->rest = to;
}

void known_tidy(struct known *k)
{
    struct known_walk w = { .known = k, .view = k->rest, .type = k->type, .only_entries = true };
    struct known kept = { 0 };
    if (!k->rest || !k->count)
        return;
    while (known_walk_next(&w)) {
        if (says_the_same(w.e, w.r, k->rest_flags))
            known_drop(w.e);
        else
            known_append(&kept, w.e);
    }
    known_take(k, &kept);
}

/* ---- times ---- */

static size_t place_of_time(const struct known *k, const char *name)
{
    size_t at = 0;
    while (at < k->time_count && strcmp(k->times[at].resource->name, name) != 0)
        at++;
    return at;
}

static void forget_time(struct known *k, size_t at)
{
    xds_resource_release(k->times[at].resource);
    k->time_count--;
    memmove(k->times + at, k->times + at + 1, (k->time_count - at) * sizeof *k->times);
}

static void forget_times(struct known *k)
{
    while (k->time_count)
        forget_time(k, k->time_count - 1);
    free(k->times);
    k->times = NULL;
}

static void note_sent(struct known *k, struct xds_resource *r, int64_t now_ms)
{
    size_t former = place_of_time(k, r->name);
    if (former < k->time_count)
        forget_time(k, former);
    else if (k->time_count == KNOWN_TIMES)
        forget_time(k, 0);
    k->times = xrealloc(k->times, (k->time_count + 1) * sizeof *k->times);
    k->times[k->time_count++] = (struct known_time){ xds_resource_retain(r), now_ms };
}

void known_note_sent(
    struct known *k, struct xds_resource *const *resources, size_t count, int64_t now_ms)
{
    if (count > KNOWN_TIMES) {
        forget_times(k);
        k->bulk_ms = now_ms;
        return;
    }
    for (size_t i = 0; i < count; i++)
        note_sent(k, resources[i], now_ms);
}

int64_t known_sent_ms(const struct known *k, const char *name)
{
    size_t at = place_of_time(k, name);
    return at < k->time_count ? k->times[at].sent_ms : k->bulk_ms;
}

void known_fini(struct known *k)
{
    for (size_t i = 0; i < k->count; i++)
        known_drop(k->items[i]);
    forget_entries(k);
    forget_times(k);
    *k = (struct known){ 0 };
}
