#include "xds/limits.h"

const char *xds_limit_text(enum xds_limit limit)
{
    static const char *const texts[XDS_LIMIT_COUNT] = {
        [XDS_LIMIT_NONE] = "",
#define LIMIT(name, label, status, text) [XDS_LIMIT_##name] = (text),
#include "xds/limits.def"
#undef LIMIT
    };
    return texts[limit];
}
