/*
 * report: how the answers of /debug/… read: members that may be missing, lists that may be cut.
 */
#ifndef CTL_REPORT_H
#define CTL_REPORT_H

#include "base/json.h"
#include "ctl/output.h"

/* "" for what is not there: a table has no holes. */
const char *report_text(const cJSON *object, const char *name);
long long report_number(const cJSON *object, const char *name);
const cJSON *report_member(const cJSON *object, const char *name);

/* The same in an arena, for cells. */
const char *report_cell(struct arena *a, const cJSON *object, const char *name);

/* A line under an answer's table. */
void report_note(struct arena *a, struct answer *answer, const char *fmt, ...) PRINTF_LIKE(3, 4);

#endif
