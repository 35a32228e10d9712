#include "daemon/http1.h"

#include <string.h>
#include <strings.h>

/* A piece of the head; not NUL-terminated. */
struct span {
    const char *text;
    size_t size;
};

struct fields {
    size_t count, hosts;
    bool wants_close, wants_keep_alive, has_body;
};

static bool equals(struct span s, const char *word)
{
    return s.size == strlen(word) && memcmp(s.text, word, s.size) == 0;
}

static bool equals_anyhow(struct span s, const char *word)
{
    return s.size == strlen(word) && strncasecmp(s.text, word, s.size) == 0;
}

/* The characters of a method or a field's name (RFC 9110, token). */
static bool is_token(struct span s)
{
    for (size_t i = 0; i < s.size; i++) {
        char c = s.text[i];
        bool is_word = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_word && (c == '\0' || !strchr("!#$%&'*+-.^_`|~", c)))
            return false;
    }
    return s.size > 0;
}

/* Visible characters, spaces and tabs, and bytes above ASCII. */
static bool is_value(struct span s)
{
    for (size_t i = 0; i < s.size; i++) {
        unsigned char c = (unsigned char)s.text[i];
        if ((c < ' ' && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

static struct span trim(struct span s)
{
    while (s.size && (*s.text == ' ' || *s.text == '\t'))
        s = (struct span){ s.text + 1, s.size - 1 };
    while (s.size && (s.text[s.size - 1] == ' ' || s.text[s.size - 1] == '\t'))
        s.size--;
    return s;
}

/* Cuts `s` at the first `c`; false when there is none. */
static bool cut(struct span s, char c, struct span *before, struct span *after)
{
    const char *at = memchr(s.text, c, s.size);
    if (!at)
        return false;
    *before = (struct span){ s.text, (size_t)(at - s.text) };
    *after = (struct span){ at + 1, s.size - before->size - 1 };
    return true;
}

/* ---- the request line ---- */

static int take_target(struct span target, struct http1_request *out)
{
    if (target.size > HTTP1_TARGET_MAX)
        return 414;
    if (target.size == 0 || target.text[0] != '/')
        return 400;
    for (size_t i = 0; i < target.size; i++)
        if ((unsigned char)target.text[i] <= ' ' || (unsigned char)target.text[i] >= 0x7f)
            return 400;
    memcpy(out->path, target.text, target.size);
    out->path[target.size] = '\0';
    char *question = strchr(out->path, '?');
    out->query = question ? question + 1 : out->path + target.size;
    if (question)
        *question = '\0';
    return 0;
}

static int take_request_line(struct span line, struct http1_request *out)
{
    struct span method, rest, target, version;
    if (!cut(line, ' ', &method, &rest) || !cut(rest, ' ', &target, &version) || !is_token(method))
        return 400;
    if (equals(version, "HTTP/1.1"))
        out->keeps_alive = true;
    else if (!equals(version, "HTTP/1.0"))
        return version.size == 8 && memcmp(version.text, "HTTP/", 5) == 0 ? 505 : 400;
    out->is_head = equals(method, "HEAD");
    if (!out->is_head && !equals(method, "GET"))
        return 405;
    return take_target(target, out);
}

/* ---- fields ---- */

static void take_connection(struct span value, struct fields *f)
{
    struct span word, rest = value;
    while (rest.size > 0) {
        if (!cut(rest, ',', &word, &rest)) {
            word = rest;
            rest.size = 0;
        }
        f->wants_close |= equals_anyhow(trim(word), "close");
        f->wants_keep_alive |= equals_anyhow(trim(word), "keep-alive");
    }
}

static int take_field(struct span line, struct fields *f)
{
    struct span name, value;
    if (!cut(line, ':', &name, &value) || !is_token(name) || !is_value(value))
        return 400;
    if (++f->count > HTTP1_FIELDS_MAX)
        return 431;
    value = trim(value);
    if (equals_anyhow(name, "host"))
        f->hosts++;
    else if (equals_anyhow(name, "connection"))
        take_connection(value, f);
    else if (equals_anyhow(name, "transfer-encoding"))
        f->has_body = true;
    else if (equals_anyhow(name, "content-length"))
        f->has_body |= !equals(value, "0");
    return 0;
}

static int check(const struct fields *f, struct http1_request *out)
{
    bool is_1_1 = out->keeps_alive;
    if (f->hosts > 1 || (is_1_1 && f->hosts == 0))
        return 400;
    if (f->has_body)
        return 413;
    out->keeps_alive = !f->wants_close && (is_1_1 || f->wants_keep_alive);
    return 0;
}

/* ---- the head ---- */

/* The next line up to its CR LF. False without one; `status` is set when it can never be one. */
static bool next_line(struct span *rest, struct span *line, int *status)
{
    struct span after;
    if (!cut(*rest, '\n', line, &after)) {
        *status = memchr(rest->text, '\0', rest->size) ? 400 : 0;
        return false;
    }
    *status = line->size == 0 || line->text[line->size - 1] != '\r' ? 400 : 0;
    if (*status)
        return false;
    line->size--;
    *rest = after;
    return true;
}

static struct http1_result refused(int status)
{
    return (struct http1_result){ .outcome = HTTP1_REFUSED, .status = status };
}

static struct http1_result incomplete(size_t size, bool has_line)
{
    if (size >= HTTP1_HEAD_MAX)
        return refused(has_line ? 431 : 414);
    return (struct http1_result){ .outcome = HTTP1_MORE };
}

struct http1_result http1_parse(const char *bytes, size_t size, struct http1_request *out)
{
    struct span rest = { bytes, size < HTTP1_HEAD_MAX ? size : HTTP1_HEAD_MAX }, line;
    struct fields fields = { 0 };
    int status = 0;
    *out = (struct http1_request){ .query = "" };
    bool has_line = next_line(&rest, &line, &status);
    if (has_line)
        status = take_request_line(line, out);
    while (has_line && !status && next_line(&rest, &line, &status)) {
        if (line.size == 0) {
            status = check(&fields, out);
            if (status)
                return refused(status);
            return (struct http1_result){ HTTP1_REQUEST, (size_t)(rest.text - bytes), 0 };
        }
        status = take_field(line, &fields);
    }
    return status ? refused(status) : incomplete(size, has_line);
}

/* ---- responses ---- */

const char *http1_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {
        { 200, "OK" },
        { 400, "Bad Request" },
        { 404, "Not Found" },
        { 405, "Method Not Allowed" },
        { 408, "Request Timeout" },
        { 413, "Content Too Large" },
        { 414, "URI Too Long" },
        { 431, "Request Header Fields Too Large" },
        { 503, "Service Unavailable" },
        { 505, "HTTP Version Not Supported" },
    };
    for (size_t i = 0; i < ARRAY_COUNT(reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Unknown";
}

/* Whatever is shown loads and asks this server alone, and runs no script but its file. */
#define CONTENT_POLICY                                                                             \
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "                \
    "img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

static void begin_response(struct buf *out, int status, const char *content_type, const char *date)
{
    buf_printf(out,
        "HTTP/1.1 %d %s\r\n"
        "Date: %s\r\n"
        "Content-Type: %s\r\n"
        "Cache-Control: no-store\r\n"
        "X-Content-Type-Options: nosniff\r\n"
        "Content-Security-Policy: " CONTENT_POLICY "\r\n",
        status,
        http1_reason(status),
        date,
        content_type);
}

void http1_response(struct buf *out, int status, const char *content_type, size_t body_bytes,
    bool keeps_alive, const char *date)
{
    begin_response(out, status, content_type, date);
    buf_printf(out,
        "Content-Length: %zu\r\n"
        "%s"
        "Connection: %s\r\n\r\n",
        body_bytes,
        status == 405 ? "Allow: GET, HEAD\r\n" : "",
        keeps_alive ? "keep-alive" : "close");
}

void http1_stream_response(struct buf *out, const char *content_type, const char *date)
{
    begin_response(out, 200, content_type, date);
    buf_text(out, "Connection: close\r\n\r\n");
}
