/* Who sees what: exportTo, and how hosts are written and matched. */
#include "mesh/snapshot.h"

#include <string.h>

static bool names_namespace(const string_list *export_to, const char *owner, const char *ns)
{
    for (size_t i = 0; i < export_to->count; i++) {
        const char *entry = export_to->items[i];
        if (strcmp(entry, "*") == 0 || strcmp(entry, ns) == 0)
            return true;
        if (strcmp(entry, ".") == 0 && strcmp(owner, ns) == 0)
            return true;
    }
    return false;
}

bool export_is_visible(
    const string_list *export_to, const string_list *fallback, const char *owner, const char *ns)
{
    const string_list *in_force = export_to->count ? export_to : fallback;
    return !in_force->count || names_namespace(in_force, owner, ns);
}

const char *host_resolve(struct arena *a, const char *host, const char *ns, const char *domain)
{
    if (strchr(host, '.') || strcmp(host, "*") == 0)
        return host;
    return arena_printf(a, "%s.%s.svc.%s", host, ns, domain);
}

bool host_matches(const char *pattern, const char *host)
{
    if (strcmp(pattern, "*") == 0 || strcmp(pattern, host) == 0)
        return true;
    if (*pattern != '*')
        return false;
    const char *suffix = pattern + 1;
    size_t suffix_size = strlen(suffix), host_size = strlen(host);
    return host_size > suffix_size && strcmp(host + host_size - suffix_size, suffix) == 0;
}
