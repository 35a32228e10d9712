/*
 * analyze_fixture: what the analysis finds in resources that are written as in a file.
 *
 * Resources in YAML, one macro a kind; the oldest comes first. What is found is told as lines
 * "VirtualService/shop/cart spec.http[1] PIL0403", sorted as the snapshot has them.
 */
#ifndef TESTS_ANALYZE_FIXTURE_H
#define TESTS_ANALYZE_FIXTURE_H

#include "mesh/snapshot.h"

#define RESOURCE(kind, ns, name, spec)                                                             \
    "---\n{apiVersion: networking.istio.io/v1, kind: " kind ", metadata: {namespace: " ns          \
    ", name: " name "}, spec: " spec "}\n"
#define ROUTES(ns, name, spec) RESOURCE("VirtualService", ns, name, spec)
#define RULE(ns, name, spec)   RESOURCE("DestinationRule", ns, name, spec)
#define ENTRY(ns, name, spec)  RESOURCE("ServiceEntry", ns, name, spec)

/* A service of namespace shop at port 80, with one endpoint, of version v1. */
#define SERVICE(name, more)                                                                        \
    ENTRY("shop",                                                                                  \
        name,                                                                                      \
        "{hosts: [" name ".shop.svc.cluster.local], resolution: STATIC, " more                     \
        "ports: [{number: 80, name: http, protocol: HTTP}], "                                      \
        "endpoints: [{address: 10.0.0.1, labels: {version: v1}}]}")
#define CART       SERVICE("cart", "")
#define TO(host)   "route: [{destination: {host: " host "}}]"
#define ANSWER     "directResponse: {status: 200}"
#define HTTP(http) ROUTES("shop", "v", "{hosts: [cart], http: [" http "]}")

/* A fault in the text fails the test. */
struct snapshot *analyzed(const char *yaml);

struct analyze_case {
    const char *what, *yaml, *findings;
};
void check_cases(const struct analyze_case *cases, size_t count);

/* What the only finding says: "message; hint", or "message". */
void check_text(const char *yaml, const char *wanted);

#endif
