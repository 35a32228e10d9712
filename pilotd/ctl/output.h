/*
 * output: what a reading verb found, shown as the command line asks: as a table, wide or not, as
 * names, JSON or YAML; once, or, with --watch, again and again: what is new, changed or gone.
 *
 * JSON of a watch is one line for each change: {"event":"added","name":…,"object":…}. Colours are
 * for terminals alone, and not where NO_COLOR is set.
 */
#ifndef CTL_OUTPUT_H
#define CTL_OUTPUT_H

#include "base/json.h"
#include "ctl/ctl.h"

extern const struct flag flag_output, flag_watch, flag_interval;
#define READ_FLAGS &flag_output, &flag_watch, &flag_interval

struct column {
    const char *title;
    bool is_wide; /* shown with -o wide alone */
};

enum tone { TONE_PLAIN, TONE_GOOD, TONE_DOUBT, TONE_BAD };

struct row {
    const char *name;   /* of -o name; by it a row is known again */
    const char **cells; /* one for each column; NULL is empty */
    const char *json;   /* the item, shown as it is; NULL: made of the cells */
    const char *below;  /* lines under it, or NULL */
    enum tone tone;
};

struct answer {
    const struct column *columns;
    size_t column_count;
    LIST(struct row) rows;
    string_list notes; /* lines under the table */
    const char *json;  /* of the whole; NULL: a list of the rows' */
    bool is_one;       /* the JSON is the only row's, not a list of it */
    int status;        /* the verb's, once it is shown */
};

/* Cells of a row, in `a`. */
#define CELLS(a, ...)                                                                              \
    ((const char **)arena_dup((a),                                                                 \
        (const char *[]){ __VA_ARGS__ },                                                           \
        sizeof((const char *[]){ __VA_ARGS__ }),                                                   \
        _Alignof(const char *)))

/* Asks and shows; with --watch until nobody reads it. `ask` returns a status, after saying what is
 * wrong, or EXIT_GOOD with the answer filled in; it is given an arena for this answer alone. */
int output_run(struct ctl *ctl, int (*ask)(struct ctl *ctl, struct answer *answer));

/* What a verb has to say in JSON alone, or in YAML with -o yaml. Deletes it. */
int output_json(const struct ctl *ctl, cJSON *json);

/* In `a`, on one line; deletes it. */
const char *output_text(struct arena *a, cJSON *json);

/* A line in the colour of its tone, where standard output takes colours. */
const char *output_toned(struct arena *a, enum tone tone, const char *text);

#endif
