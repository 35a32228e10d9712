/* pilotctl manual: the verb table as manual pages, in roff. Reference: groff_man(7). */
#include "base/buf.h"
#include "base/version.h"
#include "ctl/ctl.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static const struct flag flag_directory = {
    .name = "--output",
    .letter = 'o',
    .value_name = "DIR",
    .help = "where the pages go; made when it is not there",
};
const struct flag *const manual_flags[] = { &flag_directory, NULL };

/* ---- roff ---- */

static void add_character(struct buf *page, char c)
{
    static const struct {
        char character;
        const char *roff;
    } special[] = {
        { '\\', "\\e" }, { '-', "\\-" }, { '~', "\\(ti" }, { '^', "\\(ha" }, { '\'', "\\(aq" }
    };
    for (size_t i = 0; i < ARRAY_COUNT(special); i++)
        if (special[i].character == c) {
            buf_text(page, special[i].roff);
            return;
        }
    buf_append(page, &c, 1);
}

static void add_characters(struct buf *page, const char *text)
{
    for (; *text; text++)
        add_character(page, *text);
}

/* One line of text: a dot or quote at its beginning would be a request. */
static void add_line(struct buf *page, const char *text, size_t size)
{
    if (size && *text == '.')
        buf_text(page, "\\&");
    for (size_t i = 0; i < size; i++)
        add_character(page, text[i]);
    buf_text(page, "\n");
}

static void add_text(struct buf *page, const char *text)
{
    while (*text) {
        size_t size = strcspn(text, "\n");
        add_line(page, text, size);
        text += size + (text[size] == '\n');
    }
}

static void add_head(struct buf *page, const char *title, const char *name, const char *summary)
{
    buf_printf(page, ".TH %s 1 \"\" \"pilotd %s\"\n.SH NAME\n", title, PILOTD_VERSION);
    buf_printf(page, "%s \\- ", name);
    add_text(page, summary);
}

static void add_flag(struct buf *page, const struct flag *flag)
{
    buf_text(page, ".TP\n.B ");
    if (flag->letter)
        buf_printf(page, "\\-%c, ", flag->letter);
    add_characters(page, flag->name);
    buf_printf(
        page, "%s%s\n", flag->value_name ? " " : "", flag->value_name ? flag->value_name : "");
    add_text(page, flag->help);
    if (flag->fallback) {
        buf_text(page, "(default ");
        add_characters(page, flag->fallback);
        buf_text(page, ")\n");
    }
    if (flag->env)
        buf_printf(page, "[%s]\n", flag->env);
}

static void add_examples(struct buf *page, const char *examples)
{
    buf_text(page, ".SH EXAMPLES\n.nf\n");
    add_text(page, examples);
    buf_text(page, ".fi\n");
}

static void add_verb(struct buf *page, const struct verb *verb)
{
    char name[64];
    snprintf(name, sizeof name, "pilotctl-%s", verb->name);
    add_head(page, name, name, verb->summary);
    buf_printf(page, ".SH SYNOPSIS\n.B pilotctl %s\n", verb->name);
    add_text(page, verb->args_help);
    buf_text(page, ".SH DESCRIPTION\n");
    add_text(page, *verb->help ? verb->help : verb->summary);
    if (*verb->aliases)
        buf_printf(page, ".PP\nAlso: %s\n", verb->aliases);
    if (verb->flags[0])
        buf_text(page, ".SH OPTIONS\n");
    for (const struct flag *const *f = verb->flags; *f; f++)
        add_flag(page, *f);
    add_examples(page, verb->examples);
    buf_text(page, ".SH SEE ALSO\n.BR pilotctl (1)\n");
}

static void add_statuses(struct buf *page)
{
    static const char *const statuses[] = { "good",
        "findings, differences, or it did not work",
        "wrong usage",
        "out of reach",
        "refused by validation" };
    buf_text(page, ".SH EXIT STATUS\n");
    for (size_t i = 0; i < ARRAY_COUNT(statuses); i++)
        buf_printf(page, ".TP\n.B %zu\n%s\n", i, statuses[i]);
}

static void add_overview(struct buf *page)
{
    add_head(page, "pilotctl", "pilotctl", "the operator's tool of pilotd");
    buf_text(page, ".SH SYNOPSIS\n.B pilotctl\n.I VERB\n…\n.SH DESCRIPTION\n");
    for (enum verb_group group = 0; group < VERB_GROUPS; group++) {
        buf_printf(page, ".SS %s\n", verb_group_title(group));
        for (size_t i = 0; i < verb_count; i++) {
            if (verbs[i].group != group)
                continue;
            buf_printf(page, ".TP\n.BR pilotctl\\-%s (1)\n", verbs[i].name);
            add_text(page, verbs[i].summary);
        }
    }
    add_statuses(page);
    buf_text(page,
        ".SH ENVIRONMENT\n.TP\n.B NO_COLOR\nset to anything, there are no colours\n"
        ".PP\nFlags have variables of their own, named in brackets at each.\n");
}

/* ---- files ---- */

static bool write_page(
    struct arena *a, const char *directory, const char *name, const struct buf *page)
{
    const char *path = arena_printf(a, "%s/%s.1", directory, name);
    FILE *out = fopen(path, "wb");
    bool is_good = out && fwrite(page->data, 1, page->size, out) == page->size;
    if (out && fclose(out) != 0)
        is_good = false;
    if (!is_good)
        ctl_fail(EXIT_FINDINGS, "%s: %s", path, strerror(errno));
    return is_good;
}

int verb_manual(struct ctl *ctl)
{
    const char *directory = ctl_value(ctl, &flag_directory);
    struct buf page = { 0 };
    if (!directory)
        return ctl_fail(EXIT_USAGE, "manual: -o DIR is needed");
    if (mkdir(directory, 0777) != 0 && errno != EEXIST)
        return ctl_fail(EXIT_FINDINGS, "%s: %s", directory, strerror(errno));
    add_overview(&page);
    bool is_good = write_page(ctl->a, directory, "pilotctl", &page);
    for (size_t i = 0; i < verb_count && is_good; i++) {
        buf_clear(&page);
        add_verb(&page, &verbs[i]);
        is_good = write_page(
            ctl->a, directory, arena_printf(ctl->a, "pilotctl-%s", verbs[i].name), &page);
    }
    buf_fini(&page);
    return is_good ? EXIT_GOOD : EXIT_FINDINGS;
}
