#include "translate/domains.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

/* ---- the names of a service ---- */

/* NAME.NAMESPACE of NAME.NAMESPACE.svc.DOMAIN; NULL when the host is not of that form. */
static const char *name_in_mesh(struct arena *a, const char *host, const char *domain)
{
    const char *svc = strstr(host, ".svc.");
    if (!svc || strcmp(svc + strlen(".svc."), domain) != 0)
        return NULL;
    const char *dot = strchr(host, '.');
    return dot > host && dot < svc ? arena_strndup(a, host, (size_t)(svc - host)) : NULL;
}

static void push_short_names(
    struct arena *a, string_list *out, const char *host, const struct scope *scope)
{
    const char *name = name_in_mesh(a, host, scope->domain);
    if (!name)
        return;
    size_t alone = strcspn(name, ".");
    if (strcmp(name + alone + 1, scope->ns) == 0)
        list_push(a, out, arena_strndup(a, name, alone));
    list_push(a, out, arena_printf(a, "%s.svc", name));
    list_push(a, out, name);
}

static bool is_ip(const char *text, int family)
{
    uint8_t bytes[sizeof(struct in6_addr)];
    return inet_pton(family, text, bytes) == 1;
}

/* As a Host header spells it: IPv6 in brackets. */
static const char *host_header(struct arena *a, const char *text)
{
    return is_ip(text, AF_INET6) ? arena_printf(a, "[%s]", text) : text;
}

string_list domains_of_service(
    struct arena *a, const struct service *service, const struct scope *scope)
{
    const char *host = service->host;
    string_list domains = { 0 };
    list_push(a, &domains, host_header(a, host));
    if (!is_ip(host, AF_INET) && !is_ip(host, AF_INET6))
        list_push(a, &domains, arena_printf(a, "%s.", host));
    push_short_names(a, &domains, host, scope);
    string_list addresses = service_addresses(a, service, scope);
    for (list_each (const char *const, address, &addresses))
        if (!strchr(*address, '/'))
            list_push(a, &domains, host_header(a, *address));
    return domains;
}

/* ---- who gets a name ---- */

struct claim {
    const char *domain;
    size_t host, index; /* hosts[host].domains.items[index] */
    size_t rank;
};

static int compare_claims(const void *left, const void *right)
{
    const struct claim *a = left, *b = right;
    int order = strcasecmp(a->domain, b->domain);
    if (order == 0)
        order = (a->index > 0) - (b->index > 0);
    if (order == 0)
        order = (a->rank > b->rank) - (a->rank < b->rank);
    if (order == 0)
        order = (a->index > b->index) - (a->index < b->index);
    return order;
}

static void push_claims(
    struct claim *claims, size_t *count, const struct domain_claims *host, size_t host_index)
{
    for (size_t i = 0; i < host->domains.count; i++)
        claims[(*count)++] = (struct claim){ host->domains.items[i], host_index, i, host->rank };
}

static void drop_lost(struct arena *a, struct domain_claims *host)
{
    string_list kept = { 0 };
    for (list_each (const char *, domain, &host->domains))
        if (*domain)
            list_push(a, &kept, *domain);
    host->domains = kept;
}

void domains_settle(struct arena *a, struct domain_claims *hosts, size_t count)
{
    size_t total = 0, claimed = 0;
    for (size_t i = 0; i < count; i++)
        total += hosts[i].domains.count;
    if (total == 0)
        return;
    struct claim *claims = ARENA_ARRAY(a, struct claim, total);
    for (size_t i = 0; i < count; i++)
        push_claims(claims, &claimed, &hosts[i], i);
    qsort(claims, total, sizeof *claims, compare_claims);
    for (size_t i = 1; i < total; i++)
        if (strcasecmp(claims[i].domain, claims[i - 1].domain) == 0)
            hosts[claims[i].host].domains.items[claims[i].index] = NULL;
    for (size_t i = 0; i < count; i++)
        drop_lost(a, &hosts[i]);
}
