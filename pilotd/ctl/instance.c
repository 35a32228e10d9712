#include "ctl/instance.h"

#include "base/json.h"
#include "ctl/session.h"
#include "model/workload_group.h"

#include <string.h>

const struct flag flag_address = {
    .name = "--address", .value_name = "IP", .help = "where the instance is reached"
};
const struct flag flag_port = {
    .name = "--port",
    .letter = 'p',
    .value_name = "NAME=NUMBER",
    .is_list = true,
    .help = "a port of the instance; the name tells the protocol (http, grpc-api, tcp-db)",
};
const struct flag flag_label = {
    .name = "--label",
    .letter = 'l',
    .value_name = "KEY=VALUE",
    .is_list = true,
    .help = "a label; version makes subsets",
};
const struct flag flag_weight = {
    .name = "--weight", .value_name = "NUMBER", .fallback = "1", .help = "1 to 1000"
};
const struct flag flag_locality = {
    .name = "--locality", .value_name = "R/Z/S", .help = "region/zone/subzone"
};
const struct flag flag_group = {
    .name = "--group",
    .value_name = "NAME",
    .help = "a WorkloadGroup of the namespace: gives what the other flags leave out",
};

struct object *instance_decode(struct ctl *ctl, const char *key, const char *value, size_t size)
{
    struct diags d;
    diags_init(&d, ctl->a);
    struct object *object = object_decode(key, value, size, 0, &d);
    for (list_each (struct diag, diag, &d.list))
        fprintf(stderr, "pilotctl: %s: %s\n", key, diag_text(ctl->a, diag));
    return object;
}

/* ---- the command line's part ---- */

static bool split_pair(struct arena *a, const char *pair, const char **key, const char **value)
{
    const char *equals = strchr(pair, '=');
    if (!equals || equals == pair || !equals[1])
        return false;
    *key = arena_strndup(a, pair, (size_t)(equals - pair));
    *value = equals + 1;
    return true;
}

/* Adds the flag's pairs to `to`; false after saying what is wrong. */
static bool add_pairs(const struct ctl *ctl, const struct flag *flag, bool are_numbers, cJSON *to)
{
    string_list pairs = ctl_values(ctl, flag);
    for (size_t i = 0; i < pairs.count; i++) {
        const char *key, *value;
        char *end = NULL;
        bool is_pair = split_pair(ctl->a, pairs.items[i], &key, &value);
        double number = is_pair && are_numbers ? (double)strtol(value, &end, 10) : 0;
        if (!is_pair || (are_numbers && *end)) {
            ctl_fail(
                EXIT_USAGE, "%s: \"%s\" is no %s", flag->name, pairs.items[i], flag->value_name);
            return false;
        }
        cJSON_AddItemToObject(
            to, key, are_numbers ? cJSON_CreateNumber(number) : cJSON_CreateString(value));
    }
    return true;
}

static bool add_flags(const struct ctl *ctl, cJSON *instance)
{
    long weight;
    const char *address = ctl_value(ctl, &flag_address);
    cJSON *ports = cJSON_AddObjectToObject(instance, "ports");
    cJSON *labels = cJSON_AddObjectToObject(instance, "labels");
    if (!add_pairs(ctl, &flag_port, true, ports) || !add_pairs(ctl, &flag_label, false, labels) ||
        !ctl_number(ctl, &flag_weight, 1, 1000, &weight))
        return false;
    if (address)
        cJSON_AddStringToObject(instance, "address", address);
    if (ctl_is_set(ctl, &flag_locality))
        cJSON_AddStringToObject(instance, "locality", ctl_value(ctl, &flag_locality));
    if (ctl_is_set(ctl, &flag_weight) || !ctl_is_set(ctl, &flag_group))
        cJSON_AddNumberToObject(instance, "weight", (double)weight);
    return true;
}

/* ---- the group's part: only what is not there yet ---- */

static bool has(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name) != NULL;
}

static void fill_labels(cJSON *labels, const label_list *more)
{
    for (list_each (const struct label, label, more))
        if (!has(labels, label->key))
            cJSON_AddStringToObject(labels, label->key, label->value);
}

static void fill_text(cJSON *instance, const char *name, const char *text)
{
    if (text && !has(instance, name))
        cJSON_AddStringToObject(instance, name, text);
}

static void fill(cJSON *instance, const struct workload_group *group)
{
    const struct workload_entry *template = group->template;
    cJSON *ports = cJSON_GetObjectItemCaseSensitive(instance, "ports");
    cJSON *labels = cJSON_GetObjectItemCaseSensitive(instance, "labels");
    for (list_each (const struct port_override, port, &template->ports))
        if (!has(ports, port->key))
            cJSON_AddNumberToObject(ports, port->key, port->value);
    if (group->metadata)
        fill_labels(labels, &group->metadata->labels);
    fill_labels(labels, &template->labels);
    fill_text(instance, "locality", template->locality);
    fill_text(instance, "network", template->network);
    fill_text(instance, "serviceAccount", template->service_account);
    if (template->weight.value && !has(instance, "weight"))
        cJSON_AddNumberToObject(instance, "weight", template->weight.value);
}

/* Reads the group's value from the store. */
static int read_group(struct ctl *ctl, const char *key, struct object **group)
{
    struct session session;
    struct session_answer answer;
    int status = session_open(&session, ctl);
    if (status != EXIT_GOOD)
        return status;
    if (!session_get(&session, key, &answer))
        status = ctl_fail_error(&answer.err);
    else if (!answer.entries.count)
        status = ctl_fail(EXIT_FINDINGS, "register: there is no %s", key);
    session_close(&session);
    if (status != EXIT_GOOD)
        return status;
    *group = instance_decode(ctl, key, answer.entries.items->value, answer.entries.items->size);
    return *group ? EXIT_GOOD : EXIT_REFUSED;
}

static int fill_from_group(struct ctl *ctl, cJSON *instance)
{
    const char *ns = ctl_value(ctl, &flag_namespace), *name = ctl_value(ctl, &flag_group);
    struct object *group = NULL;
    const char *key =
        object_key_text(ctl->a, KIND_WORKLOAD_GROUP, ns ? ns : "default", name ? name : "");
    int status = name ? read_group(ctl, key, &group) : EXIT_GOOD;
    if (group)
        fill(instance, group->spec);
    object_release(group);
    return status;
}

int instance_value(struct ctl *ctl, const char **value, uint16_t *first_port)
{
    cJSON *instance = cJSON_CreateObject();
    int status = add_flags(ctl, instance) ? fill_from_group(ctl, instance) : EXIT_USAGE;
    const cJSON *ports = cJSON_GetObjectItemCaseSensitive(instance, "ports");
    char *printed = cJSON_PrintUnformatted(instance);
    *value = arena_strdup(ctl->a, printed);
    *first_port = ports && ports->child ? (uint16_t)ports->child->valueint : 0;
    free(printed);
    cJSON_Delete(instance);
    return status;
}
