#include "xds/view.h"

#include <string.h>

/*
 * From one view to the next: the names that are other. Steps hang on one another, so that a proxy
 * which missed some finds what it missed; STEPS_MAX are kept.
 */
enum { STEPS_MAX = 32 };

struct xds_step {
    struct refcount refs;
    struct hash128 from; /* of the view before */
    struct xds_step *former;
    size_t depth;
    struct xds_resource **changed[XDS_TYPE_COUNT]; /* for their names; retained */
    size_t counts[XDS_TYPE_COUNT];
};

static void step_release(struct xds_step *step)
{
    while (step && refcount_release(&step->refs)) {
        struct xds_step *former = step->former;
        for (enum xds_type type = 0; type < XDS_TYPE_COUNT; type++) {
            for (size_t i = 0; i < step->counts[type]; i++)
                xds_resource_release(step->changed[type][i]);
            free(step->changed[type]);
        }
        free(step);
        step = former;
    }
}

static int compare_items(const void *left, const void *right)
{
    const struct xds_resource *a = *(const struct xds_resource *const *)left;
    const struct xds_resource *b = *(const struct xds_resource *const *)right;
    int order = strcmp(a->name, b->name);
    return order ? order : memcmp(&a->version, &b->version, sizeof a->version);
}

/* Sorted, without repetitions. Two versions of one name are a mistake of whoever made the lists. */
static struct xds_set make_set(struct xds_resource *const *list, size_t count)
{
    struct xds_set set = { .items = xcalloc(count, sizeof *set.items) };
    if (count)
        memcpy(set.items, list, count * sizeof *set.items);
    qsort(set.items, count, sizeof *set.items, compare_items);
    for (size_t i = 0; i < count; i++) {
        struct xds_resource *last = set.count ? set.items[set.count - 1] : NULL;
        if (!last || strcmp(last->name, set.items[i]->name) != 0) {
            set.items[set.count++] = set.items[i];
            continue;
        }
        INVARIANT(hash128_equal(&last->version, &set.items[i]->version));
        xds_resource_release(set.items[i]);
    }
    return set;
}

/* The first whose name is not before `name`. */
static size_t place_in(struct xds_resource *const *sorted, size_t count, const char *name)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(sorted[middle]->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct hash_sum sum_of(const struct xds_set *set)
{
    struct hash_sum sum = { 0 };
    for (size_t i = 0; i < set->count; i++)
        hash_sum_add(&sum, &set->items[i]->mark);
    return sum;
}

/* An empty set has a hash, too: that of this. */
static const struct hash128 hash_of_nothing = { { 1 } };

/* Of a view whose lists are there, and their sums. */
static void finish(struct xds_view *v)
{
    for (enum xds_type type = 0; type < XDS_TYPE_COUNT; type++) {
        struct xds_set *own = &v->own[type];
        struct hash_sum all = own->sum;
        if (v->base)
            hash_sum_add(&all, &v->base->own[type].hash);
        else
            hash_sum_add(&all, &hash_of_nothing);
        own->hash = hash_sum_hash(&all);
        v->hash = xds_version_with(&own->hash, &v->hash);
    }
}

static struct xds_view *view_new(int64_t revision, struct xds_view *base)
{
    struct xds_view *v = xcalloc(1, sizeof *v);
    refcount_init(&v->refs);
    v->revision = revision;
    v->base = base ? xds_view_retain(base) : NULL;
    INVARIANT(!base || !base->base);
    return v;
}

struct xds_view *xds_view_new(int64_t revision, struct xds_view *base,
    struct xds_resource **const lists[XDS_TYPE_COUNT], const size_t counts[XDS_TYPE_COUNT])
{
    struct xds_view *v = view_new(revision, base);
    for (enum xds_type type = 0; type < XDS_TYPE_COUNT; type++) {
        v->own[type] = make_set(lists[type], counts[type]);
        v->own[type].sum = sum_of(&v->own[type]);
    }
    finish(v);
    return v;
}

static struct xds_set copy_set(const struct xds_set *from)
{
    struct xds_set set = { .items = xcalloc(from->count, sizeof *set.items), .count = from->count };
    for (size_t i = 0; i < from->count; i++)
        set.items[i] = xds_resource_retain(from->items[i]);
    return set;
}

struct xds_view *xds_view_rebase(
    const struct xds_view *former, int64_t revision, struct xds_view *base)
{
    struct xds_view *v = view_new(revision, base);
    for (enum xds_type type = 0; type < XDS_TYPE_COUNT; type++) {
        v->own[type] = copy_set(&former->own[type]);
        v->own[type].sum = former->own[type].sum;
    }
    finish(v);
    return v;
}

static void replace(struct xds_set *set, size_t place, struct xds_resource *r)
{
    hash_sum_remove(&set->sum, &set->items[place]->mark);
    hash_sum_add(&set->sum, &r->mark);
    xds_resource_release(set->items[place]);
    set->items[place] = r;
}

static bool has_all(const struct xds_view *v, struct xds_resource **const lists[XDS_TYPE_COUNT],
    const size_t counts[XDS_TYPE_COUNT])
{
    for (enum xds_type type = 0; type < XDS_TYPE_COUNT; type++)
        for (size_t i = 0; i < counts[type]; i++)
            if (!xds_resources_find(v->own[type].items, v->own[type].count, lists[type][i]->name))
                return false;
    return true;
}

struct xds_view *xds_view_replace(struct xds_view *former, int64_t revision,
    struct xds_resource **const lists[XDS_TYPE_COUNT], const size_t counts[XDS_TYPE_COUNT])
{
    INVARIANT(!former->base);
    if (!has_all(former, lists, counts))
        return NULL;
    struct xds_view *v = view_new(revision, NULL);
    for (enum xds_type type = 0; type < XDS_TYPE_COUNT; type++) {
        struct xds_set *set = &v->own[type];
        *set = copy_set(&former->own[type]);
        set->sum = former->own[type].sum;
        for (size_t i = 0; i < counts[type]; i++)
            replace(set, place_in(set->items, set->count, lists[type][i]->name), lists[type][i]);
    }
    finish(v);
    return v;
}

struct xds_view *xds_view_retain(struct xds_view *v)
{
    refcount_retain(&v->refs);
    return v;
}

void xds_view_release(struct xds_view *v)
{
    if (!v || !refcount_release(&v->refs))
        return;
    for (enum xds_type type = 0; type < XDS_TYPE_COUNT; type++) {
        for (size_t i = 0; i < v->own[type].count; i++)
            xds_resource_release(v->own[type].items[i]);
        free(v->own[type].items);
    }
    step_release(v->step);
    xds_view_release(v->base);
    free(v);
}

/* ---- from one view to another ---- */

/* What two sets, walked by name, come to next: of one name, one of them NULL if only one has it. */
struct both {
    const struct xds_set *left, *right;
    size_t l, r;
    struct xds_resource *in_left, *in_right;
};

static bool next_of_both(struct both *b)
{
    struct xds_resource *left = b->l < b->left->count ? b->left->items[b->l] : NULL;
    struct xds_resource *right = b->r < b->right->count ? b->right->items[b->r] : NULL;
    int order = left == right ? 0 : !left ? 1 : !right ? -1 : strcmp(left->name, right->name);
    b->in_left = order <= 0 ? left : NULL;
    b->in_right = order >= 0 ? right : NULL;
    b->l += b->in_left != NULL;
    b->r += b->in_right != NULL;
    return left || right;
}

/* The next resource that is in one alone, or not the same in both; NULL at the end. */
static struct xds_resource *next_change(struct both *b)
{
    while (next_of_both(b)) {
        bool is_same = b->in_left == b->in_right ||
                       (b->in_left && b->in_right &&
                           hash128_equal(&b->in_left->version, &b->in_right->version));
        if (!is_same)
            return b->in_right ? b->in_right : b->in_left;
    }
    return NULL;
}

static void push_changes(
    struct arena *a, const struct xds_set *from, const struct xds_set *to, string_list *names)
{
    struct both both = { .left = from, .right = to };
    for (struct xds_resource *r; (r = next_change(&both));)
        list_push(a, names, r->name);
}

void xds_view_follow(struct xds_view *v, const struct xds_view *former)
{
    struct xds_step *step = xcalloc(1, sizeof *step);
    INVARIANT(!v->base && !former->base && !v->step);
    refcount_init(&step->refs);
    step->from = former->hash;
    if (former->step && former->step->depth < STEPS_MAX) {
        refcount_retain(&former->step->refs);
        step->former = former->step;
        step->depth = former->step->depth + 1;
    }
    for (enum xds_type type = 0; type < XDS_TYPE_COUNT; type++) {
        struct both both = { .left = &former->own[type], .right = &v->own[type] };
        size_t *count = &step->counts[type];
        for (struct xds_resource *r; (r = next_change(&both)); (*count)++) {
            if ((*count & (*count - 1)) == 0)
                step->changed[type] = xrealloc(
                    step->changed[type], (*count ? *count * 2 : 1) * sizeof *step->changed[type]);
            step->changed[type][*count] = xds_resource_retain(r);
        }
    }
    v->step = step;
}

/* By the steps between the two, if they are known. */
static bool push_steps(struct arena *a, const struct xds_view *from, const struct xds_view *to,
    enum xds_type type, string_list *names)
{
    const struct xds_step *first = to->step;
    while (first && !hash128_equal(&first->from, &from->hash))
        first = first->former;
    if (!first)
        return false;
    for (const struct xds_step *step = to->step; step; step = step->former) {
        for (size_t i = 0; i < step->counts[type]; i++)
            list_push(a, names, step->changed[type][i]->name);
        if (step == first)
            break;
    }
    return true;
}

void xds_view_changes(struct arena *a, const struct xds_view *from, const struct xds_view *to,
    enum xds_type type, string_list *names)
{
    static const struct xds_set nothing = { 0 };
    const struct xds_view *was = from->base, *is = to->base;
    push_changes(a, &from->own[type], &to->own[type], names);
    if (was == is || (was && is && push_steps(a, was, is, type, names)))
        return;
    push_changes(a, was ? &was->own[type] : &nothing, is ? &is->own[type] : &nothing, names);
}

struct xds_resource *xds_resources_find(
    struct xds_resource *const *sorted, size_t count, const char *name)
{
    size_t place = place_in(sorted, count, name);
    return place < count && strcmp(sorted[place]->name, name) == 0 ? sorted[place] : NULL;
}

static struct xds_resource *find_in(const struct xds_set *set, const char *name)
{
    return xds_resources_find(set->items, set->count, name);
}

static size_t place_after(const struct xds_set *set, const char *name)
{
    size_t place = place_in(set->items, set->count, name);
    return place + (place < set->count && strcmp(set->items[place]->name, name) == 0);
}

struct xds_cursor xds_view_after(const struct xds_view *v, enum xds_type type, const char *name)
{
    return (struct xds_cursor){
        .own = place_after(&v->own[type], name),
        .base = v->base ? place_after(&v->base->own[type], name) : 0,
    };
}

struct xds_resource *xds_view_find(const struct xds_view *v, enum xds_type type, const char *name)
{
    struct xds_resource *found = find_in(&v->own[type], name);
    return found || !v->base ? found : find_in(&v->base->own[type], name);
}

size_t xds_view_count(const struct xds_view *v, enum xds_type type)
{
    return v->own[type].count + (v->base ? v->base->own[type].count : 0);
}

struct xds_resource *xds_view_next(
    const struct xds_view *v, enum xds_type type, struct xds_cursor *cursor)
{
    const struct xds_set *own = &v->own[type], *base = v->base ? &v->base->own[type] : NULL;
    bool has_own = cursor->own < own->count, has_base = base && cursor->base < base->count;
    if (has_own && has_base) {
        int order = strcmp(own->items[cursor->own]->name, base->items[cursor->base]->name);
        INVARIANT(order != 0);
        has_own = order < 0;
        has_base = order > 0;
    }
    if (has_own)
        return own->items[cursor->own++];
    return has_base ? base->items[cursor->base++] : NULL;
}
