/*
 * held: the value of `holds/<key>`, read and written.
 *
 *     {"of": REVISION, "since": REVISION, "value": VALUE}
 *     {"of": …, "created": REVISION, "since": …, "why": "expired", "value": VALUE}
 *
 * The first stands in for a value that is rejected, the second for an instance's key that is
 * absent. "of" is the revision of the value, "since" that at which it was rejected or went. VALUE
 * stands last, byte for byte as it stood under the key: it must give the same digest.
 */
#ifndef DAEMON_HELD_H
#define DAEMON_HELD_H

#include "base/buf.h"
#include "base/diag.h"
#include "replication/store.h"

enum { HELD_LIMIT_BYTES = STORE_VALUE_LIMIT_BYTES + 256 }; /* a value, and what is around it */

struct held {
    const char *value; /* NULL: the hold is malformed */
    size_t size;
    int64_t of, since;
    int64_t created;      /* create revision of the key that went; 0: the value was rejected */
    int64_t mod_revision; /* of the hold */
    struct arena *arena;
};

/* Never NULL; a malformed one, with the error in `d`, can be replaced. */
struct held *held_read(const struct store_entry *entry, struct diags *d);
void held_free(struct held *h); /* NULL is fine */

/* Of `value` all but `arena` and `mod_revision`. */
void held_print(struct buf *out, const struct held *value);

#endif
