#include "translate/route_answer.h"

#include <string.h>

/* ---- redirects ---- */

/* 80 and 443 go without saying with the scheme they belong to. */
static uint32_t redirect_port(const struct http_redirect *redirect, uint32_t listener_port)
{
    uint32_t port = redirect->derive_port == FROM_REQUEST_PORT ? listener_port : redirect->port;
    bool is_https = redirect->scheme && strcmp(redirect->scheme, "https") == 0;
    bool is_http = !redirect->scheme || strcmp(redirect->scheme, "http") == 0;
    bool goes_without_saying = (is_http && port == 80) || (is_https && port == 443);
    return goes_without_saying ? 0 : port;
}

static Envoy__Config__Route__V3__RedirectAction__RedirectResponseCode redirect_code(uint32_t code)
{
    switch (code) {
    case 302:
        return PB_RedirectAction_RedirectResponseCode_FOUND;
    case 303:
        return PB_RedirectAction_RedirectResponseCode_SEE_OTHER;
    case 307:
        return PB_RedirectAction_RedirectResponseCode_TEMPORARY_REDIRECT;
    case 308:
        return PB_RedirectAction_RedirectResponseCode_PERMANENT_REDIRECT;
    default:
        return PB_RedirectAction_RedirectResponseCode_MOVED_PERMANENTLY;
    }
}

/* An empty path leaves the request's as it is. */
static void set_path(pb_RedirectAction *out, const struct http_redirect *redirect)
{
    pb_RedirectAction path = { pb_RedirectAction_path_redirect(pb_str(redirect->uri)) };
    if (redirect->prefix_rewrite)
        path = (pb_RedirectAction){ pb_RedirectAction_prefix_rewrite(
            pb_str(redirect->prefix_rewrite)) };
    out->path_rewrite_specifier_case = path.path_rewrite_specifier_case;
    if (redirect->prefix_rewrite)
        out->prefix_rewrite = path.prefix_rewrite;
    else
        out->path_redirect = path.path_redirect;
}

pb_RedirectAction *redirect_build(
    struct arena *a, const struct http_redirect *redirect, uint32_t port)
{
    pb_RedirectAction *out =
        redirect->scheme
            ? pb_new_RedirectAction(a, pb_RedirectAction_scheme_redirect(pb_str(redirect->scheme)))
            : pb_new_RedirectAction(a);
    out->host_redirect = pb_str(redirect->authority);
    set_path(out, redirect);
    out->port_redirect = redirect_port(redirect, port);
    out->response_code = redirect_code(redirect->redirect_code);
    return out;
}

/* ---- fixed responses ---- */

static int base64_value(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *digit = c ? strchr(digits, c) : NULL;
    return digit ? (int)(digit - digits) : -1;
}

/* Text that the model has checked. */
static struct pb_bytes base64_decode(struct arena *a, const char *text)
{
    uint8_t *out = arena_alloc(a, strlen(text) + 1, 1);
    size_t size = 0;
    uint32_t bits = 0;
    unsigned count = 0;
    for (; base64_value(*text) >= 0; text++) {
        bits = bits << 6 | (uint32_t)base64_value(*text);
        count += 6;
        if (count >= 8) {
            count -= 8;
            out[size++] = (uint8_t)(bits >> count);
        }
    }
    return (struct pb_bytes){ out, size };
}

static pb_DataSource *body(struct arena *a, const struct http_body *b)
{
    if (b->string)
        return pb_new_DataSource(a, pb_DataSource_inline_string(pb_str(b->string)));
    struct pb_bytes bytes = base64_decode(a, b->bytes ? b->bytes : "");
    ProtobufCBinaryData data = { bytes.size, (uint8_t *)(uintptr_t)bytes.data };
    return pb_new_DataSource(a, pb_DataSource_inline_bytes(data));
}

pb_DirectResponseAction *direct_response_build(
    struct arena *a, const struct http_direct_response *response)
{
    return pb_new_DirectResponseAction(
        a, .status = response->status, .body = response->body ? body(a, response->body) : NULL);
}
