/* pilotctl version: its own, and those of the replicas. */
#include "base/version.h"
#include "ctl/admin.h"
#include "ctl/report.h"

const struct flag *const version_flags[] = { &flag_server, READ_FLAGS, NULL };

static void add_replicas(struct ctl *ctl, struct answer *answer, const cJSON *status, cJSON *out)
{
    const cJSON *replica;
    cJSON *list = cJSON_AddArrayToObject(out, "replicas");
    cJSON_ArrayForEach (replica, report_member(status, "replicas")) {
        cJSON *one = cJSON_CreateObject();
        cJSON_AddStringToObject(one, "id", report_text(replica, "id"));
        cJSON_AddStringToObject(one, "version", report_text(replica, "version"));
        cJSON_AddNumberToObject(one, "level", (double)report_number(replica, "level"));
        cJSON_AddItemToArray(list, one);
        report_note(ctl->a,
            answer,
            "%s %s, translation level %lld",
            report_text(replica, "id"),
            report_text(replica, "version"),
            report_number(replica, "level"));
    }
}

/* It is told whole: there are no rows. */
static int ask(struct ctl *ctl, struct answer *answer)
{
    struct error err;
    cJSON *out = cJSON_CreateObject();
    bool is_good = true;
    report_note(ctl->a, answer, "pilotctl %s", PILOTD_VERSION);
    cJSON_AddStringToObject(out, "pilotctl", PILOTD_VERSION);
    if (ctl_is_set(ctl, &flag_server)) {
        cJSON *status = admin_get(ctl_value(ctl, &flag_server), "/debug/status", &err);
        is_good = status != NULL;
        add_replicas(ctl, answer, status, out);
        cJSON_Delete(status);
    }
    answer->json = output_text(ctl->a, out);
    return is_good ? EXIT_GOOD : ctl_fail_error(&err);
}

int verb_version(struct ctl *ctl)
{
    return output_run(ctl, ask);
}
