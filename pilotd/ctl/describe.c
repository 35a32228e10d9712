/* pilotctl describe: what a resource comes to, or what is in force for a service. */
#include "ctl/analysis.h"
#include "ctl/keys.h"
#include "ctl/report.h"
#include "ctl/values.h"
#include "mesh/policy.h"
#include "mesh/scope.h"

#include <string.h>

const struct flag *const describe_flags[] = { STORE_FLAGS, &flag_namespace, READ_FLAGS, NULL };

/* What is told goes into both forms: a line for people, a member for programs. */
struct telling {
    struct ctl *ctl;
    struct answer *answer;
    const struct snapshot *snapshot;
    cJSON *json;
};

static void tell(struct telling *t, const char *name, const char *text)
{
    report_note(t->ctl->a, t->answer, "%-12s %s", name, text);
    cJSON_AddStringToObject(t->json, name, text);
}

static void tell_in_list(struct telling *t, const char *list, const char *name, const char *text)
{
    cJSON *items = cJSON_GetObjectItemCaseSensitive(t->json, list);
    if (!items)
        items = cJSON_AddArrayToObject(t->json, list);
    report_note(t->ctl->a, t->answer, "%-12s %s", name, text);
    cJSON_AddItemToArray(items, cJSON_CreateString(text));
}

static void tell_findings(struct telling *t, const char *key)
{
    for (list_each (const struct finding, finding, &t->snapshot->findings))
        if (strcmp(finding->key, key) == 0)
            tell_in_list(t, "findings", "finding", diag_text(t->ctl->a, &finding->diag));
}

static const char *title_of(struct arena *a, const struct object *object)
{
    return key_title(a, object->key);
}

/* ---- a service ---- */

static bool has_label(const struct endpoint *e, const struct label *wanted)
{
    for (list_each (const struct label, label, &e->labels))
        if (strcmp(label->key, wanted->key) == 0 && strcmp(label->value, wanted->value) == 0)
            return true;
    return false;
}

static bool is_of(const struct endpoint *e, const struct subset *subset)
{
    for (size_t i = 0; subset && i < subset->labels.count; i++)
        if (!has_label(e, &subset->labels.items[i]))
            return false;
    return true;
}

/* With subset NULL of all. */
static const char *endpoints_text(
    struct arena *a, const struct service *service, const struct subset *subset)
{
    size_t count = 0, healthy = 0;
    for (list_each (const struct endpoint, e, &service->endpoints)) {
        bool counts = is_of(e, subset);
        count += counts;
        healthy += counts && e->health == HEALTH_HEALTHY;
    }
    return arena_printf(a, "%zu endpoints, %zu healthy", count, healthy);
}

static void tell_rule(
    struct telling *t, const struct service *service, const struct effective_rule *rule)
{
    struct arena *a = t->ctl->a;
    for (list_each (const struct object *const, object, &rule->objects)) {
        tell_in_list(t, "rules", "rule", title_of(a, *object));
        tell_findings(t, (*object)->key);
    }
    for (list_each (const struct subset *const, subset, &rule->subsets))
        tell_in_list(t,
            "subsets",
            "subset",
            arena_printf(a, "%s: %s", (*subset)->name, endpoints_text(a, service, *subset)));
}

/* As a caller without labels in that namespace has it. */
static void tell_service(struct telling *t, const struct service *service, const char *caller)
{
    struct arena *a = t->ctl->a;
    struct scope scope;
    struct error err;
    const char *ports = "";
    const struct scope_input input = {
        arena_printf(
            a, "sidecar~127.0.0.1~caller.%s~%s.svc.%s", caller, caller, t->snapshot->domain),
        "{}",
        "",
        "",
        "",
    };
    for (list_each (const struct service_port, port, &service->ports))
        ports = arena_printf(
            a, "%s%s%s %u", ports, *ports ? ", " : "", port->name ? port->name : "", port->number);
    tell(t, "service", service->host);
    tell(t, "namespace", service->ns);
    tell(t, "ports", ports);
    tell(t, "endpoints", endpoints_text(a, service, NULL));
    tell(t, "declared", service->object ? title_of(a, service->object) : "by its instances");
    if (service->object)
        tell_findings(t, service->object->key);
    if (!scope_parse(a, &input, &scope, &err))
        return;
    tell(t, "for callers", arena_printf(a, "of namespace %s", caller));
    const struct object *route = virtual_service_find(t->snapshot, &scope, service->host);
    tell(t, "routes", route ? title_of(a, route) : "none: requests go to the host they ask for");
    if (route)
        tell_findings(t, route->key);
    const struct effective_rule *rule = effective_rule_find(a, t->snapshot, &scope, service);
    if (rule->objects.count)
        tell_rule(t, service, rule);
    else
        tell(t, "rule", "none: all by default");
}

static int describe_service(struct telling *t, const char *host)
{
    const char *ns = ctl_value(t->ctl, &flag_namespace), *caller = ns ? ns : "default";
    const char *whole = host_resolve(t->ctl->a, host, caller, t->snapshot->domain);
    const struct service *service = snapshot_find_service(t->snapshot, whole, caller);
    if (!service)
        return ctl_fail(
            EXIT_FINDINGS, "%s: callers of namespace %s see no such service", whole, caller);
    tell_service(t, service, caller);
    return EXIT_GOOD;
}

/* ---- a resource ---- */

static void tell_validity(struct telling *t, const struct store_entry *entry)
{
    struct diags d;
    diags_init(&d, t->ctl->a);
    struct object *object = object_decode(entry->key, entry->value, entry->size, 1, &d);
    tell(t, "state", object ? "valid" : "rejected: what was in force before stays so");
    for (list_each (const struct diag, diag, &d.list))
        tell_in_list(t,
            "faults",
            diag->severity == DIAG_ERROR ? "fault" : "warning",
            diag_text(t->ctl->a, diag));
    if (!object)
        t->answer->status = EXIT_FINDINGS;
    object_release(object);
}

static int describe_entry(struct telling *t, const char *key, const struct session_answer *found)
{
    struct arena *a = t->ctl->a;
    if (!found->entries.count)
        return ctl_fail(EXIT_FINDINGS, "%s: not found", key_title(a, key));
    const struct store_entry *entry = found->entries.items;
    tell(t, "resource", key_title(a, key));
    tell(t, "key", key);
    tell(t, "revision", arena_printf(a, "%lld", (long long)entry->mod_revision));
    tell(t, "created", arena_printf(a, "at revision %lld", (long long)entry->create_revision));
    tell(t, "hosts", value_subject(a, entry->value));
    tell_validity(t, entry);
    tell_findings(t, key);
    report_note(a, t->answer, "\n%s", value_yaml(a, entry->value));
    cJSON *value = cJSON_Parse(entry->value);
    cJSON_AddItemToObject(t->json, "value", value ? value : cJSON_CreateString(entry->value));
    return EXIT_GOOD;
}

static int describe_resource(struct telling *t, struct session *s)
{
    struct key_query query;
    struct session_answer found;
    const char *key;
    if (!key_query_parse(t->ctl, &query) || !(key = key_of_words(t->ctl, &query)))
        return EXIT_USAGE;
    if (!session_get(s, key, &found))
        return ctl_fail_error(&found.err);
    return describe_entry(t, key, &found);
}

/* ---- both ---- */

static bool is_service(const struct ctl *ctl)
{
    const char *word = ctl->args.count == 2 ? ctl->args.items[0] : "";
    return strcasecmp(word, "service") == 0 || strcasecmp(word, "svc") == 0;
}

static int describe(struct telling *t, struct session *s)
{
    struct error err;
    struct change none = { 0 };
    struct snapshot *snapshot = analysis_snapshot(s, &none, &err);
    if (!snapshot)
        return ctl_fail_error(&err);
    t->snapshot = snapshot;
    int status =
        is_service(t->ctl) ? describe_service(t, t->ctl->args.items[1]) : describe_resource(t, s);
    snapshot_release(snapshot);
    return status;
}

static int ask(struct ctl *ctl, struct answer *answer)
{
    struct telling t = { .ctl = ctl, .answer = answer, .json = cJSON_CreateObject() };
    struct session session;
    int status = session_open(&session, ctl);
    if (status == EXIT_GOOD) {
        status = describe(&t, &session);
        session_close(&session);
    }
    answer->json = output_text(ctl->a, t.json);
    return status;
}

int verb_describe(struct ctl *ctl)
{
    return output_run(ctl, ask);
}
