#include "model/shared.h"

#include "base/map.h"
#include "model/service_entry.h"

#include <string.h>

static const struct field port_selector_fields[] = {
    U32(port_selector, number, .flags = FIELD_REQUIRED, PORT_RANGE),
};
SCHEMA(port_selector);

static const struct field percent_fields[] = {
    DOUBLE(percent, value, .range = { 0, 100 }),
};
SCHEMA(percent);

static const struct field string_match_fields[] = {
    STRING(string_match, exact, .oneof = 1, .flags = FIELD_KEEP_EMPTY),
    STRING(
        string_match, prefix, .oneof = 1, .flags = FIELD_KEEP_EMPTY, .format = &format_not_empty),
    STRING(string_match, regex, .oneof = 1, .flags = FIELD_KEEP_EMPTY, .format = &format_regex),
};
SCHEMA(string_match);

/* "." is the resource's own namespace, by another name. */
static const char *meaning_of(const struct decoder *d, const char *entry)
{
    return strcmp(entry, ".") == 0 ? schema_namespace(d) : entry;
}

void check_export_to(
    struct decoder *d, const char *at, const string_list *entries, bool may_be_none)
{
    struct map seen = { 0 };
    static char marker;
    for (size_t i = 0; i < entries->count; i++) {
        const char *entry = entries->items[i], *place = schema_text(d, "%s[%zu]", at, i);
        if (map_put(&seen, meaning_of(d, entry), &marker))
            schema_fault(d, DIAG_CONFLICT, place, NULL, "\"%s\" is given twice", entry);
        if (strcmp(entry, "*") == 0 && entries->count > 1)
            schema_fault(
                d, DIAG_CONFLICT, place, NULL, "\"*\" leaves nothing to the other entries");
        if (strcmp(entry, "~") == 0 && !may_be_none)
            schema_fault(d, DIAG_RULE, place, NULL, "\"~\" (nobody) is for service entries only");
        else if (strcmp(entry, "~") == 0 && entries->count > 1)
            schema_fault(d, DIAG_CONFLICT, place, NULL, "\"~\" (nobody) excludes other entries");
    }
    map_fini(&seen, NULL);
}

void check_selector(struct decoder *d, const struct workload_selector *selector)
{
    if (selector && selector->labels.count == 0)
        schema_warn(d,
            DIAG_RULE,
            "workloadSelector",
            NULL,
            "has no labels, so it selects every workload of the namespace");
}

void check_tls_name(struct decoder *d, const char *at, const char *name)
{
    if (name[0] == '*' && name[1] && name[1] != '.')
        schema_warn(d,
            DIAG_NO_EFFECT,
            at,
            "use a wildcard of whole labels, such as *.example.com",
            "Envoy matches no such wildcard with server names, so no TLS connection is for it");
}

void check_virtual_addresses(struct decoder *d, const string_list *addresses)
{
    for (size_t i = 0; i < addresses->count; i++)
        if (format_is_any_ip(addresses->items[i]))
            schema_warn(d,
                DIAG_NO_EFFECT,
                schema_text(d, "addresses[%zu]", i),
                "leave it out",
                "is every address, so it is none of this service");
}

void check_unique_ports(struct decoder *d, const struct service_port *ports, size_t count)
{
    struct map names = { 0 };
    bool *numbers = xcalloc(PORT_MAX + 1, sizeof *numbers);
    static char marker;
    for (size_t i = 0; i < count; i++) {
        if (map_put(&names, ports[i].name, &marker))
            schema_fault(d,
                DIAG_CONFLICT,
                schema_text(d, "ports[%zu].name", i),
                NULL,
                "\"%s\" is another port's name",
                ports[i].name);
        if (numbers[ports[i].number])
            schema_fault(d,
                DIAG_CONFLICT,
                schema_text(d, "ports[%zu].number", i),
                NULL,
                "%u is another port's number",
                ports[i].number);
        numbers[ports[i].number] = true;
    }
    map_fini(&names, NULL);
    free(numbers);
}
