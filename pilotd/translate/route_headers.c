#include "translate/route_headers.h"

#include <string.h>
#include <strings.h>

static bool is_authority(const char *name)
{
    return strcasecmp(name, "host") == 0 || strcasecmp(name, ":authority") == 0;
}

/* Envoy refuses to touch pseudo headers and Host. */
static bool is_untouchable(const char *name)
{
    return name[0] == ':' || strcasecmp(name, "host") == 0;
}

static void push_options(
    struct arena *a, header_option_list *out, const label_list *headers, bool overwrites)
{
    for (list_each (const struct label, header, headers)) {
        if (is_untouchable(header->key))
            continue;
        list_push(a,
            out,
            pb_new_HeaderValueOption(a,
                .header = pb_new_HeaderValue(
                    a, .key = pb_str(header->key), .value = pb_str(header->value)),
                .append_action =
                    overwrites ? PB_HeaderValueOption_HeaderAppendAction_OVERWRITE_IF_EXISTS_OR_ADD
                               : PB_HeaderValueOption_HeaderAppendAction_APPEND_IF_EXISTS_OR_ADD));
    }
}

static void push_operations(struct arena *a, header_option_list *add, string_list *remove,
    const struct header_operations *operations)
{
    push_options(a, add, &operations->set, true);
    push_options(a, add, &operations->add, false);
    for (list_each (const char *, name, &operations->remove))
        if (!is_untouchable(*name))
            list_push(a, remove, *name);
}

static const char *authority_of(const label_list *headers)
{
    for (list_each (const struct label, header, headers))
        if (is_authority(header->key))
            return header->value;
    return NULL;
}

void route_headers_add(struct arena *a, struct route_headers *out, const struct headers *headers)
{
    const struct header_operations *request = headers ? headers->request : NULL;
    const struct header_operations *response = headers ? headers->response : NULL;
    if (request) {
        push_operations(a, &out->request_add, &out->request_remove, request);
        if (!out->authority)
            out->authority = authority_of(&request->set);
        if (!out->authority)
            out->authority = authority_of(&request->add);
    }
    if (response)
        push_operations(a, &out->response_add, &out->response_remove, response);
}
