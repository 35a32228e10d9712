/* What pilotctl says of itself: the list of verbs, and the help of each. */
#include "ctl/ctl.h"

#include <string.h>

void help_print_usage(FILE *out)
{
    fputs("pilotctl VERB …   (pilotctl VERB --help tells more)\n", out);
    for (enum verb_group group = 0; group < VERB_GROUPS; group++) {
        fprintf(out, "\n%s\n", verb_group_title(group));
        for (size_t i = 0; i < verb_count; i++)
            if (verbs[i].group == group)
                fprintf(out, "  %-14s %s\n", verbs[i].name, verbs[i].summary);
    }
    fputs("\nExit status: 0 good, 1 findings, differences or failure, 2 wrong usage, 3 out of "
          "reach,\n"
          "4 refused by validation.\n",
        out);
}

static void print_flag(const struct flag *flag)
{
    char letter[8] = "    ";
    if (flag->letter)
        snprintf(letter, sizeof letter, "-%c, ", flag->letter);
    printf("  %s%-16s %-10s %s",
        letter,
        flag->name,
        flag->value_name ? flag->value_name : "",
        flag->help);
    if (flag->fallback)
        printf(" (default %s)", flag->fallback);
    if (flag->env)
        printf(" [%s]", flag->env);
    puts("");
}

static void print_examples(const char *examples)
{
    puts("\nExamples:");
    while (*examples) {
        size_t size = strcspn(examples, "\n");
        printf("  %.*s\n", (int)size, examples);
        examples += size + (examples[size] == '\n');
    }
}

void help_print_verb(const struct verb *verb)
{
    printf("pilotctl %s%s%s\n\n%s\n",
        verb->name,
        *verb->args_help ? " " : "",
        verb->args_help,
        verb->summary);
    if (*verb->help)
        printf("%s\n", verb->help);
    if (*verb->aliases)
        printf("\nAlso: %s\n", verb->aliases);
    if (verb->flags[0])
        puts("");
    for (const struct flag *const *f = verb->flags; *f; f++)
        print_flag(*f);
    print_examples(verb->examples);
}
