#include "base/diag.h"

/* What examples begin with. */
#define EXAMPLE(kind, name)                                                                        \
    "apiVersion: networking.istio.io/v1\nkind: " kind "\nmetadata: {name: " name                   \
    ", namespace: shop}\nspec:\n"
#define EXAMPLE_SERVICE                                                                            \
    EXAMPLE("ServiceEntry", "shop")                                                                \
    "  hosts: [shop.example.com]\n"                                                                \
    "  resolution: STATIC\n"                                                                       \
    "  ports: [{number: 80, name: http, protocol: HTTP}]\n"                                        \
    "  endpoints: [{address: 10.0.0.1}]\n"

const struct diag_page diag_pages[] = {
#define DIAG_CODE(name, number, ...) { name, __VA_ARGS__ },
#include "base/diag_codes.def"
#undef DIAG_CODE
};
const size_t diag_page_count = ARRAY_COUNT(diag_pages);
