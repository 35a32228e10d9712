/*
 * object: one decoded, validated value of the keyspace. Immutable and counted; any thread.
 *
 * Made from a key and its bytes by object_decode alone; a pure function of both (create_revision is
 * carried along, and settles conflicts). The digest covers key and bytes of the decoded value:
 * two objects with one digest render alike.
 */
#ifndef MODEL_OBJECT_H
#define MODEL_OBJECT_H

#include "base/diag.h"
#include "base/hash.h"
#include "base/refcount.h"
#include "model/types.h"

/* In the order of the keyspace. */
enum kind {
    KIND_VIRTUAL_SERVICE,
    KIND_DESTINATION_RULE,
    KIND_SERVICE_ENTRY,
    KIND_WORKLOAD_ENTRY,
    KIND_WORKLOAD_GROUP,
    KIND_MESH_CONFIG,       /* key "mesh" */
    KIND_REGISTRY_SERVICE,  /* key "services/<namespace>/<service>" */
    KIND_REGISTRY_INSTANCE, /* key "registry/<namespace>/<service>/<instance>" */
    KIND_COUNT,
    KIND_NONE = KIND_COUNT, /* keys that are no configuration: pilotd's own, and tombstones/ */
};

struct schema;
struct kind_info {
    const char *name;   /* "VirtualService"; "service", "instance" for the registry's */
    const char *plural; /* "virtualservices"; NULL for the three that are not under config/ */
    const char *group;  /* "networking.istio.io"; NULL likewise */
    const struct schema *schema; /* of spec (config/), or of the whole value */
    const struct schema *status; /* NULL: it has no effect */
};
const struct kind_info *kind_info(enum kind kind);
/* By name, plural or istioctl's short form (vs, dr, se, we, wg), in any case; or KIND_NONE. */
enum kind kind_find(const char *name);

struct object {
    struct refcount refs;
    enum kind kind;
    const char *key; /* whole: "config/virtualservices/default/reviews" */
    const char *ns, *name;
    const char *service;            /* registry instances: the service's name; else NULL */
    label_list labels, annotations; /* of metadata */
    int64_t create_revision;
    int64_t mod_revision; /* of the value; this and the next are for who keeps it to fill in */
    bool is_leased;
    struct hash128 digest;
    const char *value; /* what it was decoded from */
    size_t value_bytes;
    const void *spec;   /* struct virtual_service, …, by kind */
    const void *status; /* struct service_entry_status; NULL: none, or of no use for the kind */
    LIST(struct diag) warnings;
    struct arena *arena;
};

/*
 * Which kind a key is of, and its parts in `a`. False after an error in `d` for a key outside the
 * layout (DESIGN: Keyspace); true with KIND_NONE for keys that are pilotd's own.
 */
struct object_key {
    enum kind kind;
    const char *ns, *name, *service;
};
bool object_key_parse(struct arena *a, const char *key, struct object_key *out, struct diags *d);
/* Of an instance, `name` is SERVICE/INSTANCE. */
const char *object_key_text(struct arena *a, enum kind kind, const char *ns, const char *name);

/* The key of a document that names its kind ("VirtualService", "MeshConfig"), for a store of files;
 * NULL after an error in `d` for a kind that is not known. */
const char *object_key_of_document(
    struct arena *a, const char *kind, const char *ns, const char *name, struct diags *d);

enum { OBJECT_VALUE_MAX_BYTES = 1024 * 1024 };

/* NULL when there is an error in `d` (all of them, not the first). Warnings alone do not refuse;
 * they are also kept in the object. */
struct object *object_decode(const char *key, const char *value, size_t size_bytes,
    int64_t create_revision, struct diags *d);

struct object *object_retain(struct object *o);
void object_release(struct object *o); /* NULL is fine */

/* What becomes of one key. */
struct object_change {
    const char *key;
    struct object *object; /* NULL: gone */
};

/* Conflicts are settled by this: create_revision, then namespace, name. <0, 0, >0. */
int object_compare_age(const struct object *a, const struct object *b);

#endif
