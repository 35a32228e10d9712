#include "hosts.h"

#include <string.h>

const char *hosts_table(struct arena *a, const char *name)
{
    const char *slash = strrchr(name, '/');
    return arena_strndup(a, name, slash ? (size_t)(slash - name) : 0);
}

bool hosts_are_taken(struct proxy *p, const struct sent *sent)
{
    free(map_put(&p->told_hosts, sent->name, xstrdup(sent->version)));
    return map_find(&p->held[XDS_ROUTE], hosts_table(sent->arena, sent->name));
}

void hosts_removed(struct proxy *p, const char *name)
{
    free(map_remove(&p->told_hosts, name));
    sent_free(map_remove(&p->held[XDS_VIRTUAL_HOST], name));
}

struct dropping {
    struct arena *a;
    const char *table;
    string_list names;
};

static void note_host(const char *name, void *value, void *context)
{
    struct dropping *d = context;
    (void)value;
    if (strcmp(hosts_table(d->a, name), d->table) == 0)
        list_push(d->a, &d->names, arena_strdup(d->a, name));
}

void hosts_drop(struct proxy *p, const char *table)
{
    struct dropping d = { .a = arena_new(), .table = table };
    map_each (&p->held[XDS_VIRTUAL_HOST], note_host, &d)
        ;
    for (list_each (const char *const, name, &d.names))
        sent_free(map_remove(&p->held[XDS_VIRTUAL_HOST], *name));
    arena_free(d.a);
}

void hosts_fini(struct proxy *p)
{
    map_fini(&p->told_hosts, free);
}
