/*
 * load: resources from files: YAML with several documents, or JSON; `kind: List` is unpacked. What
 * is no resource stands as {key, value}: of services/… and registry/….
 *
 * Gives every document its key, the value that would be stored, and the decoded object or its
 * faults with line and column. No I/O: the caller reads the files.
 *
 * Age, which settles conflicts, is the order of the documents; metadata.creationTimestamp says
 * otherwise: documents with one come first, by it, and equal ones are equally old.
 */
#ifndef MODEL_LOAD_H
#define MODEL_LOAD_H

#include "base/yaml.h"
#include "model/object.h"

struct load_item {
    const char *file, *key; /* key NULL: the document names no kind that is known */
    unsigned line;          /* where the document begins */
    const char *value;      /* JSON */
    size_t size;
    const char *created;   /* creationTimestamp, or NULL */
    struct object *object; /* NULL when there are errors, or a later document has its key */
    struct diags diags;    /* with line and column */
};

struct loader {
    struct arena *a;
    LIST(struct load_item) items;
    LIST(struct yaml_file) files;
    LIST(struct load_place) places; /* of each item: its document */
    size_t errors, warnings;        /* of all items */
};
struct load_place {
    const struct yaml_document *document;
    const char *prefix; /* path of the item in the document: "" or "items[2]." */
};

/* Results live in `a`, objects until loader_fini. */
void loader_init(struct loader *l, struct arena *a);
void loader_fini(struct loader *l);

/* `file` is the name that faults are told with. The second: a bare MeshConfig without `kind`. */
void loader_add(struct loader *l, const char *file, const char *text, size_t size_bytes);
void loader_add_mesh(struct loader *l, const char *file, const char *text, size_t size_bytes);

/* Settles the ages and decodes everything. Call once, after the last add. */
void loader_finish(struct loader *l);

/* Of a fault that was found later in the object with that key: fills in its line and column, and
 * returns the item. NULL: the object is from none of the files. */
const struct load_item *loader_locate(const struct loader *l, const char *key, struct diag *diag);

/* "FILE:LINE:COLUMN: PATH: message; hint [PIL0101]" */
const char *load_diag_text(struct arena *a, const struct load_item *item, const struct diag *diag);

#endif
