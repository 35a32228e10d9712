/*
 * known: what a proxy knows of one type: the names it asked for and the versions it was sent.
 *
 * A sorted array of one word a name: the word points to the shared resource that was sent
 * (retained), or to a small stub for a name of which the proxy has another version, or none. Its
 * low bits are the flags.
 *
 * There are thousands of names, and thousands of proxies that have the same. So once a proxy has
 * nearly all of its view, only what is otherwise is kept: of a name without an entry it has what
 * the view has, `rest`. When another view comes, known_move makes entries of the names that differ,
 * with what the proxy had of them. What is done for a proxy then costs what has changed.
 *
 * When each was sent is kept of those that were sent last, one by one; of the others is known when
 * they, or most of them, were sent together.
 */
#ifndef XDS_KNOWN_H
#define XDS_KNOWN_H

#include "base/arena.h"
#include "xds/view.h"

enum known_flag {
    KNOWN_ASKED = 1,   /* subscribed to by name */
    KNOWN_RESEND = 2,  /* to be sent, or denied, again though nothing changed */
    KNOWN_REFUSED = 4, /* the proxy refused this version (NACK) */
    KNOWN_STUB = 8,    /* private to known.c */
    KNOWN_FLAGS = 15,
};

typedef uintptr_t known_entry; /* 0: of a name that there is nothing to know of */

enum { KNOWN_TIMES = 16 }; /* of resources, the last that were sent */

struct known_time {
    struct xds_resource *resource; /* retained; its name is what counts */
    int64_t sent_ms;
};

struct known {
    known_entry *items;
    size_t count, capacity;
    const struct xds_view *rest; /* of names without an entry; borrowed. NULL: nothing is known */
    enum xds_type type;          /* of which the rest is */
    unsigned rest_flags;         /* KNOWN_ASKED, or none */
    struct known_time *times;    /* from the oldest on */
    size_t time_count;
    int64_t bulk_ms;
};

void known_fini(struct known *k);

/* ---- entries ---- */

const char *known_name(known_entry e);
/* The resource that was sent, or NULL for a stub. */
struct xds_resource *known_resource(known_entry e);
/* Does the proxy have a version of it (or had, when it refused a later one)? */
bool known_is_held(known_entry e);
/* Which; NULL when it has none. */
const struct hash128 *known_held_version(known_entry e);
/* Was it told that there is none, and is not to be told again? */
bool known_is_told_absent(known_entry e);
/* Was it neither asked for nor sent, nor anything told of it? */
bool known_is_nothing(known_entry e);
/* Does the proxy have, or did it refuse, exactly this version? */
bool known_is_version(known_entry e, const struct hash128 *version);

/* New entries. The first retains. */
known_entry known_sent(struct xds_resource *r, unsigned flags);
known_entry known_version(
    const char *name, const char *version_text); /* the proxy says it has it */
known_entry known_nothing(const char *name, unsigned flags, bool is_told_absent);
void known_drop(known_entry e);

/* ---- names ---- */

/* What is known of a name, by an entry or by the rest; borrowed. */
known_entry known_of(const struct known *k, const char *name);
/* The entry of a name, or NULL: there is none of its own. */
known_entry *known_find(const struct known *k, const char *name);
/* The same, made from the rest where there is none. */
known_entry *known_own(struct known *k, const char *name);
/* The place of `name`, or of the first behind it; and that of the first behind it. */
size_t known_place(const struct known *k, const char *name);
size_t known_after(const struct known *k, const char *name);

/* Puts known_nothing() with the flags in the place of each name of which nothing is known; true if
 * there was one. Costs one pass, however many names and in whatever order. */
bool known_add(struct known *k, const string_list *names, unsigned flags);
bool known_has_refused(const struct known *k); /* a version of any name */
/* Names that are not asked for are forgotten: the proxy has none of them. */
void known_drop_unasked(struct known *k);

/* At the end of the array: for whoever builds a new one in order. */
void known_append(struct known *k, known_entry e);
/* The entries of `next` in the place of those of `k`, which belong to `next` or to nobody by now.
 * What was taken too much is given back. */
void known_take(struct known *k, struct known *next);

/* A view and what is known, both by name. Start from {.known, .view, .type}; with only_entries it
 * goes by the entries alone. */
struct known_walk {
    const struct known *known;
    const struct xds_view *view; /* the rest, if there is one; NULL: no names but those known */
    enum xds_type type;
    bool only_entries;
    size_t at;
    struct xds_cursor cursor;
    /* of the name that it is at: */
    struct xds_resource *r; /* NULL: the view has none */
    known_entry e;          /* borrowed; 0: nothing is known */
    bool is_entry;          /* the entry at `at` - 1, not the rest */
};
bool known_walk_next(struct known_walk *w);

/* ---- the rest ---- */

/* From now on `view` is the rest, if that makes the entries fewer than half of what they are. One
 * pass over both. */
void known_keep_rest(
    struct known *k, const struct xds_view *view, enum xds_type type, unsigned flags);
/* Entries for all, and no rest. */
void known_spread(struct known *k);
/* `to` is the rest in the place of the one before; `names`: those in which they differ (or may). */
void known_move(struct known *k, const struct xds_view *to, const string_list *names);
/* Entries that say what the rest says are dropped. */
void known_tidy(struct known *k);

/* ---- times ---- */

void known_note_sent(
    struct known *k, struct xds_resource *const *resources, size_t count, int64_t now_ms);
/* When it was sent, or when it was at the earliest; 0: never, or on a stream before this one. */
int64_t known_sent_ms(const struct known *k, const char *name);

#endif
