#include "translate/domains.h"
#include "translate/listener_plan.h"
#include "translate/names.h"
#include "translate/route_plan.h"
#include "translate/virtual_hosts.h"

#include <string.h>

enum { UNSERVED_PORT = 80 }; /* VirtualServices' hosts without a service are looked for here */

/* A service that answers HTTP at a port. */
struct http_port {
    uint32_t number;
    size_t service; /* of the selection's */
};
typedef LIST(struct http_port) http_port_list;

/* What the tables of a scope have in common. */
struct routing {
    struct selection *sel;
    struct arg_ref default_retry;
    unserved_host_list unserved;
    const struct object **virtual_services; /* of each selected service; NULL: none */
    size_t *ranks;                          /* of each selected service, by age */
    http_port_list ports;                   /* sorted by number, then service */
};

/* ---- what is asked once ---- */

static void add_duration(struct hasher *h, struct duration d)
{
    hasher_add_u32(h, d.is_set);
    hasher_add(h, &d.ms, sizeof d.ms);
}

static void add_opt_bool(struct hasher *h, struct opt_bool b)
{
    hasher_add_u32(h, b.is_set);
    hasher_add_u32(h, b.value);
}

static struct arg_ref retry_ref(const struct http_retry *retry)
{
    struct arg_ref ref = { .value = retry };
    if (!retry)
        return ref;
    struct hasher *h = hasher_new();
    hasher_add_u32(h, retry->attempts);
    add_duration(h, retry->per_try_timeout);
    add_duration(h, retry->backoff);
    hasher_add_text(h, retry->retry_on);
    add_opt_bool(h, retry->retry_remote_localities);
    add_opt_bool(h, retry->retry_ignore_previous_hosts);
    ref.digest = hasher_finish(h);
    return ref;
}

static int compare_age(const void *left, const void *right)
{
    const struct service *a = (*(const struct selected_service *const *)left)->service;
    const struct service *b = (*(const struct selected_service *const *)right)->service;
    int order =
        (a->create_revision > b->create_revision) - (a->create_revision < b->create_revision);
    if (order == 0)
        order = strcmp(a->ns, b->ns);
    return order ? order : strcmp(a->host, b->host);
}

static void rank_services(struct routing *r)
{
    const struct selected_service *services = r->sel->services.items;
    size_t count = r->sel->services.count;
    const struct selected_service **by_age =
        ARENA_ARRAY(r->sel->a, const struct selected_service *, count);
    r->ranks = ARENA_ARRAY(r->sel->a, size_t, count);
    for (size_t i = 0; i < count; i++)
        by_age[i] = &services[i];
    if (count > 0)
        qsort(by_age, count, sizeof *by_age, compare_age);
    for (size_t i = 0; i < count; i++)
        r->ranks[by_age[i] - services] = i;
}

static void find_virtual_services(struct routing *r)
{
    const struct selection *sel = r->sel;
    r->virtual_services = ARENA_ARRAY(sel->a, const struct object *, sel->services.count);
    for (size_t i = 0; i < sel->services.count; i++)
        r->virtual_services[i] =
            virtual_service_find(sel->snapshot, sel->scope, sel->services.items[i].service->host);
    r->unserved = virtual_service_unserved_hosts(sel->a, sel->snapshot, sel->scope);
}

static struct xds_resource *render_catch_all(struct selection *sel, const char *table)
{
    struct catch_all_args args = {
        .table = sel->scope->splits_tables ? table : NULL,
        .allows_any = sel->snapshot->mesh->outbound_traffic_policy->mode == ALLOW_ANY,
        .level = sel->snapshot->level,
    };
    return memo_render(sel->memo, &catch_all_renderer, &args);
}

static int compare_ports(const void *left, const void *right)
{
    const struct http_port *a = left, *b = right;
    int order = (a->number > b->number) - (a->number < b->number);
    return order ? order : (a->service > b->service) - (a->service < b->service);
}

static void list_ports(struct routing *r)
{
    for (size_t i = 0; i < r->sel->services.count; i++) {
        const struct service *service = r->sel->services.items[i].service;
        for (list_each (const struct service_port, port, &service->ports))
            if (protocol_is_http(port->protocol) || port->protocol == PROTOCOL_AUTO)
                list_push(r->sel->a, &r->ports, (struct http_port){ port->number, i });
    }
    if (r->ports.count > 0)
        qsort(r->ports.items, r->ports.count, sizeof *r->ports.items, compare_ports);
}

/* ---- a table ---- */

typedef LIST(struct domain_claims) claims_list;
typedef LIST(const struct route_plan *) plan_list;

struct table {
    const char *name;
    uint32_t port;
    string_list names; /* of each host; claims and plans likewise */
    claims_list claims;
    plan_list plans;
};

static void push_host(struct arena *a, struct table *t, const char *host,
    struct domain_claims claims, const struct route_plan *plan)
{
    list_push(a, &t->claims, claims);
    list_push(a, &t->names, name_virtual_host(a, host, t->port));
    list_push(a, &t->plans, plan);
}

static const struct route_plan *plan_of_service(
    const struct routing *r, size_t service, uint32_t port)
{
    const struct object *virtual_service = r->virtual_services[service];
    const struct route_plan *plan =
        virtual_service ? route_plan_build(r->sel, virtual_service, port) : NULL;
    return plan ? plan : route_plan_build_default(r->sel, &r->sel->services.items[service], port);
}

static size_t first_at_port(const struct routing *r, uint32_t number)
{
    size_t low = 0, high = r->ports.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (r->ports.items[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void push_services(const struct routing *r, struct table *t)
{
    struct arena *a = r->sel->a;
    for (size_t i = first_at_port(r, t->port);
         i < r->ports.count && r->ports.items[i].number == t->port;
         i++) {
        size_t index = r->ports.items[i].service;
        const struct service *service = r->sel->services.items[index].service;
        struct domain_claims claims = {
            .domains = domains_of_service(a, service, r->sel->scope),
            .rank = r->ranks[index],
        };
        push_host(a, t, service->host, claims, plan_of_service(r, index, t->port));
    }
}

static void push_unserved(const struct routing *r, struct table *t)
{
    struct arena *a = r->sel->a;
    for (size_t i = 0; i < r->unserved.count; i++) {
        const struct unserved_host *u = &r->unserved.items[i];
        const struct route_plan *plan = route_plan_build(r->sel, u->virtual_service, t->port);
        struct domain_claims claims = { .rank = r->sel->services.count + i };
        list_push(a, &claims.domains, u->host);
        if (plan)
            push_host(a, t, u->host, claims, plan);
    }
}

/* ---- rendering one: its hosts, then what says that they belong together ---- */

typedef LIST(struct xds_resource *) host_list;

static struct xds_resource *render_host(const struct routing *r, const struct table *t, size_t i)
{
    struct arena *a = r->sel->a;
    const char *name = t->names.items[i];
    struct virtual_host_args args = {
        .name = r->sel->scope->splits_tables ? name_part(a, t->name, name) : name,
        .domains = t->claims.items[i].domains,
        .plan = { t->plans.items[i], t->plans.items[i]->digest },
        .default_retry = r->default_retry,
        .port = t->port,
    };
    return memo_render(r->sel->memo, &virtual_host_renderer, &args);
}

/* Each host is a resource of its own. */
static void add_split_table(struct selection *sel, const char *name, const host_list *hosts)
{
    struct split_table_args args = { .name = name };
    selection_add(sel, memo_render(sel->memo, &split_table_renderer, &args));
    for (list_each (struct xds_resource *const, host, hosts))
        selection_add(sel, *host);
}

static void add_whole_table(struct selection *sel, const char *name, const host_list *hosts)
{
    struct route_table_args args = { .name = name };
    for (list_each (struct xds_resource *const, host, hosts))
        list_push(
            sel->a, &args.hosts, ((struct arg_ref){ .value = *host, .digest = (*host)->version }));
    selection_add(sel, memo_render(sel->memo, &route_table_renderer, &args));
    for (list_each (struct xds_resource *const, host, hosts))
        xds_resource_release(*host);
}

/* `last`, which may be NULL, is taken over. */
static void render_table(const struct routing *r, const struct table *t, struct xds_resource *last)
{
    host_list hosts = { 0 };
    for (size_t i = 0; i < t->names.count; i++)
        if (t->claims.items[i].domains.count > 0)
            list_push(r->sel->a, &hosts, render_host(r, t, i));
    if (last)
        list_push(r->sel->a, &hosts, last);
    if (r->sel->scope->splits_tables)
        add_split_table(r->sel, t->name, &hosts);
    else
        add_whole_table(r->sel, t->name, &hosts);
}

static void select_port_table(const struct routing *r, const struct planned_listener *listener)
{
    struct table t = { .name = listener->route_name, .port = listener->port };
    push_services(r, &t);
    if (t.port == UNSERVED_PORT)
        push_unserved(r, &t);
    domains_settle(r->sel->a, t.claims.items, t.claims.count);
    render_table(r, &t, render_catch_all(r->sel, t.name));
}

/* On its own address a service takes what comes, under whatever name. */
static void select_own_table(const struct routing *r, const struct planned_listener *listener)
{
    struct table t = { .name = listener->route_name, .port = listener->port };
    struct domain_claims all = { 0 };
    size_t index = (size_t)(listener->only - r->sel->services.items);
    list_push(r->sel->a, &all.domains, "*");
    push_host(r->sel->a, &t, listener->only->service->host, all, plan_of_service(r, index, t.port));
    render_table(r, &t, NULL);
}

void select_routes(struct selection *sel)
{
    struct routing r = {
        .sel = sel,
        .default_retry = retry_ref(sel->snapshot->mesh->default_http_retry_policy),
    };
    listener_plan plan = listener_plan_build(sel);
    rank_services(&r);
    find_virtual_services(&r);
    list_ports(&r);
    for (list_each (const struct planned_listener, listener, &plan)) {
        if (listener->only)
            select_own_table(&r, listener);
        else if (listener->route_name)
            select_port_table(&r, listener);
    }
}
