/*
 * pilotctl bug-report: what somebody who was not there needs to see, in one archive, without
 * secrets: texts under names that speak of one, and headers that carry them, are blacked out.
 */
#include "base/version.h"
#include "ctl/admin.h"
#include "ctl/session.h"
#include "ctl/tar.h"
#include "ctl/values.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <time.h>

static const struct flag flag_archive = {
    .name = "--output",
    .letter = 'o',
    .value_name = "FILE",
    .fallback = "pilotd-bug-report.tar",
    .help = "the archive",
};
const struct flag *const bug_report_flags[] = { STORE_FLAGS, &flag_server, &flag_archive, NULL };

static const char *const pages[] = {
    "/debug/status", "/debug/proxies", "/debug/snapshot", "/debug/versions", "/metrics", "/ready"
};

/* ---- secrets ---- */

static const char *const secret_words[] = { "password",
    "passwd",
    "secret",
    "token",
    "authorization",
    "cookie",
    "api-key",
    "apikey",
    "credential" };

static bool speaks_of_secrets(const char *name)
{
    for (size_t i = 0; name && i < ARRAY_COUNT(secret_words); i++)
        if (strcasestr(name, secret_words[i]))
            return true;
    return false;
}

/* Whatever text is under such a name, however deep. */
static void black_out(cJSON *json, bool is_secret)
{
    cJSON *item;
    if (is_secret && cJSON_IsString(json))
        cJSON_SetValuestring(json, "(blacked out)");
    cJSON_ArrayForEach (item, json)
        black_out(item, is_secret || speaks_of_secrets(item->string));
}

static const char *without_secrets(struct arena *a, const char *value)
{
    cJSON *json = cJSON_Parse(value);
    if (!json)
        return "(not JSON: left out)";
    black_out(json, false);
    char *printed = cJSON_PrintUnformatted(json);
    const char *text = arena_strdup(a, printed);
    free(printed);
    cJSON_Delete(json);
    return text;
}

/* ---- what goes in ---- */

struct collection {
    struct ctl *ctl;
    struct buf archive;
    int64_t now_s;
    size_t count;
};

static void add(struct collection *c, const char *name, const char *text)
{
    tar_add(&c->archive, name, text, strlen(text), c->now_s);
    c->count++;
}

/* A page that cannot be had is a fact, too. */
static void add_page(
    struct collection *c, size_t server_number, const char *server, const char *path)
{
    struct error err;
    struct arena *a = c->ctl->a;
    const char *text;
    const char *name = arena_printf(a, "bug-report/replica-%zu%s.txt", server_number, path);
    if (!admin_get_text(a, server, path, &text, &err))
        text = arena_printf(a, "%s\n", err.text);
    add(c, name, text);
}

static void add_replicas(struct collection *c)
{
    string_list servers = admin_servers(c->ctl);
    const char *names = "";
    for (size_t i = 0; i < servers.count; i++) {
        names = arena_printf(c->ctl->a, "%sreplica-%zu %s\n", names, i + 1, servers.items[i]);
        for (size_t page = 0; page < ARRAY_COUNT(pages); page++)
            add_page(c, i + 1, servers.items[i], pages[page]);
    }
    add(c, "bug-report/replicas.txt", names);
}

static void add_keyspace(struct collection *c)
{
    struct session session;
    struct session_answer answer;
    struct buf text = { 0 };
    if (session_open(&session, c->ctl) != EXIT_GOOD)
        return;
    if (session_list(&session, "", &answer))
        for (list_each (const struct store_entry, entry, &answer.entries))
            buf_printf(&text,
                "---\n# of revision %lld, created at %lld%s\n%s",
                (long long)entry->mod_revision,
                (long long)entry->create_revision,
                entry->lease ? ", leased" : "",
                value_document(c->ctl->a, entry->key, without_secrets(c->ctl->a, entry->value)));
    else
        buf_printf(&text, "%s\n", answer.err.text);
    session_close(&session);
    buf_text(&text, "");
    add(c, "bug-report/keyspace.yaml", text.data);
    buf_fini(&text);
}

static bool write_archive(const struct buf *archive, const char *path, struct error *err)
{
    FILE *out = fopen(path, "wb");
    bool is_good = out && fwrite(archive->data, 1, archive->size, out) == archive->size;
    if (out && fclose(out) != 0)
        is_good = false;
    return is_good || error_set(err, ERROR_IO, "%s: %s", path, strerror(errno));
}

int verb_bug_report(struct ctl *ctl)
{
    struct collection c = { .ctl = ctl, .now_s = (int64_t)time(NULL) };
    struct error err;
    const char *path = ctl_value(ctl, &flag_archive);
    add(&c, "bug-report/version.txt", "pilotctl " PILOTD_VERSION "\n");
    add_replicas(&c);
    add_keyspace(&c);
    tar_end(&c.archive);
    bool is_good = write_archive(&c.archive, path, &err);
    buf_fini(&c.archive);
    if (!is_good)
        return ctl_fail_error(&err);
    printf(
        "%s: %zu files. Secrets are blacked out where names tell them; look before you send it.\n",
        path,
        c.count);
    return EXIT_GOOD;
}
