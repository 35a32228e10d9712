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

/* How many instructions it compiles to, which is what Envoy limits; 0 when it does not. */
size_t re2_program_size(const char *pattern);

/* Does the substitution (\1 to \9, \0) refer only to groups that the pattern has? */
bool re2_rewrites(const char *pattern, const char *rewrite, char *why, size_t why_size);

/* Does it match the whole text? One that does not compile matches nothing. */
bool re2_matches(const char *pattern, const char *text);

/* Every match in `text` replaced, cut off at the end of `out`; unchanged when it does not compile.
 */
void re2_replace(
    const char *pattern, const char *rewrite, const char *text, char *out, size_t out_size);

#ifdef __cplusplus
}
#endif

#endif
