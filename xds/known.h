/*
 * known: what a proxy knows of one type: the names it asked for and the versions it was sent.
 *
 * A sorted array of one word a name, since there are thousands a proxy: the word points to the
 * shared resource that was sent (retained), or to a small stub for a name of which the proxy has
 * another version, or none. Its low bits are the flags.
 *
 * When each was sent is kept in runs of neighbours that were sent at one time: one run for a proxy
 * that has its first configuration, and two more at most for each that is sent alone later.
 */
#ifndef XDS_KNOWN_H
#define XDS_KNOWN_H

#include "base/arena.h"
#include "xds/resource.h"

enum known_flag {
    KNOWN_ASKED = 1,   /* subscribed to by name */
    KNOWN_RESEND = 2,  /* to be sent again though nothing changed */
    KNOWN_REFUSED = 4, /* the proxy refused this version (NACK) */
    KNOWN_STUB = 8,    /* private to known.c */
    KNOWN_FLAGS = 15,
};

typedef uintptr_t known_entry;

struct known_run { /* up to the entry `end`, from where the run before ends */
    size_t end;
    int64_t sent_ms;
};

struct known {
    known_entry *items;
    size_t count, capacity;
    struct known_run *runs;
    size_t run_count, run_capacity;
};

void known_fini(struct known *k);

const char *known_name(known_entry e);
/* The resource that was sent, or NULL for a stub. */
struct xds_resource *known_resource(known_entry e);
/* Does the proxy have a version of it (or had, when it refused a later one)? */
bool known_is_held(known_entry e);
/* Which; NULL when it has none. */
const struct hash128 *known_held_version(known_entry e);
/* Was it told that there is none? */
bool known_is_told_absent(known_entry e);
/* Does the proxy have, or did it refuse, exactly this version? */
bool known_is_version(known_entry e, const struct hash128 *version);

/* New entries. The first retains. */
known_entry known_sent(struct xds_resource *r, unsigned flags);
known_entry known_version(
    const char *name, const char *version_text); /* the proxy says it has it */
known_entry known_nothing(const char *name, unsigned flags, bool is_told_absent);
void known_drop(known_entry e);

/* The entry of a name, or NULL. */
known_entry *known_find(const struct known *k, const char *name);
/* The place of the first whose name is behind `name`. */
size_t known_after(const struct known *k, const char *name);
/* When the entry at a place was sent; 0: never, or on a stream before this one. */
int64_t known_sent_ms(const struct known *k, size_t at);
/* Puts known_nothing() in the place of each name that has no entry; true if there was one. Costs
 * one pass, however many names and in whatever order. */
bool known_add(struct known *k, const string_list *names);
void known_drop_unasked(struct known *k);

/* At the end of the array: for whoever builds a new one in order. */
void known_append(struct known *k, known_entry e, int64_t sent_ms);
/* `next` in the place of `k`, whose entries belong to `next` or to nobody by now. What was taken
 * too much is given back. */
void known_take(struct known *k, struct known *next);

#endif
