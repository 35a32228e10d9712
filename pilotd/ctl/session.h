/*
 * session: a store used in a straight line: ask, wait, go on. For a command-line tool; runs a loop
 * of its own until each answer is there.
 */
#ifndef CTL_SESSION_H
#define CTL_SESSION_H

#include "ctl/ctl.h"
#include "replication/store.h"

/* Where resources have their keys, for a store of files. */
extern const struct store_layout document_layout;

struct session {
    struct arena *a; /* answers live here */
    uv_loop_t loop;
    struct store *store;
    bool is_of_files;
};

struct session_answer {
    struct error err; /* when false was returned */
    bool succeeded;
    int64_t revision, lease, compacted;
    LIST(struct store_entry) entries; /* copied into the session's arena */
};

/* How the flags say that the store is reached. */
struct store_access session_access(const struct ctl *ctl);

/* Opens the --store of the command line. `layout` of the keyspace's resources is filled in. Prints
 * and returns an exit status; EXIT_GOOD when it is open. */
int session_open(struct session *s, struct ctl *ctl);
void session_close(struct session *s);

bool session_get(struct session *s, const char *key, struct session_answer *answer);
bool session_list(struct session *s, const char *key_prefix, struct session_answer *answer);
/* As it was at a revision; 0: now. */
bool session_get_at(
    struct session *s, const char *key, int64_t revision, struct session_answer *answer);
bool session_list_at(
    struct session *s, const char *key_prefix, int64_t revision, struct session_answer *answer);
/* store_history; a deletion has no value. */
bool session_history(
    struct session *s, const char *key, int64_t last, struct session_answer *answer);
bool session_txn(struct session *s, const struct store_write *writes, size_t count,
    struct session_answer *answer);

#endif
