/* pilotctl route: one call, followed through what a proxy would be sent. */
#include "ctl/route.h"
#include "ctl/output.h"

#include <string.h>

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
    READ_FLAGS,
    NULL };

static const char *text_of(struct arena *a, const struct route_result *r)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    INVARIANT(out);
    route_print(a, r, out);
    fclose(out);
    const char *kept = arena_strndup(a, text, size && text[size - 1] == '\n' ? size - 1 : size);
    free(text);
    return kept;
}

/* It is told whole: there are no rows. */
static int follow(struct ctl *ctl, const struct dry_run *run, struct answer *answer)
{
    struct call call = { 0 };
    if (!route_call_parse(ctl, run, &call))
        return EXIT_USAGE;
    const struct walk *walk = walk_build(ctl->a, run->view, &call);
    const struct route_result result = {
        &call, walk, walk_origin_build(ctl->a, run->snapshot, &run->scope, walk)
    };
    list_push(ctl->a, &answer->notes, text_of(ctl->a, &result));
    answer->json = output_text(ctl->a, route_json(&result));
    answer->status = walk_end_is_good(walk->end) ? EXIT_GOOD : EXIT_FINDINGS;
    return EXIT_GOOD;
}

static int ask(struct ctl *ctl, struct answer *answer)
{
    struct dry_run run;
    int status = dry_run_begin(ctl, &run);
    if (status == EXIT_GOOD)
        status = follow(ctl, &run, answer);
    dry_run_end(&run);
    return status;
}

int verb_route(struct ctl *ctl)
{
    return output_run(ctl, ask);
}
