#include "translate/render.h"

#include "proto/pb_json.h"

#include <string.h>

static const ProtobufCMessageDescriptor *descriptor_of(enum xds_type type)
{
    const ProtobufCMessageDescriptor *found = pb_type_find(strrchr(xds_type_url(type), '/') + 1);
    INVARIANT(found);
    return found;
}

cJSON *render_json(const struct xds_view *view, enum xds_type type)
{
    const ProtobufCMessageDescriptor *descriptor = descriptor_of(type);
    cJSON *list = cJSON_CreateArray();
    struct xds_cursor cursor = { 0 };
    struct xds_resource *r;
    while ((r = xds_view_next(view, type, &cursor))) {
        struct error err;
        cJSON *message = pb_json_bytes(descriptor, r->bytes, r->size_bytes, &err);
        INVARIANT(message);
        cJSON_AddItemToArray(list, message);
    }
    return list;
}
