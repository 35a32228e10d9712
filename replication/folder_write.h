/*
 * folder_write: writing values into a folder, each into the file that is its own: DIR/KEY.json.
 */
#ifndef REPLICATION_FOLDER_WRITE_H
#define REPLICATION_FOLDER_WRITE_H

#include "replication/folder.h"

/* False for a write that is refused: a key without a file of its own, a value that stands in
 * another file or is no JSON. `holds` says whether the expected revisions are those of the last
 * look. */
bool folder_check_writes(const struct folder *f, const struct store_write *writes, size_t count,
    bool *holds, struct error *err);

/* Writes all beside where they belong, then puts them in their places. */
bool folder_write(
    const struct folder *f, const struct store_write *writes, size_t count, struct error *err);

#endif
