#include "daemon/readiness.h"

static const char *why_not_serving(const struct control *c, const struct roll_call_result *r)
{
    if (c->is_draining)
        return "draining";
    if (!r->is_complete)
        return "a serving loop does not answer";
    return r->all_have_views && c->published ? NULL : "no snapshot is served yet";
}

int readiness_serving(
    const struct control *c, const struct roll_call_result *result, struct buf *text)
{
    const char *why_not = why_not_serving(c, result);
    buf_text(text, why_not ? why_not : "serving");
    return why_not ? 503 : 200;
}

int readiness_ready(
    const struct control *c, const struct roll_call_result *result, struct buf *text)
{
    const char *why, *unfit = control_unfit(c, &why);
    if (!unfit || why_not_serving(c, result))
        return readiness_serving(c, result, text);
    buf_printf(text, "%s: %s", unfit, why);
    return 404;
}
