/* VirtualService: what its tables give, and the verdicts on what cannot be. */
#include "model/virtual_service.h"

#include "model/command.h"
#include "model_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define ROUTE    "route: [{destination: {host: a}}]"
#define VS(http) "{hosts: [h], http: [{" http "}]}"

static void check(void **state, const struct fault_case *cases, size_t count)
{
    assert_faults(*state, "VirtualService", cases, count);
}

static void test_every_field_of_a_match_is_decoded(void **state)
{
    const struct virtual_service *vs = spec_of(*state,
        "VirtualService",
        VS("name: n, match: [{name: m, uri: {prefix: /p}, scheme: {exact: https}, "
           "method: {regex: 'GET|POST'}, authority: {exact: ''}, headers: {z: {}, a: {exact: v}}, "
           "withoutHeaders: {w: {regex: '*'}}, queryParams: {q: {exact: '1'}}, "
           "ignoreUriCase: true, port: 80, sourceLabels: {app: x}, sourceNamespace: s, "
           "gateways: [mesh], statPrefix: sp}], " ROUTE));

    const struct http_match *m = vs->http.items[0].match.items;
    assert_string_equal(vs->http.items[0].name, "n");
    assert_string_equal(m->name, "m");
    assert_string_equal(m->uri->prefix, "/p");
    assert_null(m->uri->exact);
    assert_string_equal(m->scheme->exact, "https");
    assert_string_equal(m->method->regex, "GET|POST");
    assert_string_equal(m->authority->exact, "");
    assert_string_equal(m->headers.items[0].key, "a");
    assert_string_equal(m->headers.items[0].value.exact, "v");
    assert_string_equal(m->headers.items[1].key, "z");
    assert_null(m->headers.items[1].value.exact);
    assert_string_equal(m->without_headers.items[0].key, "w");
    assert_null(m->without_headers.items[0].value.regex); /* presence */
    assert_string_equal(m->query_params.items[0].value.exact, "1");
    assert_true(m->ignore_uri_case);
    assert_int_equal(m->port, 80);
    assert_string_equal(m->source_labels.items[0].value, "x");
    assert_string_equal(m->source_namespace, "s");
    assert_string_equal(m->gateways.items[0], "mesh");
    assert_string_equal(m->stat_prefix, "sp");
}

static void test_every_field_of_a_destination_is_decoded(void **state)
{
    const struct virtual_service *vs = spec_of(*state,
        "VirtualService",
        "{hosts: [a, '*.b.c'], gateways: [mesh, ns/gw], exportTo: [., x], http: [{route: ["
        "{destination: {host: d, subset: v1, port: {number: 8080}}, weight: 90, "
        "headers: {request: {set: {Host: x}, add: {a: b}, remove: [c]}, response: {set: {r: s}}}}, "
        "{destination: {host: e}, weight: 10}]}]}");

    const struct http_route_destination *to = vs->http.items[0].route.items;
    assert_string_equal(vs->hosts.items[1], "*.b.c");
    assert_string_equal(vs->gateways.items[1], "ns/gw");
    assert_string_equal(vs->export_to.items[1], "x");
    assert_string_equal(to->destination->host, "d");
    assert_string_equal(to->destination->subset, "v1");
    assert_int_equal(to->destination->port->number, 8080);
    assert_int_equal(to->weight, 90);
    assert_string_equal(to->headers->request->set.items[0].key, "Host");
    assert_string_equal(to->headers->request->add.items[0].value, "b");
    assert_string_equal(to->headers->request->remove.items[0], "c");
    assert_string_equal(to->headers->response->set.items[0].key, "r");
    assert_null(to[1].destination->port);
    assert_null(to[1].destination->subset);
    assert_int_equal(to[1].weight, 10);
}

static void test_every_policy_of_a_route_is_decoded(void **state)
{
    const struct virtual_service *vs = spec_of(*state,
        "VirtualService",
        VS(ROUTE
            ", rewrite: {authority: o, uriRegexRewrite: {match: '^/(.*)', rewrite: '/x/\\1'}}, "
            "timeout: 3s, retries: {attempts: 3, perTryTimeout: 1s, backoff: 25ms, "
            "retryOn: '5xx,gateway-error,503', retryRemoteLocalities: true, "
            "retryIgnorePreviousHosts: false}, "
            "fault: {delay: {fixedDelay: 5s, percentage: {value: 0.1}, percent: 5}, "
            "abort: {grpcStatus: NOT_FOUND, percentage: {value: 100}}}, "
            "mirrors: [{destination: {host: f}, percentage: {value: 50}}], mirrorPercent: 4, "
            "corsPolicy: {allowOrigin: [x], allowOrigins: [{exact: e}, {regex: '.*'}], "
            "allowMethods: [GET], allowHeaders: [h1], exposeHeaders: [h2], maxAge: 24h, "
            "allowCredentials: true, unmatchedPreflights: IGNORE}, "
            "headers: {response: {add: {x: '%PROTOCOL%'}}}"));

    const struct http_route *r = vs->http.items;
    assert_string_equal(r->rewrite->authority, "o");
    assert_string_equal(r->rewrite->uri_regex_rewrite->rewrite, "/x/\\1");
    assert_int_equal(r->timeout.ms, 3000);
    assert_int_equal(r->retries->attempts, 3);
    assert_int_equal(r->retries->backoff.ms, 25);
    assert_string_equal(r->retries->retry_on, "5xx,gateway-error,503");
    assert_true(r->retries->retry_remote_localities.value);
    assert_true(r->retries->retry_ignore_previous_hosts.is_set);
    assert_false(r->retries->retry_ignore_previous_hosts.value);
    assert_int_equal(r->fault->delay->fixed_delay.ms, 5000);
    assert_true(r->fault->delay->percentage->value == 0.1);
    assert_int_equal(r->fault->delay->percent, 5);
    assert_string_equal(r->fault->abort->grpc_status, "NOT_FOUND");
    assert_true(r->fault->abort->percentage->value == 100);
    assert_string_equal(r->mirrors.items[0].destination->host, "f");
    assert_int_equal(r->mirror_percent.value, 4);
    assert_string_equal(r->cors_policy->allow_origins.items[1].regex, ".*");
    assert_string_equal(r->cors_policy->allow_methods.items[0], "GET");
    assert_int_equal(r->cors_policy->max_age.ms, 86400000);
    assert_true(r->cors_policy->allow_credentials.value);
    assert_int_equal(r->cors_policy->unmatched_preflights, PREFLIGHTS_IGNORE);
    assert_string_equal(r->headers->response->add.items[0].value, "%PROTOCOL%");
}

static void test_every_other_action_is_decoded(void **state)
{
    const struct virtual_service *vs = spec_of(*state,
        "VirtualService",
        "{hosts: [h], http: [{redirect: {uri: /u, authority: b, scheme: https, "
        "derivePort: FROM_REQUEST_PORT, redirectCode: 308}}, "
        "{directResponse: {status: 503, body: {string: ''}}}, "
        "{directResponse: {status: 200, body: {bytes: aGVsbG8=}}}, "
        "{mirror: {host: g}, mirrorPercentage: {value: 1.5}, " ROUTE "}]}");

    const struct http_route *r = vs->http.items;
    assert_string_equal(r[0].redirect->uri, "/u");
    assert_string_equal(r[0].redirect->authority, "b");
    assert_string_equal(r[0].redirect->scheme, "https");
    assert_int_equal(r[0].redirect->derive_port, FROM_REQUEST_PORT);
    assert_int_equal(r[0].redirect->redirect_code, 308);
    assert_int_equal(r[1].direct_response->status, 503);
    assert_string_equal(r[1].direct_response->body->string, "");
    assert_null(r[1].direct_response->body->bytes);
    assert_string_equal(r[2].direct_response->body->bytes, "aGVsbG8=");
    assert_string_equal(r[3].mirror->host, "g");
    assert_true(r[3].mirror_percentage->value == 1.5);
}

static void test_hosts_are_names_wildcards_or_addresses(void **state)
{
    static const struct fault_case cases[] = {
        { "{hosts: [a, b.c, '*.d.e', '*-x.f', 10.0.0.1, '::1', g.h.], http: [{" ROUTE "}]}", "" },
        { "{hosts: ['a.*.b', 'ba!r', '', 1.2.3], http: [{" ROUTE "}]}",
            "spec.hosts[0]: must be a host name, with '*' only at its beginning, or an IP address, "
            "not \"a.*.b\" [PIL0203]\n"
            "spec.hosts[1]: must be a host name, with '*' only at its beginning, or an IP address, "
            "not \"ba!r\" [PIL0203]\n"
            "spec.hosts[2]: must be a host name, with '*' only at its beginning, or an IP address, "
            "not \"\" [PIL0203]\n"
            "spec.hosts[3]: must be a host name, with '*' only at its beginning, or an IP address, "
            "not \"1.2.3\" [PIL0203]" },
        { "{hosts: ['*'], http: [{" ROUTE "}]}",
            "spec.hosts[0]: \"*\" is for gateways only; sidecars need a host [PIL0302]" },
    };

    check(state, cases, ARRAY_COUNT(cases));
}

static void test_hosts_must_not_cover_each_other(void **state)
{
    static const struct fault_case cases[] = {
        { "{hosts: [a.b, A.B], http: [{" ROUTE "}]}",
            "spec.hosts[1]: A.B is covered by a.b already [PIL0301]" },
        { "{hosts: [x.b.c, y.c, '*.c'], http: [{" ROUTE "}]}",
            "spec.hosts[0]: x.b.c is covered by *.c already [PIL0301]" },
        { "{hosts: ['*.b.c', '*.c'], http: [{" ROUTE "}]}",
            "spec.hosts[0]: *.b.c is covered by *.c already [PIL0301]" },
        { "{hosts: [b.c, '*.b.c', xb.c, c], http: [{" ROUTE "}]}", "" },
    };

    check(state, cases, ARRAY_COUNT(cases));
}

static void test_a_route_has_one_action(void **state)
{
    static const struct fault_case cases[] = {
        { VS("name: x"),
            "spec.http[0]: must say route, redirect, directResponse or delegate "
            "[PIL0104]" },
        { VS("redirect: {uri: /}, directResponse: {status: 200}, " ROUTE
             ", fault: {abort: {httpStatus: 500}}, rewrite: {uri: /}"),
            "spec.http[0].route: cannot be given together with redirect [PIL0301]\n"
            "spec.http[0].directResponse: cannot be given together with redirect [PIL0301]\n"
            "spec.http[0].fault: cannot be given together with redirect [PIL0301]\n"
            "spec.http[0].rewrite: cannot be given together with redirect [PIL0301]" },
        { VS("directResponse: {status: 200}, " ROUTE),
            "spec.http[0].route: cannot be given together with directResponse [PIL0301]" },
        { VS(ROUTE ", mirror: {host: a}, mirrors: [{destination: {host: b}}]"),
            "spec.http[0].mirrors: cannot be given together with mirror [PIL0301]" },
    };

    check(state, cases, ARRAY_COUNT(cases));
}

static void test_weights_of_several_destinations_must_not_be_all_0(void **state)
{
    static const struct fault_case cases[] = {
        { VS("route: [{destination: {host: a}}, {destination: {host: b}}]"),
            "spec.http[0].route: the weights add up to 0; give each destination its weight "
            "[PIL0302]" },
        { VS("route: [{destination: {host: a}, weight: 49}, {destination: {host: b}, weight: 50}]"),
            "" },
        { VS("route: [{destination: {host: a}, weight: -1}]"),
            "spec.http[0].route[0].weight: must be from 0 to 2147483647 [PIL0201]" },
        { VS("route: [{destination: {host: a}, weight: 2147483647}, "
             "{destination: {host: b}, weight: 2147483647}, {destination: {host: c}, weight: 2}]"),
            "spec.http[0].route: the weights add up to more than 4294967295 [PIL0302]" },
    };

    check(state, cases, ARRAY_COUNT(cases));
}

static void test_destinations_are_complete(void **state)
{
    static const struct fault_case cases[] = {
        { VS("route: [{}]"), "spec.http[0].route[0].destination: is required [PIL0104]" },
        { VS("route: [{destination: {}}]"),
            "spec.http[0].route[0].destination.host: is required [PIL0104]" },
        { VS("route: [{destination: {host: '*', subset: 'a b', port: {number: 0}}}]"),
            "spec.http[0].route[0].destination.host: must be a host name, with '*' only at its "
            "beginning and not alone, not \"*\" [PIL0203]\n"
            "spec.http[0].route[0].destination.subset: must be a DNS label (letters, digits and "
            "'-', at most 63), not \"a b\" [PIL0203]\n"
            "spec.http[0].route[0].destination.port.number: must be from 1 to 65535 [PIL0201]" },
    };

    check(state, cases, ARRAY_COUNT(cases));
}

static void test_matches_say_one_thing_each(void **state)
{
    static const struct fault_case cases[] = {
        { VS("match: [{uri: {exact: a, regex: b}}], " ROUTE),
            "spec.http[0].match[0].uri.regex: cannot be given together with exact [PIL0301]" },
        { VS("match: [{headers: {x: {prefix: ''}}, uri: {regex: ''}}], " ROUTE),
            "spec.http[0].match[0].headers.x.prefix: must be at least one character, not \"\" "
            "[PIL0203]\n"
            "spec.http[0].match[0].uri.regex: must be a regular expression (RE2); \"\" is not: it "
            "is empty [PIL0203]" },
        { VS("match: [{headers: {'::': {}, '@request.auth.claims.sub': {}}}], " ROUTE),
            "spec.http[0].match[0].headers[\"::\"]: must be a header's name; \"::\" is not: it has "
            "a character that names cannot have [PIL0203]\n"
            "spec.http[0].match[0].headers[\"@request.auth.claims.sub\"]: must be a header's name; "
            "\"@request.auth.claims.sub\" is not: claims of tokens are matched at gateways, which "
            "are not supported yet [PIL0203]" },
        { VS("match: [{port: 65536, sourceNamespace: a.b, gateways: [a/b/c]}], " ROUTE),
            "spec.http[0].match[0].port: must be from 1 to 65535 [PIL0201]\n"
            "spec.http[0].match[0].sourceNamespace: must be a DNS label (letters, digits and '-', "
            "at most 63), not \"a.b\" [PIL0203]\n"
            "spec.http[0].match[0].gateways[0]: must be a gateway: NAME or NAMESPACE/NAME, not "
            "\"a/b/c\" [PIL0203]" },
    };

    check(state, cases, ARRAY_COUNT(cases));
}

static void test_regular_expressions_are_what_envoy_compiles(void **state)
{
    static const struct fault_case cases[] = {
        { VS("match: [{uri: {regex: '/a(b|c)+[0-9]{1,10}'}}], " ROUTE), "" },
        { VS("match: [{uri: {regex: '/a(b|c)+[0-9]{1,1000}'}}], " ROUTE),
            "warning: spec.http[0].match[0].uri.regex: takes 2009 instructions: a proxy that was "
            "not set up by pilotctl bootstrap refuses more than 100 unless its runtime key "
            "re2.max_program_size.error_level says otherwise [PIL0302]" },
        { VS("match: [{uri: {regex: '\\pL{40}'}}], " ROUTE),
            "spec.http[0].match[0].uri.regex: must be a regular expression (RE2); "
            "\"\\pL{40}\" is not: it takes 47724 instructions, and Envoys are set up for 32768 "
            "[PIL0203]" },
        { VS("match: [{uri: {regex: '(?=x)'}}, {uri: {regex: '(a)\\1'}}, {uri: {regex: '*'}}, "
             "{uri: {regex: 'a{1001}'}}], " ROUTE),
            "spec.http[0].match[0].uri.regex: must be a regular expression (RE2); \"(?=x)\" is "
            "not: invalid perl operator: (?= [PIL0203]\n"
            "spec.http[0].match[1].uri.regex: must be a regular expression (RE2); \"(a)\\1\" is "
            "not: invalid escape sequence: \\1 [PIL0203]\n"
            "spec.http[0].match[2].uri.regex: must be a regular expression (RE2); \"*\" is not: no "
            "argument for repetition operator: * [PIL0203]\n"
            "spec.http[0].match[3].uri.regex: must be a regular expression (RE2); \"a{1001}\" is "
            "not: invalid repetition size: {1001} [PIL0203]" },
        { VS("rewrite: {uriRegexRewrite: {match: (a), rewrite: '\\2'}}, " ROUTE),
            "warning: spec.http[0].rewrite.uriRegexRewrite.rewrite: cannot be applied, so paths "
            "stay as they are: Rewrite schema requests 2 matches, but the regexp only has 1 "
            "parenthesized subexpressions. [PIL0302]" },
    };

    check(state, cases, ARRAY_COUNT(cases));
}

static void test_redirects_and_direct_responses(void **state)
{
    static const struct fault_case cases[] = {
        { VS("redirect: {}"),
            "spec.http[0].redirect: must say uri, authority, scheme or port [PIL0104]" },
        { VS("redirect: {uri: /, redirectCode: 305, scheme: ftp}"),
            "spec.http[0].redirect.scheme: must be http or https, not \"ftp\" [PIL0203]" },
        { VS("redirect: {uri: /, redirectCode: 305}"),
            "spec.http[0].redirect.redirectCode: must be 301, 302, 303, 307 or 308, not 305 "
            "[PIL0201]" },
        { VS("redirect: {port: 80, derivePort: FROM_REQUEST_PORT}"),
            "spec.http[0].redirect.derivePort: cannot be given together with port [PIL0301]" },
        { VS("redirect: {uri: \"/\\r\\n\"}"),
            "spec.http[0].redirect.uri: must be one line, without control characters, not "
            "\"/\\u000d\\u000a\" [PIL0203]" },
        { VS("directResponse: {body: {string: a, bytes: '%'}}"),
            "spec.http[0].directResponse.body.bytes: must be base64, not \"%\" [PIL0203]\n"
            "spec.http[0].directResponse.body.bytes: cannot be given together with string "
            "[PIL0301]\n"
            "spec.http[0].directResponse.status: is required [PIL0104]" },
        { VS("directResponse: {status: 600}"),
            "spec.http[0].directResponse.status: must be from 200 to 599 [PIL0201]" },
    };

    check(state, cases, ARRAY_COUNT(cases));
}

static void test_rewrites_do_one_thing_to_the_path(void **state)
{
    static const struct fault_case cases[] = {
        { VS("rewrite: {}, " ROUTE),
            "spec.http[0].rewrite: must say uri, uriRegexRewrite or authority [PIL0104]" },
        { VS("rewrite: {uri: /, uriRegexRewrite: {match: a, rewrite: b}}, " ROUTE),
            "spec.http[0].rewrite.uriRegexRewrite: cannot be given together with uri [PIL0301]" },
        { VS("rewrite: {uriRegexRewrite: {match: a}}, " ROUTE),
            "spec.http[0].rewrite.uriRegexRewrite.rewrite: is required [PIL0104]" },
        { VS("rewrite: {authority: a}, headers: {request: {set: {HOST: b}}}, " ROUTE),
            "spec.http[0].rewrite.authority: cannot be given together with headers.request.set of "
            "HOST [PIL0301]" },
    };

    check(state, cases, ARRAY_COUNT(cases));
}

static void test_retries_know_their_conditions(void **state)
{
    static const struct fault_case cases[] = {
        { VS("retries: {attempts: 0}, " ROUTE), "" },
        { VS("retries: {perTryTimeout: 2s}, " ROUTE),
            "spec.http[0].retries: has a retry policy, but attempts is 0, which means none; say "
            "how many attempts [PIL0302]" },
        { VS("retries: {attempts: 1, retryOn: 'reset,5xxx'}, " ROUTE),
            "spec.http[0].retries.retryOn: must be conditions such as 5xx,reset,connect-failure or "
            "status codes, joined by commas; \"reset,5xxx\" is not: \"5xxx\" is not known "
            "[PIL0203]" },
        { VS("retries: {attempts: 1, retryOn: 'reset, 5xx'}, " ROUTE),
            "spec.http[0].retries.retryOn: must be conditions such as 5xx,reset,connect-failure or "
            "status codes, joined by commas; \"reset, 5xx\" is not: no spaces around the commas "
            "[PIL0203]" },
        { VS("retries: {attempts: 1, retryOn: '599'}, " ROUTE),
            "spec.http[0].retries.retryOn: must be conditions such as 5xx,reset,connect-failure or "
            "status codes, joined by commas; \"599\" is not: \"599\" is not known [PIL0203]" },
    };

    check(state, cases, ARRAY_COUNT(cases));
}

static void test_faults_say_what_and_how_often(void **state)
{
    static const struct fault_case cases[] = {
        { VS("fault: {}, " ROUTE), "spec.http[0].fault: must say delay or abort [PIL0104]" },
        { VS("fault: {delay: {percentage: {value: 0}}}, " ROUTE),
            "spec.http[0].fault.delay.fixedDelay: is required [PIL0104]" },
        { VS("fault: {abort: {percentage: {value: 1}}}, " ROUTE),
            "spec.http[0].fault.abort: must say httpStatus or grpcStatus [PIL0104]" },
        { VS("fault: {abort: {httpStatus: 500, grpcStatus: OK}}, " ROUTE),
            "spec.http[0].fault.abort.grpcStatus: cannot be given together with httpStatus "
            "[PIL0301]" },
        { VS("fault: {abort: {grpcStatus: NOPE}}, " ROUTE),
            "spec.http[0].fault.abort.grpcStatus: must be the name of a gRPC status, such as "
            "NOT_FOUND, not \"NOPE\" [PIL0203]" },
        { VS("fault: {delay: {fixedDelay: 1s, percentage: {value: 0.00001}}}, " ROUTE),
            "spec.http[0].fault.delay.percentage.value: must be 0, or from 0.0001 to 100 "
            "[PIL0201]" },
        { VS("fault: {delay: {fixedDelay: 1s, percentage: {value: 101}}}, " ROUTE),
            "spec.http[0].fault.delay.percentage.value: must be from 0 to 100 [PIL0201]" },
        { VS("fault: {abort: {httpStatus: 600}}, " ROUTE),
            "spec.http[0].fault.abort.httpStatus: must be from 200 to 599 [PIL0201]" },
    };

    check(state, cases, ARRAY_COUNT(cases));
}

static void test_cors_policies_are_whole(void **state)
{
    static const struct fault_case cases[] = {
        { VS("corsPolicy: {allowMethods: [GIT], maxAge: 1.5s}, " ROUTE),
            "spec.http[0].corsPolicy.allowMethods[0]: must be an HTTP method, or *, not \"GIT\" "
            "[PIL0203]" },
        { VS("corsPolicy: {maxAge: 1.5s, allowOrigins: [{}, {exact: ''}]}, " ROUTE),
            "spec.http[0].corsPolicy.allowOrigins[0]: must say exact, prefix or regex [PIL0104]\n"
            "spec.http[0].corsPolicy.allowOrigins[1]: must say exact, prefix or regex [PIL0104]\n"
            "spec.http[0].corsPolicy.maxAge: must be whole seconds [PIL0201]" },
    };

    check(state, cases, ARRAY_COUNT(cases));
}

static void test_headers_that_envoy_would_refuse_are_refused(void **state)
{
    static const struct fault_case cases[] = {
        { VS("headers: {request: {set: {':path': x}, add: {'': x}, remove: [Host]}}, " ROUTE),
            "spec.http[0].headers.request.set[\":path\"]: must be a header's name, not \":path\" "
            "[PIL0203]\n"
            "spec.http[0].headers.request.add[\"\"]: must be a header's name, not \"\" [PIL0203]\n"
            "spec.http[0].headers.request.remove[0]: must be a header's name other than host, not "
            "\"Host\" [PIL0203]" },
        { VS("headers: {request: {set: {':authority': x, a: 100%%, "
             "b: '%START_TIME(%s.%3f)%', c: '%REQ(X):10%', d: \"a\tb\"}}}, " ROUTE),
            "" },
        { VS("headers: {response: {set: {a: 100%, d: \"a\\nb\", host: x}}}, " ROUTE),
            "spec.http[0].headers.response.set.a: must be a header's value: one line, with "
            "%COMMANDS% of Envoy's; \"100%\" is not: a '%' that begins no command must be doubled "
            "[PIL0203]\n"
            "spec.http[0].headers.response.set.d: must be a header's value: one line, with "
            "%COMMANDS% of Envoy's; \"a\\u000ab\" is not: it has control characters [PIL0203]\n"
            "spec.http[0].headers.response.set.host: must be a header's name other than host, not "
            "\"host\" [PIL0203]" },
    };

    check(state, cases, ARRAY_COUNT(cases));
}

static void test_commands_are_those_that_envoy_takes(void **state)
{
    static const char *const good[] = { "",
        "100%%",
        "%%PROTOCOL%%",
        "a%PROTOCOL%%HOSTNAME%b",
        "%START_TIME%",
        "%START_TIME(%Y-%m-%dT%H:%M:%S.%3fZ)%",
        "%REQ(X-A?:PATH):10%",
        "%RESP(a)%",
        "%DYNAMIC_METADATA(a:b):3%",
        "%UPSTREAM_METADATA(a:b)%",
        "%DOWNSTREAM_PEER_CERT_V_END(%b %d)%" };
    static const char *const bad[] = { "%",
        "%%%",
        "100%",
        "%protocol%",
        "%PROTOCL%",
        "%PROTOCOL",
        "%PROTOCOL(x)%",
        "%PROTOCOL:3%",
        "%REQ%",
        "%REQ()%",
        "%REQ(x",
        "%REQ(a b)%",
        "%REQ(a?b?c)%",
        "%REQ(::a)%",
        "%REQ(x):%",
        "%REQ(x):a%",
        "%REQ(x):9999999999%",
        "%REQ(x)y%",
        "%DYNAMIC_METADATA%",
        "%UPSTREAM_METADATA(a):3%",
        "%START_TIME:3%",
        "%CEL(x)%" };
    struct model_fixture *f = *state;

    for (size_t i = 0; i < ARRAY_COUNT(good); i++)
        if (!command_text_is_valid(good[i]))
            fail_msg("%s: %s", good[i], command_text_explain(f->a, good[i]));
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
        if (command_text_is_valid(bad[i]))
            fail_msg("%s must be refused", bad[i]);
    assert_string_equal(command_text_explain(f->a, "%PROTOCOL% %PROTOCL%"),
        "%PROTOCL% is not known, did you mean %PROTOCOL%?");
    assert_string_equal(command_text_explain(f->a, "%REQ%"), "%REQ% cannot have these parameters");
    assert_string_equal(command_text_explain(f->a, "%CEL(x)%"), "%CEL% is not known");
}

static void test_export_to_does_not_contradict_itself(void **state)
{
    static const struct fault_case cases[] = {
        { "{hosts: [h], exportTo: ['~'], http: [{" ROUTE "}]}",
            "spec.exportTo[0]: \"~\" (nobody) is for service entries only [PIL0302]" },
        { "{hosts: [h], exportTo: [., '*'], http: [{" ROUTE "}]}",
            "spec.exportTo[1]: \"*\" leaves nothing to the other entries [PIL0301]" },
        { "{hosts: [h], exportTo: [., default], http: [{" ROUTE "}]}",
            "spec.exportTo[1]: \"default\" is given twice [PIL0301]" },
        { "{hosts: [h], exportTo: [a.b], http: [{" ROUTE "}]}",
            "spec.exportTo[0]: must be \".\", \"*\", \"~\" or a namespace, not \"a.b\" "
            "[PIL0203]" },
    };

    check(state, cases, ARRAY_COUNT(cases));
}

static void test_what_has_no_effect_yet_is_warned_of(void **state)
{
    static const struct fault_case cases[] = {
        { "{hosts: ['*'], gateways: [gw], http: [{" ROUTE "}]}",
            "warning: spec.gateways: gateways are not supported yet, so this virtual service has "
            "no effect; add \"mesh\" to use it in sidecars [PIL0108]" },
        { "{hosts: [h], gateways: [gw, mesh], http: [{" ROUTE "}]}", "" },
        { "{http: [{" ROUTE "}]}", "" },
        { "{gateways: [mesh], http: [{" ROUTE "}]}",
            "spec.gateways: must be empty where there are no hosts (a delegate) [PIL0302]" },
    };

    check(state, cases, ARRAY_COUNT(cases));
}

static void test_what_is_not_supported_yet_is_refused_by_name(void **state)
{
    static const struct fault_case cases[] = {
        { VS("fault: {delay: {exponentialDelay: 1s}, abort: {http2Error: x}}, " ROUTE),
            "warning: spec.http[0].fault.delay.exponentialDelay: has no effect; use fixedDelay "
            "[PIL0108]\n"
            "spec.http[0].fault.delay.fixedDelay: is required [PIL0104]\n"
            "spec.http[0].fault.abort.http2Error: is not supported yet; use httpStatus or "
            "grpcStatus [PIL0106]" },
    };

    check(state, cases, ARRAY_COUNT(cases));
}

static void test_there_must_be_routes(void **state)
{
    static const struct fault_case cases[] = {
        { "{hosts: [h]}", "spec.http: must have at least one route: http, tls or tcp [PIL0104]" },
        { "{hosts: [h], htp: []}", "spec.htp: unknown field; did you mean \"http\"? [PIL0102]" },
    };

    check(state, cases, ARRAY_COUNT(cases));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, model_setup, model_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_every_field_of_a_match_is_decoded),
        TEST(test_every_field_of_a_destination_is_decoded),
        TEST(test_every_policy_of_a_route_is_decoded),
        TEST(test_every_other_action_is_decoded),
        TEST(test_hosts_are_names_wildcards_or_addresses),
        TEST(test_hosts_must_not_cover_each_other),
        TEST(test_a_route_has_one_action),
        TEST(test_weights_of_several_destinations_must_not_be_all_0),
        TEST(test_destinations_are_complete),
        TEST(test_matches_say_one_thing_each),
        TEST(test_regular_expressions_are_what_envoy_compiles),
        TEST(test_redirects_and_direct_responses),
        TEST(test_rewrites_do_one_thing_to_the_path),
        TEST(test_retries_know_their_conditions),
        TEST(test_faults_say_what_and_how_often),
        TEST(test_cors_policies_are_whole),
        TEST(test_headers_that_envoy_would_refuse_are_refused),
        TEST(test_commands_are_those_that_envoy_takes),
        TEST(test_export_to_does_not_contradict_itself),
        TEST(test_what_has_no_effect_yet_is_warned_of),
        TEST(test_what_is_not_supported_yet_is_refused_by_name),
        TEST(test_there_must_be_routes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
