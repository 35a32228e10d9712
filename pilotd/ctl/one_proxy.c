#include "ctl/one_proxy.h"

#include "ctl/admin.h"
#include "ctl/report.h"

#include <string.h>

enum { ENVOY_ADMIN_PORT = 15000 }; /* as bootstrap makes it */

const struct flag flag_envoy_admin = {
    .name = "--envoy-admin",
    .value_name = "ADDR:PORT",
    .env = "PILOTD_ENVOY_ADMIN",
    .help = "Envoy's own admin address (default: port 15000 of where the proxy connects from)",
};

struct search {
    struct ctl *ctl;
    const char *word;
    struct proxy_place *place;
    size_t found;
};

/* True once there is no need to look further. */
static bool look_at(struct search *s, const char *server, const cJSON *proxy)
{
    struct arena *a = s->ctl->a;
    const char *id = report_text(proxy, "id");
    bool is_it = strcmp(id, s->word) == 0;
    if (!is_it && !strstr(id, s->word))
        return false;
    *s->place = (struct proxy_place){
        server, arena_strdup(a, id), arena_strdup(a, report_text(proxy, "address"))
    };
    s->found = is_it ? 1 : s->found + 1;
    return is_it;
}

static void look_everywhere(struct search *s, struct error *err)
{
    string_list servers = admin_servers(s->ctl);
    for (list_each (const char *const, server, &servers)) {
        cJSON *proxies = admin_get(*server, "/debug/proxies", err), *proxy;
        bool is_over = false;
        for (proxy = proxies ? proxies->child : NULL; proxy && !is_over; proxy = proxy->next)
            is_over = look_at(s, *server, proxy);
        cJSON_Delete(proxies);
        if (is_over)
            return;
    }
}

int proxy_find(struct ctl *ctl, const char *word, struct proxy_place *place)
{
    struct search s = { .ctl = ctl, .word = word, .place = place };
    struct error err = { 0 };
    look_everywhere(&s, &err);
    if (s.found == 1)
        return EXIT_GOOD;
    if (s.found > 1)
        return ctl_fail(EXIT_USAGE, "%s: %zu proxies are meant", word, s.found);
    if (err.code)
        return ctl_fail_error(&err);
    return ctl_fail(EXIT_FINDINGS, "%s: no such proxy is connected", word);
}

const char *proxy_id_escaped(struct arena *a, const char *id)
{
    const char *out = "";
    for (; *id; id++)
        out = strchr("%&=#?+ ", *id) ? arena_printf(a, "%s%%%02X", out, (unsigned char)*id)
                                     : arena_printf(a, "%s%c", out, *id);
    return out;
}

const char *proxy_envoy_admin(struct ctl *ctl, const struct proxy_place *place)
{
    const char *given = ctl_value(ctl, &flag_envoy_admin);
    const char *colon = strrchr(place->address, ':');
    if (given)
        return given;
    return arena_printf(ctl->a,
        "%.*s:%d",
        (int)(colon ? (size_t)(colon - place->address) : strlen(place->address)),
        place->address,
        ENVOY_ADMIN_PORT);
}
