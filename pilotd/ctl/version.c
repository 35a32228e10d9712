/* pilotctl version: its own, and those of the replicas. */
#include "base/version.h"
#include "ctl/admin.h"
#include "ctl/report.h"

const struct flag *const version_flags[] = { &flag_server, NULL };

int verb_version(struct ctl *ctl)
{
    struct error err;
    const cJSON *replica;
    printf("pilotctl %s\n", PILOTD_VERSION);
    if (!ctl_is_set(ctl, &flag_server))
        return EXIT_GOOD;
    cJSON *status = admin_get(ctl_value(ctl, &flag_server), "/debug/status", &err);
    if (!status)
        return ctl_fail_error(&err);
    cJSON_ArrayForEach (replica, report_member(status, "replicas"))
        printf("%s %s, translation level %lld\n",
            report_text(replica, "id"),
            report_text(replica, "version"),
            report_number(replica, "level"));
    cJSON_Delete(status);
    return EXIT_GOOD;
}
