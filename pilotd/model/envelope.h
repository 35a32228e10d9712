/*
 * envelope: what is around the spec of a resource: apiVersion, kind, metadata. What Kubernetes
 * writes there beside is passed over.
 */
#ifndef MODEL_ENVELOPE_H
#define MODEL_ENVELOPE_H

#include "base/json.h"
#include "model/types.h"

struct metadata {
    const char *name, *ns, *creation_timestamp; /* each may be NULL */
    label_list labels, annotations;
};
struct envelope {
    const char *api_version; /* may be NULL */
    const char *kind;
    const struct metadata *metadata; /* may be NULL */
    const cJSON *spec, *status;      /* of the tree that was decoded; status may be NULL */
};

struct schema;
extern const struct schema envelope_schema;

#endif
