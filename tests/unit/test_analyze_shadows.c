/* analyze: rules of a VirtualService that are never reached, and their near misses. */
#include "analyze_fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define RULES(first, second) CART HTTP("{" first ", " ANSWER "}, {" second ", " ANSWER "}")
#define MATCH(match)         "match: [{" match "}]"
#define SECOND               "VirtualService/shop/v spec.http[1] PIL0403\n"

static void test_http_rules(void **state)
{
    static const struct analyze_case cases[] = {
        { "a rule after a catch-all", CART HTTP("{" ANSWER "}, {" ANSWER "}"), SECOND },
        { "each rule after a catch-all",
            CART HTTP("{" ANSWER "}, {" ANSWER "}, {" MATCH("uri: {exact: /a}") ", " ANSWER "}"),
            SECOND "VirtualService/shop/v spec.http[2] PIL0403\n" },
        { "a catch-all that comes last",
            CART HTTP("{" MATCH("uri: {prefix: /a}") ", " ANSWER "}, {" ANSWER "}"),
            "" },
        { "a catch-all among the matches",
            RULES("match: [{uri: {exact: /a}}, {uri: {prefix: /}}]", MATCH("method: {exact: GET}")),
            SECOND },
        { "a regular expression that takes every path",
            RULES(MATCH("uri: {regex: '.*'}"), MATCH("uri: {prefix: /a}")),
            SECOND },
        { "a longer prefix",
            RULES(MATCH("uri: {prefix: /a}"), MATCH("uri: {prefix: /a/b}")),
            SECOND },
        { "a shorter prefix", RULES(MATCH("uri: {prefix: /a/b}"), MATCH("uri: {prefix: /a}")), "" },
        { "an exact path under a prefix",
            RULES(MATCH("uri: {prefix: /a}"), MATCH("uri: {exact: /ab}")),
            SECOND },
        { "a prefix under an exact path",
            RULES(MATCH("uri: {exact: /a}"), MATCH("uri: {prefix: /a}")),
            "" },
        { "one path twice", RULES(MATCH("uri: {exact: /a}"), MATCH("uri: {exact: /a}")), SECOND },
        { "a longer path", RULES(MATCH("uri: {exact: /a}"), MATCH("uri: {exact: /ab}")), "" },
        { "one regular expression twice",
            RULES(MATCH("uri: {regex: '/a.*'}"), MATCH("uri: {regex: '/a.*'}")),
            SECOND },
        { "two regular expressions",
            RULES(MATCH("uri: {regex: '/a.*'}"), MATCH("uri: {regex: '/ab.*'}")),
            "" },
        { "any path after a prefix", RULES(MATCH("uri: {prefix: /a}"), MATCH("port: 80")), "" },
        { "a path in other letters, where case does not count",
            RULES(MATCH("uri: {prefix: /a}, ignoreUriCase: true"), MATCH("uri: {exact: /A}")),
            SECOND },
        { "a path in any letters, where case counts before",
            RULES(MATCH("uri: {prefix: /a}"), MATCH("uri: {exact: /a}, ignoreUriCase: true")),
            "" },
        { "a path without letters, whose case cannot count",
            RULES(MATCH("uri: {prefix: /1}"), MATCH("uri: {exact: /1}, ignoreUriCase: true")),
            SECOND },
    };
    (void)state;
    check_cases(cases, ARRAY_COUNT(cases));
}

static void test_conditions_beside_the_path(void **state)
{
    static const struct analyze_case cases[] = {
        { "more is asked for",
            RULES(MATCH("headers: {a: {exact: x}}"),
                MATCH("headers: {a: {exact: x}, b: {exact: y}}, method: {exact: GET}")),
            SECOND },
        { "less is asked for",
            RULES(MATCH("headers: {a: {exact: x}, b: {exact: y}}"),
                MATCH("headers: {a: {exact: x}}")),
            "" },
        { "another value",
            RULES(MATCH("headers: {a: {exact: x}}"), MATCH("headers: {a: {exact: y}}")),
            "" },
        { "a value of a header that must be there",
            RULES(MATCH("headers: {a: {}}"), MATCH("headers: {a: {exact: y}}")),
            SECOND },
        { "a header that must be there, after one of its values",
            RULES(MATCH("headers: {a: {exact: y}}"), MATCH("headers: {a: {}}")),
            "" },
        { "a header in other letters",
            RULES(MATCH("headers: {x-a: {prefix: x}}"), MATCH("headers: {X-A: {exact: xy}}")),
            SECOND },
        { "a parameter in other letters",
            RULES(MATCH("queryParams: {a: {exact: x}}"), MATCH("queryParams: {A: {exact: x}}")),
            "" },
        { "a parameter again",
            RULES(MATCH("queryParams: {a: {exact: x}}"),
                MATCH("queryParams: {a: {exact: x}}, uri: {prefix: /a}")),
            SECOND },
        { "another method",
            RULES(MATCH("method: {exact: GET}"), MATCH("method: {exact: PUT}")),
            "" },
        { "any method after one", RULES(MATCH("method: {exact: GET}"), MATCH("port: 80")), "" },
        { "any method that there is", RULES(MATCH("method: {}"), MATCH("port: 80")), SECOND },
        { "the authority of a prefix",
            RULES(MATCH("authority: {prefix: a.}"), MATCH("authority: {exact: a.test}")),
            SECOND },
        { "a scheme", RULES(MATCH("scheme: {exact: http}"), MATCH("scheme: {exact: https}")), "" },
        { "what excludes more",
            RULES(MATCH("withoutHeaders: {a: {exact: x}}"),
                MATCH("withoutHeaders: {a: {prefix: x}}")),
            SECOND },
        { "what excludes less",
            RULES(MATCH("withoutHeaders: {a: {prefix: x}}"),
                MATCH("withoutHeaders: {a: {exact: x}}")),
            "" },
        { "what excludes nothing",
            RULES(MATCH("withoutHeaders: {a: {exact: x}}"), MATCH("port: 80")),
            "" },
    };
    (void)state;
    check_cases(cases, ARRAY_COUNT(cases));
}

static void test_callers(void **state)
{
    static const struct analyze_case cases[] = {
        { "callers with more labels",
            RULES(MATCH("sourceLabels: {a: x}"), MATCH("sourceLabels: {a: x, b: y}")),
            SECOND },
        { "all callers after some", RULES(MATCH("sourceLabels: {a: x}"), MATCH("port: 80")), "" },
        { "another namespace",
            RULES(MATCH("sourceNamespace: a"), MATCH("sourceNamespace: b")),
            "" },
        { "a namespace again",
            RULES(MATCH("sourceNamespace: a"), MATCH("sourceNamespace: a, port: 80")),
            SECOND },
        { "another port", RULES(MATCH("port: 80"), MATCH("port: 81")), "" },
        { "any port after one", RULES(MATCH("port: 80"), MATCH("method: {exact: GET}")), "" },
        { "sidecars, where there are only sidecars",
            RULES(MATCH("gateways: [mesh]"), MATCH("port: 80")),
            SECOND },
        { "labels do not count beside gateways",
            RULES(MATCH("gateways: [mesh], sourceLabels: {a: x}"), MATCH("port: 80")),
            SECOND },
        { "a gateway's rule after the sidecars'",
            CART ROUTES("shop",
                "v",
                "{hosts: [cart], gateways: [mesh, gw], http: [{" MATCH(
                    "gateways: [mesh]") ", " ANSWER "}, {" ANSWER "}]}"),
            "" },
    };
    (void)state;
    check_cases(cases, ARRAY_COUNT(cases));
}

static void test_matches_of_one_rule(void **state)
{
    static const struct analyze_case cases[] = {
        { "some of its matches are taken",
            RULES(MATCH("uri: {prefix: /a}"), "match: [{uri: {prefix: /b}}, {uri: {exact: /a}}]"),
            "VirtualService/shop/v spec.http[1].match[1] PIL0403\n" },
        { "all of its matches are taken, by several rules",
            CART HTTP("{" MATCH("uri: {prefix: /a}") ", " ANSWER "}, {" MATCH(
                "uri: {prefix: /b}") ", " ANSWER
                                     "}, {match: [{uri: {exact: /b}}, {uri: {exact: /a}}], " ANSWER
                                     "}"),
            "VirtualService/shop/v spec.http[2] PIL0403\n" },
        { "an earlier match of its own takes it",
            CART HTTP("{match: [{uri: {prefix: /a}}, {uri: {exact: /a}}], " ANSWER "}"),
            "VirtualService/shop/v spec.http[0].match[1] PIL0403\n" },
        { "a later match of its own takes more",
            CART HTTP("{match: [{uri: {exact: /a}}, {uri: {prefix: /a}}], " ANSWER "}"),
            "" },
    };
    (void)state;
    check_cases(cases, ARRAY_COUNT(cases));
}

#define DELEGATE(http) ROUTES("shop", "leaf", "{http: [" http "]}")

static void test_delegates_may_not_take_all_that_they_are_given(void **state)
{
    static const struct analyze_case cases[] = {
        { "a rule after a delegate's",
            CART DELEGATE("{" MATCH("uri: {exact: /a/b}") ", " ANSWER "}")
                HTTP("{" MATCH("uri: {prefix: /a}") ", delegate: {name: leaf}}, {" MATCH(
                    "uri: {prefix: /a}") ", " ANSWER "}"),
            "" },
        { "a delegate after a rule that takes all",
            CART DELEGATE("{" ANSWER "}") HTTP("{" ANSWER "}, {delegate: {name: leaf}}"),
            SECOND },
        { "a delegate's own rule",
            CART DELEGATE("{" ANSWER "}, {" ANSWER "}") HTTP("{delegate: {name: leaf}}"),
            "VirtualService/shop/leaf spec.http[1] PIL0403\n" },
    };
    (void)state;
    check_cases(cases, ARRAY_COUNT(cases));
}

#define TLS_RULES(first, second)                                                                   \
    CART ROUTES("shop",                                                                            \
        "v",                                                                                       \
        "{hosts: ['*.test'], tls: [{match: [{" first "}], " TO("cart") "}, {match: [{" second      \
                                                                       "}], " TO("cart") "}]}")
#define TCP_RULES(first, second)                                                                   \
    CART ROUTES(                                                                                   \
        "shop", "v", "{hosts: [cart], tcp: [{" first TO("cart") "}, {" second TO("cart") "}]}")
#define SECOND_TLS "VirtualService/shop/v spec.tls[1] PIL0403\n"
#define SECOND_TCP "VirtualService/shop/v spec.tcp[1] PIL0403\n"

static void test_tls_rules(void **state)
{
    static const struct analyze_case cases[] = {
        { "one server name twice",
            TLS_RULES("port: 443, sniHosts: [a.test]", "port: 443, sniHosts: [A.test]"),
            SECOND_TLS },
        { "one of several",
            TLS_RULES("sniHosts: [a.test, b.test]", "sniHosts: [b.test]"),
            SECOND_TLS },
        { "one more than before",
            TLS_RULES("sniHosts: [a.test]", "sniHosts: [a.test, b.test]"),
            "" },
        { "a name under a wildcard: the more specific one counts",
            TLS_RULES("sniHosts: ['*.test']", "sniHosts: [a.test]"),
            "" },
        { "another port",
            TLS_RULES("port: 443, sniHosts: [a.test]", "port: 444, sniHosts: [a.test]"),
            "" },
        { "a port after any",
            TLS_RULES("sniHosts: [a.test]", "port: 444, sniHosts: [a.test]"),
            SECOND_TLS },
        { "other addresses: the more specific ones count",
            TLS_RULES("sniHosts: [a.test]", "sniHosts: [a.test], destinationSubnets: [10.0.0.0/8]"),
            "" },
        { "the same addresses, spelled otherwise",
            TLS_RULES("sniHosts: [a.test], destinationSubnets: [10.0.0.0/8]",
                "sniHosts: [a.test], destinationSubnets: [10.1.2.3/8]"),
            SECOND_TLS },
    };
    (void)state;
    check_cases(cases, ARRAY_COUNT(cases));
}

static void test_tcp_rules(void **state)
{
    static const struct analyze_case cases[] = {
        { "a rule after one that takes all", TCP_RULES("", "match: [{port: 80}], "), SECOND_TCP },
        { "a rule that takes all comes last", TCP_RULES("match: [{port: 80}], ", ""), "" },
        { "addresses after a rule that takes all of a port",
            TCP_RULES(
                "match: [{port: 80}], ", "match: [{port: 80, destinationSubnets: [10.0.0.1]}], "),
            SECOND_TCP },
        { "addresses within others: the more specific ones count",
            TCP_RULES("match: [{destinationSubnets: [10.0.0.0/8]}], ",
                "match: [{destinationSubnets: [10.0.0.1]}], "),
            "" },
        { "some of the addresses",
            TCP_RULES("match: [{destinationSubnets: [10.0.0.1, 10.0.0.2]}], ",
                "match: [{destinationSubnets: [10.0.0.2/32]}], "),
            SECOND_TCP },
        { "callers of one label, then all",
            TCP_RULES("match: [{sourceLabels: {a: x}}], ", "match: [{port: 80}], "),
            "" },
    };
    (void)state;
    check_cases(cases, ARRAY_COUNT(cases));
}

static void test_the_finding_names_who_takes_it(void **state)
{
    (void)state;
    check_text(RULES(MATCH("uri: {prefix: /a}"), MATCH("uri: {prefix: /a/b}")),
        "is never reached: spec.http[0].match[0] takes every request that it matches; put the more "
        "specific rule first");
    check_text(TCP_RULES("", "match: [{port: 80}], "),
        "is never reached: spec.tcp[0] takes every connection that it matches; put the more "
        "specific rule first");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_http_rules),
        cmocka_unit_test(test_conditions_beside_the_path),
        cmocka_unit_test(test_callers),
        cmocka_unit_test(test_matches_of_one_rule),
        cmocka_unit_test(test_delegates_may_not_take_all_that_they_are_given),
        cmocka_unit_test(test_tls_rules),
        cmocka_unit_test(test_tcp_rules),
        cmocka_unit_test(test_the_finding_names_who_takes_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
