/* Which virtual host of a route table takes a request. */
#include "translate/walk_parts.h"
#include "translate/walk_path.h"

#include <ctype.h>
#include <string.h>

/* ---- the table ---- */

static const pb_RouteConfiguration *find_table(
    struct walking *w, const pb_HttpConnectionManager *manager)
{
    if (manager->route_specifier_case !=
        CASE_OF_MANAGER(HTTP_CONNECTION_MANAGER__ROUTE_SPECIFIER_RDS)) {
        w->walk->table = manager->route_config->name;
        return manager->route_config;
    }
    w->walk->table = manager->rds->route_config_name;
    const pb_RouteConfiguration *table = sent_table(w, w->walk->table);
    if (!table)
        walk_stop(w, WALK_NO_TABLE, w->walk->table);
    return table;
}

/* ---- what is matched ---- */

/* Envoy's own question: where does a port begin? */
static size_t without_port(const char *authority)
{
    const char *colon = strrchr(authority, ':'), *bracket = strrchr(authority, ']');
    bool has_port =
        colon && (!bracket || bracket < colon) && (bracket || strchr(authority, ':') == colon);
    return has_port ? (size_t)(colon - authority) : strlen(authority);
}

static const char *host_of(
    const struct walking *w, const pb_HttpConnectionManager *manager, bool ignores_port)
{
    const char *authority = w->call->authority;
    size_t size = ignores_port ? without_port(authority) : strlen(authority);
    if (manager->strip_trailing_host_dot && size > 1 && authority[size - 1] == '.')
        size--;
    char *host = arena_strndup(w->a, authority, size);
    for (char *c = host; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    return host;
}

static void settle_request(struct walking *w, const pb_HttpConnectionManager *manager)
{
    const struct path_care care = {
        .unescapes_slashes =
            manager->path_with_escaped_slashes_action ==
            PB_HttpConnectionManager_PathWithEscapedSlashesAction_UNESCAPE_AND_FORWARD,
        .normalizes = manager->normalize_path && manager->normalize_path->value,
        .merges_slashes = manager->merge_slashes,
    };
    w->walk->path = walk_path_normalize(w->a, w->call->path, &care);
    w->walk->authority = w->call->authority;
}

/* ---- domains: exact, then the longest *SUFFIX, then the longest PREFIX*, then * ---- */

enum { SCORE_MISMATCH, SCORE_ANY, SCORE_PREFIX, SCORE_SUFFIX = 1 << 20, SCORE_EXACT = 1 << 30 };

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text), end_size = strlen(end);
    return size > end_size && strcasecmp(text + size - end_size, end) == 0;
}

static int score(const char *domain, const char *host)
{
    size_t size = strlen(domain);
    if (strcasecmp(domain, host) == 0)
        return SCORE_EXACT;
    if (strcmp(domain, "*") == 0)
        return SCORE_ANY;
    if (*domain == '*')
        return ends_with(host, domain + 1) ? SCORE_SUFFIX + (int)size : SCORE_MISMATCH;
    if (size > 0 && domain[size - 1] == '*')
        return strlen(host) > size - 1 && strncasecmp(domain, host, size - 1) == 0
                   ? SCORE_PREFIX + (int)size
                   : SCORE_MISMATCH;
    return SCORE_MISMATCH;
}

static const pb_VirtualHost *best_host(
    struct walking *w, const pb_RouteConfiguration *table, const char *host)
{
    const pb_VirtualHost *best = NULL;
    int best_score = SCORE_MISMATCH;
    for (size_t i = 0; i < table->n_virtual_hosts; i++)
        for (size_t j = 0; j < table->virtual_hosts[i]->n_domains; j++) {
            int found = score(table->virtual_hosts[i]->domains[j], host);
            if (found <= best_score)
                continue;
            best_score = found;
            best = table->virtual_hosts[i];
            w->walk->domain = best->domains[j];
        }
    return best;
}

const pb_VirtualHost *walk_find_host(struct walking *w, const pb_HttpConnectionManager *manager)
{
    settle_request(w, manager);
    const pb_RouteConfiguration *table = find_table(w, manager);
    if (!table)
        return NULL;
    const pb_VirtualHost *found =
        best_host(w, table, host_of(w, manager, table->ignore_port_in_host_matching));
    if (!found) {
        walk_stop(w, WALK_NO_HOST, NULL);
        return NULL;
    }
    w->walk->host = found->name;
    return found;
}
