#include "model/re2.h"

#include <re2/re2.h>

#include <cstdio>
#include <string>

bool re2_compiles(const char *pattern, char *why, size_t why_size)
{
    RE2 compiled(pattern, RE2::Quiet);
    std::snprintf(why, why_size, "%s", compiled.error().c_str());
    return compiled.ok();
}

size_t re2_program_size(const char *pattern)
{
    RE2 compiled(pattern, RE2::Quiet);
    return compiled.ok() ? (size_t)compiled.ProgramSize() : 0;
}

bool re2_rewrites(const char *pattern, const char *rewrite, char *why, size_t why_size)
{
    RE2 compiled(pattern, RE2::Quiet);
    std::string error;
    bool is_good = compiled.ok() && compiled.CheckRewriteString(rewrite, &error);
    std::snprintf(why, why_size, "%s", error.c_str());
    return is_good;
}

bool re2_matches(const char *pattern, const char *text)
{
    RE2 compiled(pattern, RE2::Quiet);
    return compiled.ok() && RE2::FullMatch(text, compiled);
}

void re2_replace(
    const char *pattern, const char *rewrite, const char *text, char *out, size_t out_size)
{
    RE2 compiled(pattern, RE2::Quiet);
    std::string replaced(text);
    if (compiled.ok())
        RE2::GlobalReplace(&replaced, compiled, rewrite);
    std::snprintf(out, out_size, "%s", replaced.c_str());
}
