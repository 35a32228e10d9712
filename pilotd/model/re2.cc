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

bool re2_rewrites(const char *pattern, const char *rewrite, char *why, size_t why_size)
{
    RE2 compiled(pattern, RE2::Quiet);
    std::string error;
    bool is_good = compiled.ok() && compiled.CheckRewriteString(rewrite, &error);
    std::snprintf(why, why_size, "%s", error.c_str());
    return is_good;
}
