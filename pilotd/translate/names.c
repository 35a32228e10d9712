#include "translate/names.h"

const char *name_outbound(struct arena *a, uint32_t port, const char *subset, const char *host)
{
    return arena_printf(a, "outbound|%u|%s|%s", port, subset ? subset : "", host);
}

const char *name_sni(struct arena *a, uint32_t port, const char *subset, const char *host)
{
    return arena_printf(a, "outbound_.%u_.%s_.%s", port, subset ? subset : "", host);
}

const char *name_inbound(struct arena *a, uint32_t port)
{
    return arena_printf(a, "inbound|%u||", port);
}

const char *name_listener(struct arena *a, const char *ip, uint32_t port)
{
    return arena_printf(a, "%s_%u", ip, port);
}

const char *name_route_config(struct arena *a, uint32_t port)
{
    return arena_printf(a, "%u", port);
}

const char *name_split_table(struct arena *a, const char *table)
{
    return arena_printf(a, "vhds|%s", table);
}

const char *name_part(struct arena *a, const char *table, const char *virtual_host)
{
    return arena_printf(a, "%s/%s", table, virtual_host);
}

const char *name_virtual_host(struct arena *a, const char *host, uint32_t port)
{
    return arena_printf(a, "%s:%u", host, port);
}
