/*
 * render: a view in the form people and tools read: Envoy's messages as proto JSON.
 */
#ifndef TRANSLATE_RENDER_H
#define TRANSLATE_RENDER_H

#include "base/json.h"
#include "xds/view.h"

/* An array of all messages of that type, by name. The caller's (cJSON_Delete). */
cJSON *render_json(const struct xds_view *view, enum xds_type type);

#endif
