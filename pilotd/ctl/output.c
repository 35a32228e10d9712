#include "ctl/output.h"

#include "base/map.h"
#include "base/yaml.h"
#include "ctl/json_text.h"

#include <math.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

const struct flag flag_output = {
    .name = "--output",
    .letter = 'o',
    .value_name = "FORMAT",
    .fallback = "table",
    .choices = "table wide name json yaml",
    .help = "table, wide, name, json or yaml",
};
const struct flag flag_watch = {
    .name = "--watch",
    .letter = 'w',
    .help = "goes on, and tells what changes; with -o json one line for each change",
};
const struct flag flag_interval = {
    .name = "--interval",
    .value_name = "SECONDS",
    .fallback = "1",
    .help = "how often --watch looks",
};

enum { COLUMNS_MAX = 16 };

struct shown {
    size_t widths[COLUMNS_MAX];
    bool is_wide, has_head;
};

/* ---- colours ---- */

static bool takes_colours(void)
{
    const char *refused = getenv("NO_COLOR"), *terminal = getenv("TERM");
    return isatty(STDOUT_FILENO) && !(refused && *refused) && terminal &&
           strcmp(terminal, "dumb") != 0;
}

static const char *tone_begin(enum tone tone)
{
    static const char *const codes[] = { "", "\033[32m", "\033[33m", "\033[31m" };
    return takes_colours() ? codes[tone] : "";
}

static const char *tone_end(enum tone tone)
{
    return *tone_begin(tone) ? "\033[0m" : "";
}

const char *output_toned(struct arena *a, enum tone tone, const char *text)
{
    return arena_printf(a, "%s%s%s", tone_begin(tone), text, tone_end(tone));
}

/* ---- tables ---- */

/* Characters, not bytes: what begins no character of UTF-8 takes no place. */
static size_t width_of(const char *text)
{
    size_t width = 0;
    for (; *text; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

static const char *cell(const struct row *row, size_t column)
{
    return row->cells && row->cells[column] ? row->cells[column] : "";
}

static void measure(const struct answer *answer, struct shown *shown)
{
    INVARIANT(answer->column_count <= COLUMNS_MAX);
    for (size_t i = 0; i < answer->column_count; i++) {
        size_t widest = width_of(answer->columns[i].title);
        for (list_each (const struct row, row, &answer->rows))
            if (width_of(cell(row, i)) > widest)
                widest = width_of(cell(row, i));
        if (widest > shown->widths[i])
            shown->widths[i] = widest;
    }
}

static void print_cells(const struct answer *answer, const struct shown *shown, const char **cells)
{
    size_t blanks = 0;
    for (size_t i = 0; i < answer->column_count; i++) {
        const char *text = cells[i] ? cells[i] : "";
        if (answer->columns[i].is_wide && !shown->is_wide)
            continue;
        printf("%*s%s", (int)blanks, "", text);
        blanks = shown->widths[i] - width_of(text) + 2;
    }
}

static void print_head(const struct answer *answer, struct shown *shown)
{
    const char *titles[COLUMNS_MAX];
    for (size_t i = 0; i < answer->column_count; i++)
        titles[i] = answer->columns[i].title;
    shown->has_head = true;
    print_cells(answer, shown, titles);
    puts("");
}

static void print_row(const struct answer *answer, const struct shown *shown, const struct row *row)
{
    fputs(tone_begin(row->tone), stdout);
    print_cells(answer, shown, row->cells);
    puts(tone_end(row->tone));
    if (row->below)
        puts(row->below);
}

static void print_table(const struct answer *answer, struct shown *shown)
{
    measure(answer, shown);
    if (answer->column_count)
        print_head(answer, shown);
    for (list_each (const struct row, row, &answer->rows))
        print_row(answer, shown, row);
    for (list_each (const char *const, note, &answer->notes))
        puts(*note);
}

/* ---- JSON and YAML ---- */

const char *output_text(struct arena *a, cJSON *json)
{
    char *printed = cJSON_PrintUnformatted(json);
    const char *text = arena_strdup(a, printed);
    free(printed);
    cJSON_Delete(json);
    return text;
}

/* A value that is not JSON, as somebody may have written it into the store, is shown as a text. */
static const char *as_json(struct arena *a, const char *text)
{
    cJSON *json = cJSON_Parse(text);
    cJSON_Delete(json);
    return json ? text : output_text(a, cJSON_CreateString(text));
}

static const char *row_json(struct arena *a, const struct answer *answer, const struct row *row)
{
    if (row->json)
        return as_json(a, row->json);
    cJSON *json = cJSON_CreateObject();
    for (size_t i = 0; i < answer->column_count; i++)
        cJSON_AddStringToObject(json, answer->columns[i].title, cell(row, i));
    return output_text(a, json);
}

static const char *whole_json(struct arena *a, const struct answer *answer)
{
    if (answer->json)
        return answer->json;
    if (answer->is_one && answer->rows.count == 1)
        return row_json(a, answer, &answer->rows.items[0]);
    struct buf out = { 0 };
    buf_text(&out, "[");
    for (list_each (const struct row, row, &answer->rows))
        buf_printf(&out, "%s%s", row == answer->rows.items ? "" : ",", row_json(a, answer, row));
    buf_text(&out, "]");
    const char *text = arena_strndup(a, out.data, out.size);
    buf_fini(&out);
    return text;
}

static void print_json(const char *text)
{
    struct buf out = { 0 };
    json_text_indent(text, &out);
    puts(out.data);
    buf_fini(&out);
}

static void print_yaml(const char *text)
{
    struct buf out = { 0 };
    cJSON *json = cJSON_Parse(text);
    yaml_write(json, &out);
    fputs(out.data, stdout);
    cJSON_Delete(json);
    buf_fini(&out);
}

int output_json(const struct ctl *ctl, cJSON *json)
{
    const char *text = output_text(ctl->a, json);
    (strcmp(ctl_value(ctl, &flag_output), "yaml") == 0 ? print_yaml : print_json)(text);
    return EXIT_GOOD;
}

/* ---- once ---- */

static void print_names(const struct answer *answer)
{
    for (list_each (const struct row, row, &answer->rows))
        puts(row->name);
}

static void print_answer(struct ctl *ctl, const struct answer *answer, struct shown *shown)
{
    const char *format = ctl_value(ctl, &flag_output);
    if (strcmp(format, "name") == 0)
        print_names(answer);
    else if (strcmp(format, "json") == 0)
        print_json(whole_json(ctl->a, answer));
    else if (strcmp(format, "yaml") == 0)
        print_yaml(whole_json(ctl->a, answer));
    else
        print_table(answer, shown);
}

/* ---- again and again ---- */

struct watch {
    struct ctl *ctl;
    struct shown shown;
    struct map known;  /* name → what was shown of it last */
    const char *whole; /* likewise, of an answer that is one thing */
    bool is_json;
};

/* A line of JSON, or a row. */
static void print_event(struct watch *w, struct arena *a, const struct answer *answer,
    const struct row *row, bool is_new)
{
    if (!w->is_json) {
        print_row(answer, &w->shown, row);
        return;
    }
    struct buf line = { 0 };
    json_text_compact(row_json(a, answer, row), &line);
    printf("{\"event\":\"%s\",\"name\":%s,\"object\":%s}\n",
        is_new ? "added" : "changed",
        output_text(a, cJSON_CreateString(row->name)),
        line.data);
    buf_fini(&line);
}

static const char *fingerprint(
    struct watch *w, struct arena *a, const struct answer *answer, const struct row *row)
{
    const char *text = w->is_json ? row_json(a, answer, row) : row->below ? row->below : "";
    for (size_t i = 0; i < answer->column_count && !w->is_json; i++)
        if (!answer->columns[i].is_wide || w->shown.is_wide)
            text = arena_printf(a, "%s\n%s", text, cell(row, i));
    return text;
}

struct departure {
    struct watch *watch;
    struct arena *a;
    const struct map *now;
    string_list names;
};

static void note_gone(const char *name, void *value, void *context)
{
    struct departure *d = context;
    (void)value;
    if (!map_find(d->now, name))
        list_push(d->a, &d->names, arena_strdup(d->a, name));
}

static void print_gone(struct watch *w, struct arena *a, const struct map *now)
{
    struct departure d = { .watch = w, .a = a, .now = now };
    map_each (&w->known, note_gone, &d)
        ;
    for (list_each (const char *const, name, &d.names)) {
        free(map_remove(&w->known, *name));
        if (w->is_json)
            printf("{\"event\":\"gone\",\"name\":%s}\n", output_text(a, cJSON_CreateString(*name)));
        else
            printf("%s is gone\n", *name);
    }
}

static void show_rows(struct watch *w, struct arena *a, const struct answer *answer)
{
    struct map now = { 0 };
    measure(answer, &w->shown);
    if (!w->is_json && !w->shown.has_head)
        print_head(answer, &w->shown);
    for (list_each (const struct row, row, &answer->rows)) {
        const char *print = fingerprint(w, a, answer, row);
        const char *former = map_find(&w->known, row->name);
        map_put(&now, row->name, w);
        if (former && strcmp(former, print) == 0)
            continue;
        print_event(w, a, answer, row, former == NULL);
        free(map_put(&w->known, row->name, xstrdup(print)));
    }
    print_gone(w, a, &now);
    map_fini(&now, NULL);
}

/* An answer that is more than its rows is told whole, whenever it is another one. */
static void show_whole(struct watch *w, struct arena *a, const struct answer *answer)
{
    const char *text = whole_json(a, answer);
    if (w->whole && strcmp(w->whole, text) == 0)
        return;
    w->whole = arena_strdup(w->ctl->a, text);
    if (!w->is_json) {
        print_table(answer, &w->shown);
        return;
    }
    struct buf line = { 0 };
    json_text_compact(text, &line);
    puts(line.data);
    buf_fini(&line);
}

static void rest(const struct ctl *ctl)
{
    double seconds = strtod(ctl_value(ctl, &flag_interval), NULL);
    struct timespec time = { .tv_sec = (time_t)seconds,
        .tv_nsec = (long)((seconds - floor(seconds)) * 1e9) };
    nanosleep(&time, NULL);
}

/* One look; each has memory of its own. */
static int look(struct watch *w, int (*ask)(struct ctl *ctl, struct answer *answer))
{
    struct ctl turn = *w->ctl;
    struct answer answer = { 0 };
    turn.a = arena_new();
    int status = ask(&turn, &answer);
    if (status == EXIT_GOOD) {
        (answer.json ? show_whole : show_rows)(w, turn.a, &answer);
        status = answer.status;
    }
    arena_free(turn.a);
    return status;
}

/* Who was there once may come back; who never was is not waited for. */
static int watch(struct ctl *ctl, struct shown shown, int (*ask)(struct ctl *, struct answer *))
{
    const char *format = ctl_value(ctl, &flag_output);
    struct watch w = { .ctl = ctl, .shown = shown, .is_json = strcmp(format, "json") == 0 };
    if (strcmp(format, "name") == 0 || strcmp(format, "yaml") == 0)
        return ctl_fail(EXIT_USAGE, "--watch: goes with -o table, wide or json");
    int status = look(&w, ask);
    bool was_reached = status != EXIT_UNREACHABLE && status != EXIT_USAGE;
    while (was_reached && fflush(stdout) == 0) {
        rest(ctl);
        status = look(&w, ask);
    }
    map_fini(&w.known, free);
    return status;
}

int output_run(struct ctl *ctl, int (*ask)(struct ctl *ctl, struct answer *answer))
{
    struct shown shown = { .is_wide = strcmp(ctl_value(ctl, &flag_output), "wide") == 0 };
    struct answer answer = { 0 };
    char *end;
    double seconds = strtod(ctl_value(ctl, &flag_interval), &end);
    if (*end || !(seconds >= 0.1 && seconds <= 86400))
        return ctl_fail(EXIT_USAGE, "--interval: must be from 0.1 to 86400 seconds");
    if (ctl_is_set(ctl, &flag_watch))
        return watch(ctl, shown, ask);
    int status = ask(ctl, &answer);
    if (status != EXIT_GOOD)
        return status;
    print_answer(ctl, &answer, &shown);
    return answer.status;
}
