/*
 * command: Envoy's commands in header values and log formats: %PROTOCOL%, %REQ(X-ID):10%. One that
 * Envoy does not know makes it refuse the whole table or listener, so they are checked here.
 */
#ifndef MODEL_COMMAND_H
#define MODEL_COMMAND_H

#include "base/arena.h"

/* Is every '%' of the text doubled, or part of a command that Envoy takes? */
bool command_text_is_valid(const char *text);

/* What is wrong with the first one that is not. */
const char *command_text_explain(struct arena *a, const char *text);

#endif
