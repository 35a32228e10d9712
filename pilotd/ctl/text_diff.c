#include "ctl/text_diff.h"

#include <string.h>

enum {
    CONTEXT = 3,
    CELLS_MAX = 16 * 1024 * 1024, /* of the table below; more lines are shown as all others */
};

struct edit {
    char mark;
    const char *line;
};
typedef LIST(struct edit) edit_list;

static string_list lines_of(struct arena *a, const char *text)
{
    string_list lines = { 0 };
    while (text && *text) {
        size_t size = strcspn(text, "\n");
        list_push(a, &lines, arena_strndup(a, text, size));
        text += size + (text[size] == '\n');
    }
    return lines;
}

static void add(struct arena *a, edit_list *edits, char mark, const char *line)
{
    list_push(a, edits, (struct edit){ mark, line });
}

/* The longest common subsequence of what is left of both, for each pair of places. */
struct table {
    const char *const *before, *const *after;
    size_t before_count, after_count;
    uint32_t *lengths;
};

static uint32_t *length_at(const struct table *t, size_t i, size_t k)
{
    return &t->lengths[i * (t->after_count + 1) + k];
}

static void fill(struct table *t)
{
    for (size_t i = t->before_count; i-- > 0;)
        for (size_t k = t->after_count; k-- > 0;) {
            uint32_t down = *length_at(t, i + 1, k), right = *length_at(t, i, k + 1);
            bool is_same = strcmp(t->before[i], t->after[k]) == 0;
            *length_at(t, i, k) = is_same        ? *length_at(t, i + 1, k + 1) + 1
                                  : down > right ? down
                                                 : right;
        }
}

static void walk(struct arena *a, const struct table *t, edit_list *edits)
{
    size_t i = 0, k = 0;
    while (i < t->before_count || k < t->after_count) {
        bool has_both = i < t->before_count && k < t->after_count;
        if (has_both && strcmp(t->before[i], t->after[k]) == 0) {
            add(a, edits, ' ', t->before[i++]);
            k++;
        } else if (k == t->after_count ||
                   (has_both && *length_at(t, i + 1, k) >= *length_at(t, i, k + 1))) {
            add(a, edits, '-', t->before[i++]);
        } else {
            add(a, edits, '+', t->after[k++]);
        }
    }
}

static void compare(struct arena *a, struct table *t, edit_list *edits)
{
    if ((t->before_count + 1) * (t->after_count + 1) <= CELLS_MAX) {
        t->lengths = ARENA_ARRAY(a, uint32_t, (t->before_count + 1) * (t->after_count + 1));
        fill(t);
        walk(a, t, edits);
        return;
    }
    for (size_t i = 0; i < t->before_count; i++)
        add(a, edits, '-', t->before[i]);
    for (size_t k = 0; k < t->after_count; k++)
        add(a, edits, '+', t->after[k]);
}

/* What both begin and end with needs no table. */
static edit_list edits_of(struct arena *a, const string_list *before, const string_list *after)
{
    edit_list edits = { 0 };
    size_t least = before->count < after->count ? before->count : after->count;
    size_t head = 0, tail = 0;
    while (head < least && strcmp(before->items[head], after->items[head]) == 0)
        add(a, &edits, ' ', before->items[head++]);
    while (tail < least - head && strcmp(before->items[before->count - 1 - tail],
                                      after->items[after->count - 1 - tail]) == 0)
        tail++;
    struct table table = {
        .before = before->items + head,
        .after = after->items + head,
        .before_count = before->count - head - tail,
        .after_count = after->count - head - tail,
    };
    compare(a, &table, &edits);
    for (size_t i = before->count - tail; i < before->count; i++)
        add(a, &edits, ' ', before->items[i]);
    return edits;
}

/* ---- hunks ---- */

/* The end of the hunk that begins at `from`: where more than twice the context is the same. */
static size_t hunk_end(const edit_list *edits, size_t from)
{
    size_t end = from;
    for (size_t i = from; i < edits->count && i <= end + 2 * CONTEXT; i++)
        if (edits->items[i].mark != ' ')
            end = i;
    end += CONTEXT + 1;
    return end < edits->count ? end : edits->count;
}

static void count_lines(
    const edit_list *edits, size_t from, size_t to, size_t *before, size_t *after)
{
    for (size_t i = from; i < to; i++) {
        *before += edits->items[i].mark != '+';
        *after += edits->items[i].mark != '-';
    }
}

static void add_hunk(
    struct arena *a, const edit_list *edits, size_t from, size_t to, string_list *out)
{
    size_t skipped_before = 0, skipped_after = 0, before = 0, after = 0;
    count_lines(edits, 0, from, &skipped_before, &skipped_after);
    count_lines(edits, from, to, &before, &after);
    list_push(a,
        out,
        arena_printf(a,
            "@@ -%zu,%zu +%zu,%zu @@",
            skipped_before + (before > 0),
            before,
            skipped_after + (after > 0),
            after));
    for (size_t i = from; i < to; i++)
        list_push(a, out, arena_printf(a, "%c%s", edits->items[i].mark, edits->items[i].line));
}

string_list text_diff(struct arena *a, const char *before, const char *after)
{
    string_list old = lines_of(a, before), new = lines_of(a, after), out = { 0 };
    edit_list edits = edits_of(a, &old, &new);
    for (size_t i = 0; i < edits.count; i++) {
        if (edits.items[i].mark == ' ')
            continue;
        size_t end = hunk_end(&edits, i);
        add_hunk(a, &edits, i > CONTEXT ? i - CONTEXT : 0, end, &out);
        i = end - 1;
    }
    return out;
}
