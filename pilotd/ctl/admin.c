#include "ctl/admin.h"

#include "base/buf.h"

#include <curl/curl.h>
#include <string.h>
#include <strings.h>

static size_t on_body(char *bytes, size_t size, size_t count, void *into)
{
    struct buf *body = into;
    if (body->size + size * count > ADMIN_ANSWER_LIMIT_BYTES)
        return 0;
    buf_append(body, bytes, size * count);
    return size * count;
}

static CURL *prepare(const char *url, struct buf *body)
{
    CURL *curl = curl_easy_init();
    INVARIANT(curl);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)ADMIN_TIMEOUT_MS);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
    return curl;
}

static bool perform(CURL *curl, const char *url, const struct buf *body, struct error *err)
{
    long status = 0;
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(curl);
    if (code != CURLE_OK)
        return error_set(err, ERROR_UNREACHABLE, "%s: %s", url, curl_easy_strerror(code));
    if (status == 200)
        return true;
    return error_set(err,
        ERROR_REFUSED,
        "%s: status %ld%s%.*s",
        url,
        status,
        body->size ? ": " : "",
        (int)strcspn(body->size ? body->data : "", "\r\n"),
        body->size ? body->data : "");
}

static bool fetch(const char *url, struct buf *body, struct error *err)
{
    return perform(prepare(url, body), url, body, err);
}

static size_t on_head(char *bytes, size_t size, size_t count, void *into)
{
    static const char date[] = "date:";
    time_t *found = into;
    if (size * count > sizeof date && strncasecmp(bytes, date, sizeof date - 1) == 0) {
        char line[64];
        snprintf(line,
            sizeof line,
            "%.*s",
            (int)(size * count - (sizeof date - 1)),
            bytes + sizeof date - 1);
        *found = curl_getdate(line, NULL);
    }
    return size * count;
}

bool admin_probe(
    const char *address, const char *path, struct admin_probe *probe, struct error *err)
{
    struct arena *a = arena_new();
    struct buf body = { 0 };
    CURL *curl = prepare(arena_printf(a, "http://%s%s", address, path), &body);
    *probe = (struct admin_probe){ 0 };
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_head);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, &probe->date);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &probe->status);
    curl_easy_cleanup(curl);
    buf_fini(&body);
    arena_free(a);
    return code == CURLE_OK ||
           error_set(err, ERROR_UNREACHABLE, "%s: %s", address, curl_easy_strerror(code));
}

bool admin_get_text(
    struct arena *a, const char *address, const char *path, const char **text, struct error *err)
{
    struct buf body = { 0 };
    bool is_good = fetch(arena_printf(a, "http://%s%s", address, path), &body, err);
    *text = arena_strndup(a, body.size ? body.data : "", body.size);
    buf_fini(&body);
    return is_good;
}

bool admin_post_text(
    struct arena *a, const char *address, const char *path, const char **text, struct error *err)
{
    struct buf body = { 0 };
    const char *url = arena_printf(a, "http://%s%s", address, path);
    CURL *curl = prepare(url, &body);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "");
    bool is_good = perform(curl, url, &body, err);
    *text = arena_strndup(a, body.size ? body.data : "", body.size);
    buf_fini(&body);
    return is_good;
}

cJSON *admin_get(const char *address, const char *path, struct error *err)
{
    struct arena *a = arena_new();
    struct buf body = { 0 };
    cJSON *json = NULL;
    const char *url = arena_printf(a, "http://%s%s", address, path);
    if (fetch(url, &body, err)) {
        json = cJSON_ParseWithLength(body.data, body.size);
        if (!json)
            error_set(err, ERROR_GARBLED, "%s: the answer is not JSON", url);
    }
    buf_fini(&body);
    arena_free(a);
    return json;
}

/* ---- which replicas there are ---- */

string_list admin_named_servers(struct ctl *ctl)
{
    string_list addresses = { 0 };
    char *rest = arena_strdup(ctl->a, ctl_value(ctl, &flag_server));
    for (char *address; (address = strsep(&rest, ","));)
        if (*address)
            list_push(ctl->a, &addresses, address);
    return addresses;
}

static void add_address(struct arena *a, string_list *addresses, const char *address)
{
    for (list_each (const char *const, known, addresses))
        if (strcmp(*known, address) == 0)
            return;
    list_push(a, addresses, arena_strdup(a, address));
}

/* Each replica tells the others where its admin port is. */
string_list admin_servers(struct ctl *ctl)
{
    string_list addresses = admin_named_servers(ctl);
    struct error err;
    cJSON *status = NULL;
    const cJSON *replica;
    for (size_t i = 0; i < addresses.count && !status; i++)
        status = admin_get(addresses.items[i], "/debug/status", &err);
    cJSON_ArrayForEach (replica, cJSON_GetObjectItemCaseSensitive(status, "replicas")) {
        const char *admin = json_text(replica, "admin");
        if (admin && *admin)
            add_address(ctl->a, &addresses, admin);
    }
    cJSON_Delete(status);
    return addresses;
}
