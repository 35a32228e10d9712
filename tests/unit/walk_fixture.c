#include "walk_fixture.h"

#include <string.h>

struct call call_of(const char *authority, const char *path)
{
    return (struct call){
        .address = "10.9.9.9",
        .port = 8080,
        .http = CALL_HTTP1,
        .method = "GET",
        .authority = authority,
        .path = path,
    };
}

void call_add_header(struct arena *a, struct call *call, const char *name, const char *value)
{
    struct label header = { name, value };
    list_push(a, &call->headers, header);
}

const struct walk *shop_walk(struct shop *s, const struct call *call)
{
    return walk_build(s->a, s->t.view, call);
}

const struct walk_origin *shop_origin(struct shop *s, const char *metadata, const struct walk *walk)
{
    char *json = arena_strdup(s->a, metadata);
    for (char *c = json; *c; c++)
        if (*c == '\'')
            *c = '"';
    return walk_origin_build(s->a, s->t.snapshot, fixture_scope(s->a, WEB_NODE, json), walk);
}

const char *fact_of(struct arena *a, const walk_fact_list *facts, const char *name)
{
    const char *text = NULL;
    for (list_each (const struct walk_fact, fact, facts))
        if (strcmp(fact->name, name) == 0)
            text = text ? arena_printf(a, "%s; %s", text, fact->text) : fact->text;
    return text ? text : "(absent)";
}

const char *tries_text(struct arena *a, const walk_try_list *tries)
{
    const char *text = "";
    for (list_each (const struct walk_try, tried, tries))
        text = arena_printf(a,
            "%s%s%s: %s",
            text,
            *text ? "; " : "",
            tried->name,
            tried->reason ? tried->reason : "taken");
    return text;
}
