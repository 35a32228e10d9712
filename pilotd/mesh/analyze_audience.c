/* Who sees what, as sets of namespaces. */
#include "mesh/analyze.h"

#include "model/destination_rule.h"
#include "model/virtual_service.h"

#include <string.h>

struct audience audience_of(
    const string_list *export_to, const string_list *fallback, const char *owner)
{
    const string_list *in_force = export_to->count > 0 ? export_to : fallback;
    struct audience a = { in_force, owner, in_force->count == 0 };
    for (list_each (const char *const, name, in_force))
        a.is_all |= strcmp(*name, "*") == 0;
    return a;
}

struct audience service_audience(const struct snapshot *s, const struct service *service)
{
    return audience_of(&service->export_to, &s->mesh->default_service_export_to, service->ns);
}

struct audience route_audience(const struct snapshot *s, const struct object *object)
{
    const struct virtual_service *vs = object->spec;
    return audience_of(&vs->export_to, &s->mesh->default_virtual_service_export_to, object->ns);
}

struct audience rule_audience(const struct snapshot *s, const struct object *object)
{
    const struct destination_rule *rule = object->spec;
    return audience_of(&rule->export_to, &s->mesh->default_destination_rule_export_to, object->ns);
}

/* The namespace that an entry stands for; NULL: "~", which is none. */
static const char *namespace_of(const struct audience *a, const char *entry)
{
    if (strcmp(entry, ".") == 0)
        return a->owner;
    return strcmp(entry, "~") == 0 ? NULL : entry;
}

bool audience_has(const struct audience *a, const char *ns)
{
    if (a->is_all)
        return true;
    for (list_each (const char *const, entry, a->names)) {
        const char *name = namespace_of(a, *entry);
        if (name && strcmp(name, ns) == 0)
            return true;
    }
    return false;
}

bool audiences_meet(const struct audience *a, const struct audience *b, const char *except)
{
    if (a->is_all && b->is_all)
        return true;
    const struct audience *few = a->is_all ? b : a, *other = a->is_all ? a : b;
    for (list_each (const char *const, entry, few->names)) {
        const char *name = namespace_of(few, *entry);
        if (name && (!except || strcmp(name, except) != 0) && audience_has(other, name))
            return true;
    }
    return false;
}

bool audience_covers(const struct audience *a, const struct audience *b)
{
    if (a->is_all || b->is_all)
        return a->is_all;
    for (list_each (const char *const, entry, b->names)) {
        const char *name = namespace_of(b, *entry);
        if (name && !audience_has(a, name))
            return false;
    }
    return true;
}

/* ---- crowds ---- */

static size_t earlier(size_t a, size_t b)
{
    return !a || (b && b < a) ? b : a;
}

static size_t first_in(const struct crowd *c, const char *ns)
{
    return (size_t)(uintptr_t)map_find(&c->by_namespace, ns);
}

long crowd_find(const struct crowd *c, const struct audience *a)
{
    size_t first = a->is_all ? c->first : 0;
    for (size_t i = 0; !a->is_all && i < a->names->count; i++) {
        const char *name = namespace_of(a, a->names->items[i]);
        if (name)
            first = earlier(earlier(first, c->first_all), first_in(c, name));
    }
    return first > 0 ? (long)first - 1 : CROWD_NONE;
}

void crowd_join(struct crowd *c, const struct audience *a, size_t position)
{
    if (a->is_all) {
        c->first_all = earlier(c->first_all, position + 1);
        c->first = earlier(c->first, position + 1);
    }
    for (size_t i = 0; !a->is_all && i < a->names->count; i++) {
        const char *name = namespace_of(a, a->names->items[i]);
        if (!name)
            continue;
        c->first = earlier(c->first, position + 1);
        if (!first_in(c, name))
            map_put(&c->by_namespace, name, (void *)(uintptr_t)(position + 1));
    }
}

void crowd_fini(struct crowd *c)
{
    map_fini(&c->by_namespace, NULL);
}
