#include "daemon/options.h"

#include "base/buf.h"

#include "base/version.h"
#include "base/yaml.h"
#include "daemon/address.h"
#include "model/duration.h"
#include "xds/server.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { CONFIG_LIMIT_BYTES = 1024 * 1024, HOUR_MS = 3600 * 1000, DAY_MS = 24 * HOUR_MS };

struct option;
typedef bool (*option_parser)(
    struct options *o, const struct option *option, const char *text, struct error *err);

struct option {
    const char *name, *value_name; /* value_name NULL: a switch */
    const char *fallback;          /* NULL: worked out by fill_in */
    const char *help;
    option_parser parse;
    size_t offset;
    int64_t min, max; /* of numbers, and of durations in milliseconds */
    bool can_reload;
};

/* ---- parsers ---- */

static void *field_of(struct options *o, const struct option *option)
{
    return (char *)o + option->offset;
}

static bool parse_text(
    struct options *o, const struct option *option, const char *text, struct error *err)
{
    if (!*text)
        return error_set(err, ERROR_USAGE, "must not be empty");
    *(const char **)field_of(o, option) = arena_strdup(o->arena, text);
    return true;
}

static bool parse_address(
    struct options *o, const struct option *option, const char *text, struct error *err)
{
    struct sockaddr_storage ignored;
    return address_parse(text, &ignored, err) && parse_text(o, option, text, err);
}

/* It is a part of a key. */
static bool parse_id(
    struct options *o, const struct option *option, const char *text, struct error *err)
{
    size_t size = strlen(text);
    bool is_good = size > 0 && size <= 128;
    for (const char *c = text; *c; c++)
        is_good &= isalnum((unsigned char)*c) || strchr("-_.", *c);
    if (!is_good)
        return error_set(err,
            ERROR_USAGE,
            "must be 1 to 128 letters, digits, '-', '_' or '.', not \"%s\"",
            text);
    return parse_text(o, option, text, err);
}

static bool parse_switch(
    struct options *o, const struct option *option, const char *text, struct error *err)
{
    bool is_on = strcmp(text, "true") == 0;
    *(bool *)field_of(o, option) = is_on;
    return is_on || strcmp(text, "false") == 0 ||
           error_set(err, ERROR_USAGE, "must be true or false, not \"%s\"", text);
}

static bool parse_level(
    struct options *o, const struct option *option, const char *text, struct error *err)
{
    return log_level_parse(text, field_of(o, option)) ||
           error_set(err, ERROR_USAGE, "must be debug, info, warn or error, not \"%s\"", text);
}

static bool parse_log_format(
    struct options *o, const struct option *option, const char *text, struct error *err)
{
    enum log_format format;
    bool is_good = log_format_parse(text, &format);
    *(int64_t *)field_of(o, option) = is_good ? (int64_t)format : 0;
    return is_good || error_set(err, ERROR_USAGE, "must be logfmt or json, not \"%s\"", text);
}

static bool parse_status_access(
    struct options *o, const struct option *option, const char *text, struct error *err)
{
    static const char *const names[] = {
        [XDS_STATUS_NAMED] = "named", [XDS_STATUS_ALL] = "all", [XDS_STATUS_OFF] = "off"
    };
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        *(int64_t *)field_of(o, option) = (int64_t)i;
        if (strcmp(text, names[i]) == 0)
            return true;
    }
    return error_set(err, ERROR_USAGE, "must be named, all or off, not \"%s\"", text);
}

static bool parse_number(
    struct options *o, const struct option *option, const char *text, struct error *err)
{
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    *(int64_t *)field_of(o, option) = number;
    if (isdigit((unsigned char)*text) && !*end && !errno && number >= option->min &&
        number <= option->max)
        return true;
    return error_set(err,
        ERROR_USAGE,
        "must be a whole number from %lld to %lld, not \"%s\"",
        (long long)option->min,
        (long long)option->max,
        text);
}

static bool parse_duration(
    struct options *o, const struct option *option, const char *text, struct error *err)
{
    struct duration duration;
    if (duration_parse(text, &duration) != DURATION_GOOD || duration.ms < option->min ||
        duration.ms > option->max)
        return error_set(err,
            ERROR_USAGE,
            "must be a duration from %lldms to %lldms, as 500ms or 10s, not \"%s\"",
            (long long)option->min,
            (long long)option->max,
            text);
    *(int64_t *)field_of(o, option) = duration.ms;
    return true;
}

/* ---- the table ---- */

static const struct option options[] = {
    { "store",
        "URL",
        NULL,
        "the keyspace: etcd://HOST:PORT,…/PREFIX (etcds:// with TLS) or file:DIR (default "
        "etcd://127.0.0.1:2379/pilot)",
        parse_text,
        offsetof(struct options, store) },
    { "etcd-ca",
        "FILE",
        NULL,
        "who signs for etcds:// (default: the system's authorities)",
        parse_text,
        offsetof(struct options, etcd_ca) },
    { "etcd-cert",
        "FILE",
        NULL,
        "the certificate shown to etcd; this and the other files are read anew at SIGHUP",
        parse_text,
        offsetof(struct options, etcd_cert) },
    { "etcd-key", "FILE", NULL, "its private key", parse_text, offsetof(struct options, etcd_key) },
    { "etcd-user",
        "NAME",
        NULL,
        "etcd's user, where a certificate does not say it",
        parse_text,
        offsetof(struct options, etcd_user) },
    { "etcd-password-file",
        "FILE",
        NULL,
        "the user's password is its first line",
        parse_text,
        offsetof(struct options, etcd_password_file) },
    { "xds",
        "ADDR:PORT",
        NULL,
        "where proxies connect, in plain text (default 0.0.0.0:15010; 127.0.0.1:15010 with --dev)",
        parse_address,
        offsetof(struct options, xds) },
    { "xds-tls",
        "ADDR:PORT",
        NULL,
        "where they connect with TLS, as well (no default; Istio's port is 15012)",
        parse_address,
        offsetof(struct options, xds_tls) },
    { "xds-tls-cert",
        "FILE",
        NULL,
        "the certificate shown to them, and who signed it; this and the other files are read anew "
        "at SIGHUP, and when they have changed",
        parse_text,
        offsetof(struct options, xds_tls_cert) },
    { "xds-tls-key",
        "FILE",
        NULL,
        "its private key",
        parse_text,
        offsetof(struct options, xds_tls_key) },
    { "xds-tls-ca",
        "FILE",
        NULL,
        "who signs for proxies, which must then show a certificate (default: they need none)",
        parse_text,
        offsetof(struct options, xds_tls_ca) },
    { "xds-tls-crl",
        "FILE",
        NULL,
        "which certificates these authorities have revoked: a list of each",
        parse_text,
        offsetof(struct options, xds_tls_crl) },
    { "admin",
        "ADDR:PORT",
        "127.0.0.1:15014",
        "where /ready, /metrics and /debug/ are served",
        parse_address,
        offsetof(struct options, admin) },
    { "id",
        "NAME",
        NULL,
        "the replica's name, its own among all replicas (default HOSTNAME-PORT of --xds)",
        parse_id,
        offsetof(struct options, id) },
    { "threads",
        "N",
        NULL,
        "threads that serve proxies (default: one for each processor)",
        parse_number,
        offsetof(struct options, threads),
        1,
        THREADS_MAX },
    { "replica-ttl",
        "DURATION",
        "10s",
        "how long after its death the replica's own record stays; whole seconds",
        parse_duration,
        offsetof(struct options, replica_ttl_ms),
        2000,
        HOUR_MS },
    { "drain-spread",
        "DURATION",
        "10s",
        "after SIGTERM: proxies are sent away at moments spread over this time",
        parse_duration,
        offsetof(struct options, drain_spread_ms),
        0,
        HOUR_MS,
        .can_reload = true },
    { "drain-grace",
        "DURATION",
        "5s",
        "and those that are still there so long after it are cut off",
        parse_duration,
        offsetof(struct options, drain_grace_ms),
        0,
        HOUR_MS,
        .can_reload = true },
    { "max-stream-age",
        "DURATION",
        "30m",
        "proxies connect anew when so old, 20 % more or less, so that replicas stay balanced; 0s: "
        "never",
        parse_duration,
        offsetof(struct options, max_stream_age_ms),
        0,
        DAY_MS },
    { "max-joining",
        "N",
        "100",
        "proxies that are sent their first configuration at once; the others wait in order; 0: any",
        parse_number,
        offsetof(struct options, max_joining),
        0,
        1000000 },
    { "keepalive",
        "DURATION",
        "30s",
        "a proxy that says nothing for so long is sent a PING, and closed when it does not answer "
        "in the same time; 0s: never",
        parse_duration,
        offsetof(struct options, keepalive_ms),
        0,
        HOUR_MS },
    { "request-timeout",
        "DURATION",
        "30s",
        "how long a connection's first request may take to come, and each request to come whole; "
        "0s: any time",
        parse_duration,
        offsetof(struct options, request_timeout_ms),
        0,
        HOUR_MS },
    { "stall-timeout",
        "DURATION",
        "60s",
        "a proxy that has not read 64 KiB, or all there is, of what was sent to it is closed after "
        "so long; 0s: never",
        parse_duration,
        offsetof(struct options, stall_timeout_ms),
        0,
        HOUR_MS },
    { "idle-timeout",
        "DURATION",
        "5m",
        "a connection without streams is closed after so long; 0s: never",
        parse_duration,
        offsetof(struct options, idle_timeout_ms),
        0,
        DAY_MS },
    { "max-address-connections",
        "N",
        "0",
        "connections from one address, of all threads together; 0: any number (a balancer brings "
        "all its proxies from one)",
        parse_number,
        offsetof(struct options, max_address_connections),
        0,
        1000000 },
    { "client-status",
        "WHOSE",
        "named",
        "whose status is told on the xDS port (CSDS): of proxies that are named by their exact "
        "ids, all, or off",
        parse_status_access,
        offsetof(struct options, client_status) },
    { "stream-margin",
        "PERCENT",
        "20",
        "more proxies than its fair share and this, and a replica sends some to those that have "
        "fewer; 0: never",
        parse_number,
        offsetof(struct options, stream_margin),
        0,
        1000 },
    { "hold-share",
        "PERCENT",
        "50",
        "when more of a service's instances vanish at once, and two at least, they stay in force "
        "for "
        "a while; 100: never",
        parse_number,
        offsetof(struct options, hold_share),
        1,
        100 },
    { "hold-window",
        "DURATION",
        "15s",
        "what \"at once\" is; no shorter than the leases of the registry",
        parse_duration,
        offsetof(struct options, hold_window_ms),
        1000,
        HOUR_MS },
    { "hold-time",
        "DURATION",
        "2m",
        "how long they stay, unless they come back or are taken away; whole seconds",
        parse_duration,
        offsetof(struct options, hold_time_ms),
        2000,
        HOUR_MS },
    { "log-level",
        "LEVEL",
        "info",
        "debug, info, warn or error",
        parse_level,
        offsetof(struct options, log_level),
        .can_reload = true },
    { "log-format",
        "FORMAT",
        "logfmt",
        "how lines of the log are written: logfmt or json",
        parse_log_format,
        offsetof(struct options, log_format) },
    { "config",
        "FILE",
        NULL,
        "the same settings as YAML (drain-spread: 10s); read again at SIGHUP",
        parse_text,
        offsetof(struct options, config) },
    { "dev",
        NULL,
        "false",
        "starts an etcd of its own, loads ./pilot.d into it, and ends it; for one laptop",
        parse_switch,
        offsetof(struct options, is_dev) },
    { "data-dir",
        "DIR",
        NULL,
        "keeps a copy of the configuration, for a start while etcd is away (made if it is missing)",
        parse_text,
        offsetof(struct options, data_dir) },
};

static const struct option *find_option(const char *name, size_t size)
{
    for (size_t i = 0; i < ARRAY_COUNT(options); i++)
        if (strlen(options[i].name) == size && strncmp(options[i].name, name, size) == 0)
            return &options[i];
    return NULL;
}

/* `dashes` stand before the name where it was found. */
static bool unknown_option(
    const char *what, const char *dashes, const char *name, size_t size, struct error *err)
{
    const char *names[ARRAY_COUNT(options)];
    char word[64];
    for (size_t i = 0; i < ARRAY_COUNT(options); i++)
        names[i] = options[i].name;
    snprintf(word, sizeof word, "%.*s", (int)size, name);
    const char *near = diag_nearest(word, names, ARRAY_COUNT(names));
    return error_set(err,
        ERROR_USAGE,
        "unknown %s %s%s%s%s%s",
        what,
        dashes,
        word,
        near ? "; did you mean " : "",
        near ? dashes : "",
        near ? near : "");
}

/* ---- where settings stand ---- */

/* Each setting once, from where it counts: `given` remembers which have been. */
struct reading {
    struct options *o;
    bool given[ARRAY_COUNT(options)];
};

static bool is_given(const struct reading *r, const char *name)
{
    return r->given[find_option(name, strlen(name)) - options];
}

static bool take(struct reading *r, const struct option *option, const char *text,
    const char *where, struct error *err)
{
    if (r->given[option - options])
        return true;
    r->given[option - options] = true;
    return option->parse(r->o, option, text, err) || error_context(err, "%s", where);
}

static bool take_flag(struct reading *r, char *const *argv, int *at, struct error *err)
{
    const char *word = argv[*at];
    if (!begins_with(word, "--"))
        return error_set(err, ERROR_USAGE, "unexpected word %s: settings are given by flags", word);
    size_t size = strcspn(word + 2, "=");
    const struct option *option = find_option(word + 2, size);
    bool has_value = word[2 + size] == '=';
    const char *value = has_value ? word + 3 + size : "true";
    if (!option)
        return unknown_option("flag", "--", word + 2, size, err);
    if (r->given[option - options])
        return error_set(err, ERROR_USAGE, "--%s is given twice", option->name);
    if (!has_value && option->value_name) {
        value = argv[*at + 1];
        if (!value)
            return error_set(err, ERROR_USAGE, "--%s needs %s", option->name, option->value_name);
        ++*at;
    }
    return take(r, option, value, word, err);
}

static bool take_flags(struct reading *r, int argc, char *const *argv, struct error *err)
{
    for (int i = 1; i < argc; i++)
        if (!take_flag(r, argv, &i, err))
            return false;
    return true;
}

static bool take_environment(struct reading *r, struct error *err)
{
    for (size_t i = 0; i < ARRAY_COUNT(options); i++) {
        char name[64];
        snprintf(name, sizeof name, "PILOTD_%s", options[i].name);
        for (char *c = name; *c; c++)
            *c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
        const char *value = getenv(name);
        if (value && *value && !take(r, &options[i], value, name, err))
            return false;
    }
    return true;
}

static bool take_setting(struct reading *r, const cJSON *item, const char *file, struct error *err)
{
    const struct option *option = find_option(item->string, strlen(item->string));
    char where[320];
    snprintf(where, sizeof where, "%s: %s", file, item->string);
    if (!option || strcmp(item->string, "config") == 0)
        return unknown_option("setting", "", item->string, strlen(item->string), err) ||
               error_context(err, "%s", file);
    if (cJSON_IsObject(item) || cJSON_IsArray(item) || cJSON_IsNull(item))
        return error_set(err, ERROR_USAGE, "%s: must be one value", where);
    char *printed = cJSON_IsString(item) ? NULL : cJSON_PrintUnformatted(item);
    bool is_good = take(r, option, printed ? printed : item->valuestring, where, err);
    cJSON_free(printed);
    return is_good;
}

bool options_read_file(
    struct arena *a, const char *path, const char **text, size_t *size_bytes, struct error *err)
{
    struct buf content = { 0 };
    char piece[65536];
    size_t count;
    FILE *file = fopen(path, "re");
    if (!file)
        return error_set(err, ERROR_IO, "%s: %s", path, strerror(errno));
    while ((count = fread(piece, 1, sizeof piece, file)) > 0)
        buf_append(&content, piece, count);
    int failure = ferror(file) ? errno : 0;
    fclose(file);
    *text = arena_strndup(a, content.data ? content.data : "", content.size);
    *size_bytes = content.size;
    buf_fini(&content);
    return !failure || error_set(err, ERROR_IO, "%s: %s", path, strerror(failure));
}

static bool take_document(
    struct reading *r, const struct yaml_file *yaml, const char *file, struct error *err)
{
    const cJSON *root = yaml->documents.count ? yaml->documents.items[0].root : NULL, *item;
    if (yaml->documents.count > 1 || (root && !cJSON_IsObject(root)))
        return error_set(err, ERROR_USAGE, "%s: must be one YAML mapping of settings", file);
    cJSON_ArrayForEach (item, root)
        if (!take_setting(r, item, file, err))
            return false;
    return true;
}

static bool take_file(struct reading *r, const char *file, struct error *err)
{
    struct arena *a = arena_new();
    struct diags d;
    struct yaml_file yaml = { 0 };
    const char *text = "";
    size_t size = 0;
    diags_init(&d, a);
    bool is_good = options_read_file(a, file, &text, &size, err);
    if (is_good) {
        yaml_read(text, size, &yaml, &d);
        is_good = d.errors == 0 ? take_document(r, &yaml, file, err)
                                : error_set(err,
                                      ERROR_USAGE,
                                      "%s:%u:%u: %s",
                                      file,
                                      d.list.items[0].line,
                                      d.list.items[0].column,
                                      d.list.items[0].message);
        yaml_file_fini(&yaml);
    }
    arena_free(a);
    return is_good;
}

/* ---- defaults ---- */

static const char *default_id(struct arena *a, const char *xds)
{
    char host[65] = "pilotd";
    gethostname(host, sizeof host - 1);
    return arena_printf(a, "%s-%s", host, strrchr(xds, ':') + 1);
}

static int64_t default_threads(void)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    return processors < 1 ? 1 : processors > THREADS_MAX ? THREADS_MAX : processors;
}

/* Files of TLS go with its port, and with one another. */
static bool check_tls(const struct options *o, struct error *err)
{
    bool has_file = o->xds_tls_cert || o->xds_tls_key || o->xds_tls_ca || o->xds_tls_crl;
    if (!o->xds_tls && has_file)
        return error_set(
            err, ERROR_USAGE, "--xds-tls-cert, -key, -ca and -crl are for --xds-tls ADDR:PORT");
    if (o->xds_tls && (!o->xds_tls_cert || !o->xds_tls_key))
        return error_set(err, ERROR_USAGE, "--xds-tls needs --xds-tls-cert and --xds-tls-key");
    return !o->xds_tls_crl || o->xds_tls_ca ||
           error_set(err, ERROR_USAGE, "--xds-tls-crl is for the certificates of --xds-tls-ca");
}

/* Its etcd asks nobody who they are. */
static bool check_dev(const struct options *o, struct error *err)
{
    const char *const addresses[] = { o->xds, o->admin, o->xds_tls };
    for (size_t i = 0; o->is_dev && i < ARRAY_COUNT(addresses); i++)
        if (addresses[i] && !address_is_loopback(addresses[i]))
            return error_set(err,
                ERROR_USAGE,
                "--dev is for one laptop: %s is no loopback address",
                addresses[i]);
    return true;
}

static bool fill_in(struct reading *r, struct error *err)
{
    struct options *o = r->o;
    for (size_t i = 0; i < ARRAY_COUNT(options); i++)
        if (!r->given[i] && options[i].fallback)
            INVARIANT(options[i].parse(o, &options[i], options[i].fallback, err));
    if (o->is_dev && is_given(r, "store"))
        return error_set(err,
            ERROR_USAGE,
            "--dev starts a store of its own: leave out --store (and PILOTD_STORE)");
    if (!is_given(r, "store"))
        o->store = "etcd://127.0.0.1:2379/pilot";
    if (!is_given(r, "xds"))
        o->xds = o->is_dev ? "127.0.0.1:15010" : "0.0.0.0:15010";
    if (!is_given(r, "id"))
        o->id = default_id(o->arena, o->xds);
    if (!is_given(r, "threads"))
        o->threads = default_threads();
    return true;
}

bool options_parse(struct options *o, int argc, char *const *argv, struct error *err)
{
    struct reading r = { .o = o };
    *o = (struct options){ .arena = arena_new() };
    return take_flags(&r, argc, argv, err) && take_environment(&r, err) &&
           (!o->config || take_file(&r, o->config, err)) && fill_in(&r, err) && check_tls(o, err) &&
           check_dev(o, err);
}

void options_fini(struct options *o)
{
    arena_free(o->arena);
    o->arena = NULL;
}

/* ---- reloading ---- */

static bool is_text(const struct option *option)
{
    return option->parse == parse_text || option->parse == parse_address ||
           option->parse == parse_id;
}

static size_t field_size(const struct option *option)
{
    if (option->parse == parse_switch)
        return sizeof(bool);
    return option->parse == parse_level ? sizeof(enum log_level) : sizeof(int64_t);
}

static bool is_equal(struct options *o, struct options *fresh, const struct option *option)
{
    const void *old = field_of(o, option), *new = field_of(fresh, option);
    if (!is_text(option))
        return memcmp(old, new, field_size(option)) == 0;
    const char *old_text = *(const char *const *)old, *new_text = *(const char *const *)new;
    return old_text && new_text ? strcmp(old_text, new_text) == 0 : old_text == new_text;
}

bool options_reload(struct options *o, int argc, char *const *argv,
    void (*on_fixed)(const struct log_scope *log, const char *name), const struct log_scope *log,
    struct error *err)
{
    struct options fresh;
    bool is_good = options_parse(&fresh, argc, argv, err);
    for (size_t i = 0; is_good && i < ARRAY_COUNT(options); i++) {
        const struct option *option = &options[i];
        if (is_equal(o, &fresh, option))
            continue;
        if (option->can_reload)
            memcpy(field_of(o, option), field_of(&fresh, option), field_size(option));
        else
            on_fixed(log, option->name);
    }
    options_fini(&fresh);
    return is_good;
}

/* ---- help ---- */

static void print_help(void)
{
    puts("pilotd: a control plane for Envoy over etcd\n");
    for (size_t i = 0; i < ARRAY_COUNT(options); i++) {
        const struct option *option = &options[i];
        printf("  --%-13s %-10s %s",
            option->name,
            option->value_name ? option->value_name : "",
            option->help);
        if (option->fallback && option->value_name)
            printf(" (default %s)", option->fallback);
        puts("");
    }
    puts("  --version                prints the version\n"
         "  --help                   prints this\n\n"
         "Each is also PILOTD_<FLAG> in the environment. SIGTERM drains, SIGHUP reads --config "
         "again.");
}

bool options_print_wanted(int argc, char *const *argv)
{
    for (int i = 1; i < argc; i++) {
        bool is_version = strcmp(argv[i], "--version") == 0;
        if (is_version)
            puts("pilotd " PILOTD_VERSION);
        else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            print_help();
        else
            continue;
        return true;
    }
    return false;
}
