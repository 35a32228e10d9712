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
    return (e & KNOWN_STUB) && stub_of(e)->is_told_absent;
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

/* The entries are somebody else's now. */
static void forget(struct known *k)
{
    free(k->items);
    free(k->runs);
    *k = (struct known){ 0 };
}

void known_fini(struct known *k)
{
    for (size_t i = 0; i < k->count; i++)
        known_drop(k->items[i]);
    forget(k);
}

static size_t place_of(const struct known *k, const char *name)
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

known_entry *known_find(const struct known *k, const char *name)
{
    size_t at = place_of(k, name);
    bool is_there = at < k->count && strcmp(known_name(k->items[at]), name) == 0;
    return is_there ? &k->items[at] : NULL;
}

size_t known_after(const struct known *k, const char *name)
{
    size_t at = place_of(k, name);
    return at + (at < k->count && strcmp(known_name(k->items[at]), name) == 0);
}

int64_t known_sent_ms(const struct known *k, size_t at)
{
    size_t low = 0, high = k->run_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (k->runs[middle].end <= at)
            low = middle + 1;
        else
            high = middle;
    }
    return low < k->run_count ? k->runs[low].sent_ms : 0;
}

static void lengthen_run(struct known *k, int64_t sent_ms)
{
    if (!k->run_count || k->runs[k->run_count - 1].sent_ms != sent_ms) {
        if (k->run_count == k->run_capacity) {
            k->run_capacity = k->run_capacity ? k->run_capacity * 2 : 1;
            k->runs = xrealloc(k->runs, k->run_capacity * sizeof *k->runs);
        }
        k->runs[k->run_count++].sent_ms = sent_ms;
    }
    k->runs[k->run_count - 1].end = k->count;
}

void known_append(struct known *k, known_entry e, int64_t sent_ms)
{
    if (k->count == k->capacity) {
        k->capacity = k->capacity ? k->capacity + k->capacity / 2 + 1 : 4;
        k->items = xrealloc(k->items, k->capacity * sizeof *k->items);
    }
    k->items[k->count++] = e;
    lengthen_run(k, sent_ms);
}

static void fit(struct known *k)
{
    if (!k->count) {
        forget(k);
        return;
    }
    if (k->count < k->capacity)
        k->items = xrealloc(k->items, k->count * sizeof *k->items);
    if (k->run_count < k->run_capacity)
        k->runs = xrealloc(k->runs, k->run_count * sizeof *k->runs);
    k->capacity = k->count;
    k->run_capacity = k->run_count;
}

void known_take(struct known *k, struct known *next)
{
    forget(k);
    fit(next);
    *k = *next;
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* Names without an entry, sorted, without repetitions. */
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
    if (found)
        qsort(missing, found, sizeof *missing, compare_names);
    for (size_t i = 0; i < found; i++)
        if (!*count || strcmp(missing[*count - 1], missing[i]) != 0)
            missing[(*count)++] = missing[i];
    return missing;
}

/* Merged in one pass. */
bool known_add(struct known *k, const string_list *names)
{
    size_t fresh, next = 0, old = 0;
    const char **missing = missing_names(k, names, &fresh);
    if (!fresh)
        return false;
    size_t capacity = k->count + fresh;
    struct known merged = { .items = xcalloc(capacity, sizeof *merged.items),
        .capacity = capacity };
    while (old < k->count || next < fresh) {
        bool takes_old = next == fresh ||
                         (old < k->count && strcmp(known_name(k->items[old]), missing[next]) < 0);
        if (takes_old) {
            known_append(&merged, k->items[old], known_sent_ms(k, old));
            old++;
        } else {
            known_append(&merged, known_nothing(missing[next++], 0, false), 0);
        }
    }
    free(missing);
    known_take(k, &merged);
    return true;
}

static bool has_unasked(const struct known *k)
{
    for (size_t i = 0; i < k->count; i++)
        if (!(k->items[i] & KNOWN_ASKED))
            return true;
    return false;
}

void known_drop_unasked(struct known *k)
{
    struct known kept = { 0 };
    if (!has_unasked(k))
        return;
    for (size_t i = 0; i < k->count; i++) {
        if (k->items[i] & KNOWN_ASKED)
            known_append(&kept, k->items[i], known_sent_ms(k, i));
        else
            known_drop(k->items[i]);
    }
    known_take(k, &kept);
}
