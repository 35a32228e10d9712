/* pilotctl route: one call, followed through what a proxy would be sent. */
#include "ctl/route.h"

#include <string.h>

static const struct flag flag_form = {
    .name = "--output",
    .letter = 'o',
    .value_name = "FORMAT",
    .fallback = "text",
    .help = "text or json",
};
const struct flag *const route_flags[] = { &flag_file,
    &flag_node,
    &flag_mesh,
    STORE_FLAGS,
    &flag_call_inbound,
    &flag_call_address,
    &flag_call_tls,
    &flag_call_sni,
    &flag_call_alpn,
    &flag_call_http2,
    &flag_call_method,
    &flag_call_header,
    &flag_form,
    NULL };

static void show(struct ctl *ctl, const struct route_result *r, bool is_json)
{
    if (!is_json) {
        route_print(ctl->a, r, stdout);
        return;
    }
    cJSON *json = route_json(r);
    char *printed = cJSON_Print(json);
    puts(printed);
    free(printed);
    cJSON_Delete(json);
}

static int follow(struct ctl *ctl, const struct dry_run *run, bool is_json)
{
    struct call call = { 0 };
    if (!route_call_parse(ctl, run, &call))
        return EXIT_USAGE;
    const struct walk *walk = walk_build(ctl->a, run->view, &call);
    const struct route_result result = {
        &call, walk, walk_origin_build(ctl->a, run->snapshot, &run->scope, walk)
    };
    show(ctl, &result, is_json);
    return walk_end_is_good(walk->end) ? EXIT_GOOD : EXIT_FINDINGS;
}

int verb_route(struct ctl *ctl)
{
    const char *form = ctl_value(ctl, &flag_form);
    bool is_json = strcmp(form, "json") == 0;
    if (!is_json && strcmp(form, "text") != 0)
        return ctl_fail(EXIT_USAGE, "-o: must be text or json, not \"%s\"", form);
    struct dry_run run;
    int status = dry_run_begin(ctl, &run);
    if (status == EXIT_GOOD)
        status = follow(ctl, &run, is_json);
    dry_run_end(&run);
    return status;
}
