#include "ctl/ctl.h"

#include <string.h>

#define WORDS(...)                                                                                 \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }
#define VERB(id, name, aliases, group, args, words, ...)                                           \
    { name, aliases, group, args, words, __VA_ARGS__, id##_flags, verb_##id },
const struct verb verbs[] = {
#include "ctl/verbs.def"
};
#undef VERB
#undef WORDS

const size_t verb_count = ARRAY_COUNT(verbs);

const char *verb_group_title(enum verb_group group)
{
    static const char *const titles[VERB_GROUPS] = {
        [VERBS_OF_RESOURCES] = "Resources",
        [VERBS_OF_REGISTRY] = "Services and their instances",
        [VERBS_OF_PROXIES] = "Proxies",
        [VERBS_OF_CALLS] = "Calls",
        [VERBS_OF_CLUSTER] = "Replicas",
        [VERBS_OF_TOOL] = "pilotctl itself",
    };
    return titles[group];
}

/* Is it one of the words between blanks? */
static bool is_among(const char *word, const char *words)
{
    size_t size = strlen(word);
    for (const char *at = words; size && (at = strstr(at, word)); at += size)
        if ((at == words || at[-1] == ' ') && (at[size] == ' ' || !at[size]))
            return true;
    return false;
}

const struct verb *verb_find(const char *name)
{
    for (size_t i = 0; i < verb_count; i++)
        if (strcmp(verbs[i].name, name) == 0 || is_among(name, verbs[i].aliases))
            return &verbs[i];
    return NULL;
}
