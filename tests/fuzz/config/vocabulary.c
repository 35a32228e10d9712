#include "vocabulary.h"

#include <math.h>
#include <string.h>

/* ---- the dice: splitmix64 ---- */

uint64_t dice_roll(struct dice *d)
{
    uint64_t z = d->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* Counts beyond a byte are few, and large ones of little use to a fuzzer. */
unsigned dice_below(struct dice *d, size_t count)
{
    if (d->fed_bytes > 0) {
        d->fed_bytes--;
        return (unsigned)(*d->fed++ % count);
    }
    return (unsigned)(dice_roll(d) % count);
}

/* What nothing was fed for is left out. */
bool dice_chance(struct dice *d, unsigned percent)
{
    if (d->fed && d->fed_bytes == 0)
        return false;
    return dice_below(d, 100) < percent;
}

struct dice dice_fork(struct dice *d)
{
    struct dice fork = { .state = dice_roll(d) };
    if (d->fed_bytes > 0) {
        size_t size = *d->fed++;
        d->fed_bytes--;
        fork.fed = d->fed;
        fork.fed_bytes = size < d->fed_bytes ? size : d->fed_bytes;
        d->fed += fork.fed_bytes;
        d->fed_bytes -= fork.fed_bytes;
    }
    return fork;
}

/* ---- words by topic: dull ones first, then legal but nasty ones ---- */

#define LABEL_63 "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz1"
#define LONG_64  "0123456789 abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXY "
#define LONG_512 LONG_64 LONG_64 LONG_64 LONG_64 LONG_64 LONG_64 LONG_64 LONG_64
#define LONG_4K  LONG_512 LONG_512 LONG_512 LONG_512 LONG_512 LONG_512 LONG_512 LONG_512

static const char *const hosts[] = { "a",
    "b",
    "web",
    "a.default.svc.cluster.local",
    "b.apps.svc.cluster.local",
    "web.default.svc.cluster.local",
    "a.w{w}.test",
    "b.w{w}.test",
    "*.w{w}.test",
    "a.default",
    "*.svc.cluster.local",
    "*",
    "*-x.w{w}.test",
    "*x.w{w}.test",
    "A.W{w}.Test",
    "a.w{w}.test.",
    "deep.a.w{w}.test",
    "10.9.0.1",
    "fd00::9",
    LABEL_63 "." LABEL_63 ".test",
    "xn--bcher-kva.test",
    "localhost",
    "no-such-host.test" };
static const char *const namespaces[] = {
    "default", "apps", "istio-system", ".", "*", "~", "nobody", LABEL_63
};
static const char *const subsets[] = { "v1", "v2", "V3", "x-1", LABEL_63 };
static const char *const label_keys[] = { "version",
    "app",
    "example.com/tier",
    "a_b.C",
    "topology.istio.io/subzone",
    "security.istio.io/tlsMode" };
static const char *const label_values[] = { "v1", "v2", "web", "job", "", "A_b.c", "istio" };
static const char *const addresses[] = { "10.0.0.1",
    "10.0.0.2",
    "10.0.0.3",
    "10.0.0.4",
    "10.9.0.1",
    "10.9.0.0/24",
    "127.0.0.2",
    "fd00::1",
    "fd00::9",
    "fd00::/64",
    "0.0.0.0",
    "::",
    "0.0.0.0/0",
    "::/0",
    "10.9.0.1/32",
    "255.255.255.255",
    "224.0.0.1",
    "::ffff:10.0.0.1",
    "169.254.1.1",
    "240.240.0.1",
    "fe80::1",
    "10.9.0.7/8",
    "backend.w{w}.test",
    "localhost",
    "unix:///run/a.sock",
    "unix://@abstract",
    "unix:///" LABEL_63 LABEL_63 };
static const char *const header_names[] = { "x-a",
    "x-b",
    "X-Upper",
    "cookie",
    "host",
    ":authority",
    ":path",
    ":method",
    ":scheme",
    ":status",
    "content-length",
    "connection",
    "te",
    "transfer-encoding",
    "x-envoy-retry-on",
    "x-forwarded-for",
    "!#$%&'*+-.^_`|~",
    "x_y",
    "upgrade",
    LABEL_63 LABEL_63 };
static const char *const header_values[] = { "v",
    "a, b;q=0.5",
    "",
    " padded ",
    "100%%",
    "%",
    "%REQ(x-a)%",
    "%REQ(x-a?x-b):10%",
    "%DOWNSTREAM_REMOTE_ADDRESS%",
    "%START_TIME(%s.%3f)%",
    "%PROTOCOL% %RESPONSE_CODE%",
    "%UPSTREAM_METADATA([\"a\",\"b\"])%",
    "%ENVIRONMENT(HOME)%",
    "%DYNAMIC_METADATA(a:b)%",
    "%FILTER_STATE(a:PLAIN)%",
    "%UPSTREAM_HOST%%%",
    "%HOSTNAME%",
    "%TRAILER(x)% %RESP(:status)%",
    "%PER_REQUEST_STATE(a)%",
    "tab\there",
    "\"quoted\" \\back",
    "Gr\xc3\xbc\xc3\x9f"
    "e \xe2\x82\xac \xf0\x9f\x98\x80",
    LONG_4K };
static const char *const regexes[] = { ".*",
    "/a(/.*)?",
    "^v[0-9]+$",
    "(?i)get|post",
    "a{1000}",
    "(a|b)*c",
    "[[:alpha:]]+",
    "\\d+",
    "\\pL",
    "(?P<n>a)(b)?",
    "x{0,100}y{0,9}",
    "[^/]+",
    "\\QA.B\\E",
    "a|",
    "()",
    "(?s).",
    "\xc3\xa9+",
    "\\C",
    "*",
    "[0-9a-f]{8}(-[0-9a-f]{4}){3}",
    "((a{50}){10})",
    "^$" };
static const char *const paths[] = { "/",
    "/a",
    "/a/",
    "/a/b?x=1&y=2#f",
    "//",
    "/%2f%41",
    "a",
    "/with space",
    "/\xc3\xa4",
    "/..",
    "*",
    "",
    "/" LONG_512,
    "%REQ(x-a)%",
    "/{id}/x",
    "\\1/\\0" };
static const char *const localities[] = { "eu",
    "eu/a",
    "eu/a/1",
    "us",
    "us/*",
    "us/b/*",
    "eu/a/*",
    "*",
    "\xc3\xa4/\xc3\xb6",
    "eu/a/" LABEL_63 };
static const char *const words[] = { "GET",
    "POST",
    "http",
    "https",
    "grpc",
    "tcp",
    "tls",
    "mesh",
    "5xx",
    "5xx,reset,503",
    "connect-failure,refused-stream,unavailable",
    "retriable-4xx,429",
    "retriable-status-codes",
    "OK",
    "NOT_FOUND",
    "UNAVAILABLE",
    "aGVsbG8=",
    "",
    "/dev/stdout",
    "web",
    "spiffe://cluster.local/ns/default/sa/web",
    "*.example.com",
    "default/gw",
    "a,b=c\td",
    "_",
    "-",
    "/etc/certs/cert.pem",
    "sds",
    "istio-mutual",
    "Hello \xe2\x98\x83",
    LONG_512,
    "http://[fd00::1]:80/x",
    "%START_TIME% \"%REQ(:METHOD)%\"\n",
    "%%",
    "a=b;c",
    "null" };

/* Files are opened while Envoy decides; these are there where the judge's runs. */
static const char *const certificates[] = { "cert.pem" };
static const char *const keys[] = { "key.pem" };
static const char *const logs[] = { "/dev/stdout", "/dev/null" };
static const char *const revocations[] = { "crl.pem" };

#define TOPIC(list, ...)                                                                           \
    {                                                                                              \
        list, ARRAY_COUNT(list), __VA_ARGS__                                                       \
    }
static const struct topic {
    const char *const *words;
    size_t count;
    bool is_all; /* nothing else will do */
} hosts_topic = TOPIC(hosts), namespaces_topic = TOPIC(namespaces), subsets_topic = TOPIC(subsets),
  label_keys_topic = TOPIC(label_keys), label_values_topic = TOPIC(label_values),
  addresses_topic = TOPIC(addresses), header_names_topic = TOPIC(header_names),
  header_values_topic = TOPIC(header_values), regexes_topic = TOPIC(regexes),
  paths_topic = TOPIC(paths), localities_topic = TOPIC(localities), words_topic = TOPIC(words),
  certificates_topic = TOPIC(certificates, .is_all = true),
  keys_topic = TOPIC(keys, .is_all = true), revocations_topic = TOPIC(revocations, .is_all = true),
  logs_topic = TOPIC(logs, .is_all = true);
static const struct topic *const all_topics[] = { &hosts_topic,
    &namespaces_topic,
    &subsets_topic,
    &label_keys_topic,
    &label_values_topic,
    &addresses_topic,
    &header_names_topic,
    &header_values_topic,
    &regexes_topic,
    &paths_topic,
    &localities_topic,
    &words_topic };

/* ---- which topic ---- */

/* Steering alone: a format or a name that is in neither table is tried from all topics. */
static const struct {
    const struct format *format;
    const struct topic *topic;
} topics_of_formats[] = {
    { &format_dns_label, &subsets_topic },
    { &format_namespace, &namespaces_topic },
    { &format_export_to, &namespaces_topic },
    { &format_label_key, &label_keys_topic },
    { &format_label_value, &label_values_topic },
    { &format_fqdn, &hosts_topic },
    { &format_wildcard_host, &hosts_topic },
    { &format_partial_wildcard_host, &hosts_topic },
    { &format_wildcard_host_or_ip, &hosts_topic },
    { &format_ip, &addresses_topic },
    { &format_ip_or_cidr, &addresses_topic },
    { &format_ip_or_fqdn, &addresses_topic },
    { &format_endpoint_address, &addresses_topic },
    { &format_locality, &localities_topic },
    { &format_header_match_name, &header_names_topic },
    { &format_header_name, &header_names_topic },
    { &format_request_header_name, &header_names_topic },
    { &format_header_value, &header_values_topic },
    { &format_log_line, &header_values_topic },
    { &format_regex, &regexes_topic },
};
static const struct {
    const char *name;
    const struct topic *topic;
} topics_of_names[] = {
    { "source_namespace", &namespaces_topic },
    { "addresses", &addresses_topic },
    { "from", &localities_topic },
    { "to", &localities_topic },
    { "failover_priority", &label_keys_topic },
    { "exact", &paths_topic },
    { "prefix", &paths_topic },
    { "uri", &paths_topic },
    { "authority", &hosts_topic },
    { "sni", &hosts_topic },
    { "service_account", &label_values_topic },
    { "network", &label_values_topic },
    { "client_certificate", &certificates_topic },
    { "ca_certificates", &certificates_topic },
    { "private_key", &keys_topic },
    { "ca_crl", &revocations_topic },
    { "access_log_file", &logs_topic },
};

static const struct topic *topic_of(const char *name, const struct format *format)
{
    for (size_t i = 0; i < ARRAY_COUNT(topics_of_names); i++)
        if (strcmp(topics_of_names[i].name, name) == 0)
            return topics_of_names[i].topic;
    for (size_t i = 0; i < ARRAY_COUNT(topics_of_formats); i++)
        if (format && topics_of_formats[i].format == format)
            return topics_of_formats[i].topic;
    return NULL;
}

static const char *expand(struct arena *a, const char *word, uint64_t seed)
{
    const char *mark = strstr(word, "{w}");
    if (!mark)
        return word;
    return arena_printf(
        a, "%.*s%llu%s", (int)(mark - word), word, (unsigned long long)seed, mark + strlen("{w}"));
}

/* The first half of a topic is drawn three times as often as the second. */
static const char *draw(struct dice *d, const struct topic *topic)
{
    bool is_dull = dice_chance(d, 50);
    return topic->words[dice_below(d, is_dull ? (topic->count + 1) / 2 : topic->count)];
}

const char *vocabulary_text(
    struct arena *a, struct dice *d, uint64_t seed, const char *name, const struct format *format)
{
    enum { TRIES_AIMED = 12, TRIES = 60 };
    const struct topic *aim = topic_of(name, format);
    bool is_aimed = aim && (aim->is_all || dice_chance(d, 95));
    for (unsigned i = 0; i < TRIES; i++) {
        const struct topic *topic = all_topics[dice_below(d, ARRAY_COUNT(all_topics))];
        const char *word = draw(d, is_aimed && i < TRIES_AIMED ? aim : topic);
        word = expand(a, word, seed);
        if (!format || format->accepts(word))
            return word;
    }
    return NULL;
}

/* ---- numbers ---- */

double vocabulary_number(struct dice *d, double least, double most, bool is_whole)
{
    static const double dull[] = { 1, 2, 3, 5, 10, 50, 80, 100, 443, 503, 8080, 9090, 65537 };
    static const double broken[] = { 0.5, 0.0001, 33.333, 99.9999, 1.25, 1e-7, 1e300 };
    const double edges[] = { least, least + 1, most, most - 1, INT32_MAX, UINT32_MAX, 65535 };
    for (unsigned i = 0; i < 40; i++) {
        double n = dull[dice_below(d, ARRAY_COUNT(dull))];
        if (dice_chance(d, 12))
            n = edges[dice_below(d, ARRAY_COUNT(edges))];
        else if (!is_whole && dice_chance(d, 40))
            n = broken[dice_below(d, ARRAY_COUNT(broken))];
        if (n >= least && n <= most && isfinite(n))
            return n;
    }
    return isfinite(least) ? least : 1;
}

const char *vocabulary_duration(struct dice *d)
{
    static const char *const dull[] = { "1s", "5s", "100ms", "30s", "1m", "1h10m" };
    static const char *const nasty[] = { "1ms",
        "0s",
        "0.001s",
        "24h",
        "876000h",
        "2562047h",
        "1.5s",
        "4294967296ms",
        "2147483648s",
        "15s" };
    return dice_chance(d, 70) ? dull[dice_below(d, ARRAY_COUNT(dull))]
                              : nasty[dice_below(d, ARRAY_COUNT(nasty))];
}
