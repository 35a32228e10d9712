/*
 * re2: the door to RE2, the engine that Envoy matches with: what compiles here compiles there.
 */
#ifndef MODEL_RE2_H
#define MODEL_RE2_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Does it compile? If not, `why` says what is wrong. */
bool re2_compiles(const char *pattern, char *why, size_t why_size);

/* Does the substitution (\1 to \9, \0) refer only to groups that the pattern has? */
bool re2_rewrites(const char *pattern, const char *rewrite, char *why, size_t why_size);

#ifdef __cplusplus
}
#endif

#endif
