#include "translate/stat_name.h"

#include "base/buf.h"

#include <string.h>

static const char *service_text(struct arena *a, const struct service *s)
{
    return s->is_registry ? arena_printf(a, "%s.%s", s->name, s->ns) : s->host;
}

static const char *name_text(const struct service *s)
{
    return s->is_registry ? s->name : s->host;
}

struct word {
    const char *name, *value;
};

/* The word that the text begins with; NULL: none. */
static const struct word *word_at(const char *text, const struct word *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (begins_with(text, words[i].name))
            return &words[i];
    return NULL;
}

const char *stat_name_build(
    struct arena *a, const char *pattern, const struct stat_subject *subject)
{
    if (!pattern || !*pattern)
        return NULL;
    const struct service *s = subject->service;
    const struct word words[] = {
        { "%SERVICE%", service_text(a, s) },
        { "%SERVICE_NAME%", name_text(s) },
        { "%SERVICE_FQDN%", s->host },
        { "%SERVICE_PORT%", arena_printf(a, "%u", subject->port->number) },
        { "%SERVICE_PORT_NAME%", subject->port->name },
        { "%TARGET_PORT%", arena_printf(a, "%u", subject->target_port) },
        { "%SUBSET_NAME%", subject->subset ? subject->subset : "" },
    };
    struct buf text = { 0 };
    while (*pattern) {
        const struct word *word = word_at(pattern, words, ARRAY_COUNT(words));
        if (word)
            buf_printf(&text, "%s", word->value);
        else
            buf_printf(&text, "%c", *pattern);
        pattern += word ? strlen(word->name) : 1;
    }
    buf_printf(&text, ";");
    const char *out = arena_strndup(a, text.data, text.size);
    buf_fini(&text);
    return out;
}
