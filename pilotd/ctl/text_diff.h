/*
 * text_diff: two texts side by side, line by line, as `diff -u` shows them.
 */
#ifndef CTL_TEXT_DIFF_H
#define CTL_TEXT_DIFF_H

#include "base/arena.h"

/* Lines of the hunks, each with its mark (' ', '+', '-', or "@@ …" at the head of one); none when
 * the texts are the same. NULL is a text without lines. */
string_list text_diff(struct arena *a, const char *before, const char *after);

#endif
