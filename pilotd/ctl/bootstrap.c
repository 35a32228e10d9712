/* pilotctl bootstrap: an Envoy bootstrap. The set-up that docs recommend: ADS (Delta unless asked
 * otherwise), a base back-off of 50 ms, HTTP/2 keepalive. Reference: Envoy's "Bootstrap" page. */
#include "base/json.h"
#include "ctl/ctl.h"
#include "mesh/scope.h"
#include "model/format.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libgen.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static const struct flag flag_xds = {
    .name = "--xds",
    .value_name = "ADDR:PORT",
    .fallback = "127.0.0.1:15010",
    .env = "PILOTD_XDS",
    .help = "where xDS is served: the balancer, or replicas with commas",
};
static const struct flag flag_admin_port = {
    .name = "--admin-port",
    .value_name = "PORT",
    .fallback = "15000",
    .help = "Envoy's own admin port",
};
static const struct flag flag_admin_address = {
    .name = "--admin-address",
    .value_name = "IP",
    .fallback = "127.0.0.1",
    .help = "Envoy's own admin address",
};
static const struct flag flag_label = {
    .name = "--label",
    .letter = 'l',
    .value_name = "KEY=VALUE",
    .is_list = true,
    .help = "a label of the workload",
};
static const struct flag flag_ips = {
    .name = "--ips",
    .value_name = "IP,…",
    .help = "all addresses of the machine, where it has others than the node id's (IPv6 as well)",
};
static const struct flag flag_metadata = {
    .name = "--metadata",
    .value_name = "KEY=VALUE",
    .is_list = true,
    .help = "more of the node's metadata: VALUE is JSON, or a text",
};
static const struct flag flag_stats = {
    .name = "--stats",
    .value_name = "ADDR:PORT",
    .help = "serves /stats/prometheus there, and nothing else of the admin port (Istio's is 15090)",
};
static const struct flag flag_locality = {
    .name = "--locality",
    .value_name = "R/Z/S",
    .help = "region/zone/subzone",
};
static const struct flag flag_interception = {
    .name = "--interception",
    .value_name = "MODE",
    .fallback = "REDIRECT",
    .help = "REDIRECT, TPROXY, or NONE (listeners on loopback addresses)",
};
static const struct flag flag_variant = {
    .name = "--variant",
    .value_name = "NAME",
    .fallback = "delta",
    .help = "delta or sotw",
};
static const struct flag flag_vhds = {
    .name = "--vhds",
    .help = "route tables come by virtual host, so that a change sends one (delta alone)",
};
static const struct flag flag_service_account = {
    .name = "--service-account",
    .value_name = "NAME",
    .help = "the proxy's identity: mutual TLS with others that have one",
};
static const struct flag flag_sds = {
    .name = "--sds",
    .value_name = "ADDR:PORT|PATH",
    .fallback = "./var/run/secrets/workload-spiffe-uds/socket",
    .help = "where an agent serves the identity's certificate (SDS)",
};
static const struct flag flag_tls_ca = {
    .name = "--tls-ca",
    .value_name = "FILE",
    .help = "xDS is served with TLS, by whoever has a certificate that these authorities signed",
};
static const struct flag flag_tls_cert = {
    .name = "--tls-cert",
    .value_name = "FILE",
    .help = "the certificate that the proxy shows there",
};
static const struct flag flag_tls_key = {
    .name = "--tls-key",
    .value_name = "FILE",
    .help = "its private key",
};
static const struct flag flag_tls_name = {
    .name = "--tls-name",
    .value_name = "NAME",
    .help = "whose certificate it must be: a DNS name, an IP or a URI (default: the host of --xds)",
};
static const struct flag flag_tls_secrets = {
    .name = "--tls-secrets",
    .value_name = "DIR",
    .help = "writes there what lets Envoy follow files that are renewed (by renaming); else it "
            "reads them once",
};
const struct flag *const bootstrap_flags[] = { &flag_xds,
    &flag_tls_ca,
    &flag_tls_cert,
    &flag_tls_key,
    &flag_tls_name,
    &flag_tls_secrets,
    &flag_admin_port,
    &flag_admin_address,
    &flag_label,
    &flag_ips,
    &flag_metadata,
    &flag_stats,
    &flag_locality,
    &flag_interception,
    &flag_variant,
    &flag_vhds,
    &flag_service_account,
    &flag_sds,
    NULL };

/* An object built from alternating member names and values; takes the values over. */
static cJSON *object(const char *name, cJSON *value)
{
    cJSON *json = cJSON_CreateObject();
    cJSON_AddItemToObject(json, name, value);
    return json;
}

static cJSON *with(cJSON *json, const char *name, cJSON *value)
{
    cJSON_AddItemToObject(json, name, value);
    return json;
}

static cJSON *text(const char *value)
{
    return cJSON_CreateString(value);
}

/* "[::1]:15010" and "host:15010" to a socket address; NULL when there is no port. */
static cJSON *socket_address(struct arena *a, const char *address)
{
    const char *colon = strrchr(address, ':');
    char *end = NULL;
    long port = colon ? strtol(colon + 1, &end, 10) : 0;
    if (!colon || *end || port < 1 || port > 65535)
        return NULL;
    const char *host = arena_strndup(a, address, (size_t)(colon - address));
    if (*host == '[')
        host = arena_strndup(a, host + 1, strlen(host) - 2);
    return object("socket_address",
        with(object("address", text(host)), "port_value", cJSON_CreateNumber((double)port)));
}

/* The endpoints of the xDS cluster, one for each address; NULL after saying what is wrong. */
static cJSON *xds_endpoints(struct arena *a, const char *addresses)
{
    cJSON *endpoints = cJSON_CreateArray();
    char *copy = arena_strdup(a, addresses), *rest = NULL;
    for (char *word = strtok_r(copy, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
        cJSON *address = socket_address(a, word);
        if (!address) {
            cJSON_Delete(endpoints);
            ctl_fail(EXIT_USAGE, "--xds: \"%s\" is no ADDR:PORT", word);
            return NULL;
        }
        cJSON_AddItemToArray(endpoints, object("endpoint", object("address", address)));
    }
    return endpoints;
}

static cJSON *keepalive(void)
{
    cJSON *options = object(
        "connection_keepalive", with(object("interval", text("10s")), "timeout", text("5s")));
    cJSON *protocol = object("explicit_http_config", object("http2_protocol_options", options));
    with(protocol,
        "@type",
        text("type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"));
    return object("envoy.extensions.upstreams.http.v3.HttpProtocolOptions", protocol);
}

static cJSON *grpc_cluster(const char *name, const char *type, cJSON *endpoints)
{
    cJSON *locality = cJSON_CreateArray();
    cJSON_AddItemToArray(locality, object("lb_endpoints", endpoints));
    cJSON *cluster = object("name", text(name));
    with(cluster, "type", text(type));
    with(cluster, "connect_timeout", text("1s"));
    with(cluster, "typed_extension_protocol_options", keepalive());
    with(cluster,
        "load_assignment",
        with(object("cluster_name", text(name)), "endpoints", locality));
    return cluster;
}

/* ---- TLS towards pilotd ---- */

static cJSON *typed(const char *type, cJSON *json)
{
    return with(json, "@type", text(type));
}

static cJSON *file(const char *path)
{
    return object("filename", text(path));
}

static const char *name_of_server(const struct ctl *ctl)
{
    const char *given = ctl_value(ctl, &flag_tls_name), *xds = ctl_value(ctl, &flag_xds);
    if (given)
        return given;
    const char *first = arena_strndup(ctl->a, xds, strcspn(xds, ","));
    const char *colon = strrchr(first, ':');
    size_t size = colon ? (size_t)(colon - first) : 0;
    bool has_brackets = first[0] == '[';
    return arena_strndup(ctl->a, first + has_brackets, size - 2 * has_brackets);
}

static bool is_ip(const char *name)
{
    struct in6_addr ignored;
    return inet_pton(AF_INET, name, &ignored) == 1 || inet_pton(AF_INET6, name, &ignored) == 1;
}

static cJSON *authorities(const struct ctl *ctl)
{
    return object("trusted_ca", file(ctl_value(ctl, &flag_tls_ca)));
}

static cJSON *whose_certificate(const char *name)
{
    const char *type = is_ip(name) ? "IP_ADDRESS" : strstr(name, "://") ? "URI" : "DNS";
    cJSON *matchers = cJSON_CreateArray();
    cJSON *matcher = with(object("san_type", text(type)), "matcher", object("exact", text(name)));
    cJSON_AddItemToArray(matchers, matcher);
    return matchers;
}

static cJSON *certificate(const struct ctl *ctl)
{
    return with(object("certificate_chain", file(ctl_value(ctl, &flag_tls_cert))),
        "private_key",
        file(ctl_value(ctl, &flag_tls_key)));
}

static cJSON *list_of_one(cJSON *item)
{
    cJSON *list = cJSON_CreateArray();
    cJSON_AddItemToArray(list, item);
    return list;
}

static cJSON *common_with_files(const struct ctl *ctl, const char *name)
{
    cJSON *common = object("validation_context",
        with(authorities(ctl), "match_typed_subject_alt_names", whose_certificate(name)));
    if (ctl_value(ctl, &flag_tls_cert))
        with(common, "tls_certificates", list_of_one(certificate(ctl)));
    return common;
}

/* ---- and where its files are followed ---- */

/* Envoy looks at the files again when something in their folder was renamed. */
static cJSON *watched(struct arena *a, cJSON *secret, const char *path)
{
    return with(secret, "watched_directory", object("path", text(dirname(arena_strdup(a, path)))));
}

static bool write_secret(const char *path, const char *name, const char *kind, cJSON *secret)
{
    cJSON *json = typed("type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
        with(object("name", text(name)), kind, secret));
    cJSON *document = object("resources", list_of_one(json));
    char *printed = cJSON_Print(document);
    FILE *out = fopen(path, "we");
    bool is_written = out && fputs(printed, out) >= 0;
    is_written = out && fclose(out) == 0 && is_written;
    if (!is_written)
        ctl_fail(EXIT_USAGE, "--tls-secrets: %s: %s", path, strerror(errno));
    free(printed);
    cJSON_Delete(document);
    return is_written;
}

static cJSON *secret_in(const char *path, const char *name)
{
    cJSON *source = with(object("path_config_source", object("path", text(path))),
        "resource_api_version",
        text("V3"));
    return with(object("name", text(name)), "sds_config", source);
}

static cJSON *common_with_secrets(const struct ctl *ctl, const char *name, const char *dir)
{
    const char *ca = ctl_value(ctl, &flag_tls_ca), *cert = ctl_value(ctl, &flag_tls_cert);
    const char *trusted = arena_printf(ctl->a, "%s/xds-authorities.json", dir);
    const char *own = arena_printf(ctl->a, "%s/xds-certificate.json", dir);
    bool is_written = write_secret(
        trusted, "xds-authorities", "validation_context", watched(ctl->a, authorities(ctl), ca));
    if (is_written && cert)
        is_written = write_secret(
            own, "xds-certificate", "tls_certificate", watched(ctl->a, certificate(ctl), cert));
    if (!is_written)
        return NULL;
    cJSON *both = object("default_validation_context",
        object("match_typed_subject_alt_names", whose_certificate(name)));
    with(both, "validation_context_sds_secret_config", secret_in(trusted, "xds-authorities"));
    cJSON *common = object("combined_validation_context", both);
    if (cert)
        with(common,
            "tls_certificate_sds_secret_configs",
            list_of_one(secret_in(own, "xds-certificate")));
    return common;
}

/* NULL after saying what is wrong. */
static cJSON *transport_socket(const struct ctl *ctl)
{
    const char *name = name_of_server(ctl), *dir = ctl_value(ctl, &flag_tls_secrets);
    cJSON *common = dir ? common_with_secrets(ctl, name, dir) : common_with_files(ctl, name);
    if (!common)
        return NULL;
    with(common, "alpn_protocols", list_of_one(text("h2")));
    with(common, "tls_params", object("tls_minimum_protocol_version", text("TLSv1_2")));
    cJSON *context = object("common_tls_context", common);
    if (!is_ip(name) && !strstr(name, "://"))
        with(context, "sni", text(name));
    typed("type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        context);
    return with(object("name", text("envoy.transport_sockets.tls")), "typed_config", context);
}

/* False after saying what is wrong. */
static bool secure(const struct ctl *ctl, cJSON *cluster)
{
    if (!ctl_value(ctl, &flag_tls_ca))
        return true;
    cJSON *socket = transport_socket(ctl);
    if (socket)
        with(cluster, "transport_socket", socket);
    return socket;
}

static bool check_tls(const struct ctl *ctl)
{
    const char *cert = ctl_value(ctl, &flag_tls_cert), *key = ctl_value(ctl, &flag_tls_key);
    bool has_more =
        cert || key || ctl_value(ctl, &flag_tls_name) || ctl_value(ctl, &flag_tls_secrets);
    if (!ctl_value(ctl, &flag_tls_ca) && has_more)
        ctl_fail(EXIT_USAGE, "--tls-cert, -key, -name and -secrets go with --tls-ca");
    else if (!cert != !key)
        ctl_fail(EXIT_USAGE, "--tls-cert and --tls-key go together");
    else
        return true;
    return false;
}

/* ---- clusters ---- */

/* The agent beside the proxy: a path is a unix socket. */
static cJSON *sds_cluster(struct arena *a, const char *address)
{
    bool is_path = strchr(address, '/') != NULL;
    cJSON *where =
        is_path ? object("pipe", object("path", text(address))) : socket_address(a, address);
    if (!where) {
        ctl_fail(EXIT_USAGE, "--sds: \"%s\" is neither ADDR:PORT nor a path", address);
        return NULL;
    }
    cJSON *endpoints = cJSON_CreateArray();
    cJSON_AddItemToArray(endpoints, object("endpoint", object("address", where)));
    return grpc_cluster("sds-grpc", "STATIC", endpoints);
}

/* What is there before anything is asked of pilotd; NULL after saying what is wrong. */
static cJSON *static_clusters(const struct ctl *ctl)
{
    cJSON *clusters = cJSON_CreateArray();
    cJSON *endpoints = xds_endpoints(ctl->a, ctl_value(ctl, &flag_xds));
    bool has_identity = ctl_value(ctl, &flag_service_account) != NULL;
    cJSON *agent = has_identity ? sds_cluster(ctl->a, ctl_value(ctl, &flag_sds)) : NULL;
    cJSON *xds = endpoints ? grpc_cluster("xds-grpc", "STRICT_DNS", endpoints) : NULL;
    bool is_secured = xds && secure(ctl, xds);
    if (xds)
        cJSON_AddItemToArray(clusters, xds);
    if (agent)
        cJSON_AddItemToArray(clusters, agent);
    if (is_secured && !has_identity == !agent)
        return clusters;
    cJSON_Delete(clusters);
    return NULL;
}

/* Without the back-off a proxy may wait 30 s for a replica that came back in one. */
static cJSON *ads_service(void)
{
    cJSON *back_off = with(object("base_interval", text("0.05s")), "max_interval", text("5s"));
    cJSON *envoy_grpc = with(object("cluster_name", text("xds-grpc")),
        "retry_policy",
        object("retry_back_off", back_off));
    cJSON *services = cJSON_CreateArray();
    cJSON_AddItemToArray(services, object("envoy_grpc", envoy_grpc));
    return services;
}

static cJSON *dynamic_resources(bool is_delta)
{
    cJSON *ads = object("api_type", text(is_delta ? "DELTA_GRPC" : "GRPC"));
    with(ads, "transport_api_version", text("V3"));
    with(ads, "set_node_on_first_message_only", cJSON_CreateTrue());
    with(ads, "grpc_services", ads_service());
    cJSON *dynamic = object("ads_config", ads);
    with(dynamic,
        "cds_config",
        with(object("ads", cJSON_CreateObject()), "resource_api_version", text("V3")));
    with(dynamic,
        "lds_config",
        with(object("ads", cJSON_CreateObject()), "resource_api_version", text("V3")));
    return dynamic;
}

/* Envoy by itself refuses regular expressions of more than 100 instructions. */
static cJSON *layered_runtime(void)
{
    cJSON *limits =
        object("re2.max_program_size.error_level", cJSON_CreateNumber(REGEX_INSTRUCTIONS_MAX));
    cJSON *layers = cJSON_CreateArray();
    cJSON_AddItemToArray(layers, with(object("name", text("limits")), "static_layer", limits));
    return object("layers", layers);
}

static bool add_more_metadata(const struct ctl *ctl, cJSON *out)
{
    string_list pairs = ctl_values(ctl, &flag_metadata);
    for (list_each (const char *const, pair, &pairs)) {
        size_t size = strcspn(*pair, "=");
        const char *key = arena_strndup(ctl->a, *pair, size);
        if (!size || !(*pair)[size]) {
            ctl_fail(EXIT_USAGE, "--metadata: \"%s\" is no KEY=VALUE", *pair);
            return false;
        }
        if (cJSON_GetObjectItemCaseSensitive(out, key)) {
            ctl_fail(EXIT_USAGE, "--metadata: %s is given by a flag of its own, or twice", key);
            return false;
        }
        cJSON *value = cJSON_Parse(*pair + size + 1);
        with(out, key, value ? value : text(*pair + size + 1));
    }
    return true;
}

/* Where it has both IP versions, and is redirected to, that is so for both. */
static void add_addresses(const struct ctl *ctl, cJSON *out)
{
    const char *ips = ctl_value(ctl, &flag_ips);
    bool is_redirected = strcmp(ctl_value(ctl, &flag_interception), "NONE") != 0;
    if (!ips)
        return;
    with(out, "INSTANCE_IPS", text(ips));
    if (is_redirected && strchr(ips, ':') && strchr(ips, '.'))
        with(out, "REDIRECT_IPV6", cJSON_CreateTrue());
}

static bool metadata(const struct ctl *ctl, cJSON *out)
{
    cJSON *labels = cJSON_CreateObject();
    string_list pairs = ctl_values(ctl, &flag_label);
    with(out, "LABELS", labels);
    with(out, "INTERCEPTION_MODE", text(ctl_value(ctl, &flag_interception)));
    add_addresses(ctl, out);
    if (ctl_is_set(ctl, &flag_vhds))
        with(out, "VHDS", cJSON_CreateTrue());
    if (ctl_value(ctl, &flag_service_account))
        with(out, "SERVICE_ACCOUNT", text(ctl_value(ctl, &flag_service_account)));
    for (size_t i = 0; i < pairs.count; i++) {
        const char *equals = strchr(pairs.items[i], '=');
        if (!equals || equals == pairs.items[i]) {
            ctl_fail(EXIT_USAGE, "--label: \"%s\" is no KEY=VALUE", pairs.items[i]);
            return false;
        }
        with(labels,
            arena_strndup(ctl->a, pairs.items[i], (size_t)(equals - pairs.items[i])),
            text(equals + 1));
    }
    return add_more_metadata(ctl, out);
}

static cJSON *locality_json(const struct locality *locality)
{
    cJSON *json = cJSON_CreateObject();
    if (*locality->region)
        with(json, "region", text(locality->region));
    if (*locality->zone)
        with(json, "zone", text(locality->zone));
    if (*locality->sub_zone)
        with(json, "sub_zone", text(locality->sub_zone));
    return json;
}

static struct locality parse_locality(struct arena *a, const char *given)
{
    char *copy = arena_strdup(a, given ? given : ""), *rest = copy;
    const char *parts[3] = { "", "", "" };
    for (size_t i = 0; i < ARRAY_COUNT(parts) && rest; i++)
        parts[i] = strsep(&rest, "/");
    return (struct locality){ parts[0], parts[1], parts[2] };
}

/* The node, refused here when pilotd would refuse it. NULL after saying why. */
static cJSON *node(const struct ctl *ctl, const char *node_id)
{
    cJSON *meta = cJSON_CreateObject();
    struct locality locality = parse_locality(ctl->a, ctl_value(ctl, &flag_locality));
    struct scope scope;
    struct error err;
    if (!metadata(ctl, meta)) {
        cJSON_Delete(meta);
        return NULL;
    }
    char *printed = cJSON_PrintUnformatted(meta);
    struct scope_input input = {
        node_id, printed, locality.region, locality.zone, locality.sub_zone
    };
    bool is_good = scope_parse(ctl->a, &input, &scope, &err);
    free(printed);
    if (!is_good) {
        cJSON_Delete(meta);
        ctl_fail(EXIT_USAGE, "%s", err.text);
        return NULL;
    }
    cJSON *json = object("id", text(node_id));
    with(json, "cluster", text(scope.id));
    with(json, "metadata", meta);
    return with(json, "locality", locality_json(&locality));
}

/* ---- metrics ---- */

static const char own_admin[] = "own-admin";

/* A listener for one path of the admin port; NULL after saying what is wrong. */
static cJSON *stats_listener(const struct ctl *ctl)
{
    static const char chain[] =
        "{\"filters\":[{\"name\":\"envoy.filters.network.http_connection_manager\",\"typed_"
        "config\":{"
        "\"@type\":\"type.googleapis.com/"
        "envoy.extensions.filters.network.http_connection_manager.v3."
        "HttpConnectionManager\",\"stat_prefix\":\"stats\",\"http_filters\":[{\"name\":"
        "\"envoy.filters.http.router\",\"typed_config\":{\"@type\":\"type.googleapis.com/"
        "envoy.extensions.filters.http.router.v3.Router\"}}],\"route_config\":{\"virtual_hosts\":[{"
        "\"name\":\"stats\",\"domains\":[\"*\"],\"routes\":[{\"match\":{\"path\":"
        "\"/stats/prometheus\"},\"route\":{\"cluster\":\"own-admin\"}}]}]}}}]}";
    const char *given = ctl_value(ctl, &flag_stats);
    cJSON *address = socket_address(ctl->a, given);
    if (!address) {
        ctl_fail(EXIT_USAGE, "--stats: \"%s\" is no ADDR:PORT", given);
        return NULL;
    }
    cJSON *parsed = cJSON_Parse(chain);
    INVARIANT(parsed);
    return with(with(object("name", text("stats")), "address", address),
        "filter_chains",
        list_of_one(parsed));
}

static cJSON *own_admin_cluster(const cJSON *admin)
{
    cJSON *endpoint = object(
        "endpoint", object("address", object("socket_address", cJSON_Duplicate(admin, true))));
    cJSON *assignment = with(object("cluster_name", text(own_admin)),
        "endpoints",
        list_of_one(object("lb_endpoints", list_of_one(endpoint))));
    return with(with(object("name", text(own_admin)), "type", text("STATIC")),
        "load_assignment",
        assignment);
}

/* False after saying what is wrong. */
static bool add_stats(const struct ctl *ctl, cJSON *resources, cJSON *clusters, const cJSON *admin)
{
    if (!ctl_value(ctl, &flag_stats))
        return true;
    cJSON *listener = stats_listener(ctl);
    if (!listener)
        return false;
    cJSON_AddItemToArray(clusters, own_admin_cluster(admin));
    with(resources, "listeners", list_of_one(listener));
    return true;
}

/* ---- the verb ---- */

/* In the place of this process: whoever watches it watches Envoy. JSON is YAML. */
static int become_command(const struct ctl *ctl, char *bootstrap)
{
    size_t count = 0;
    while (ctl->command[count])
        count++;
    char option[] = "--config-yaml", **words = ARENA_ARRAY(ctl->a, char *, count + 3);
    if (!count)
        return ctl_fail(EXIT_USAGE, "bootstrap: a command is needed after --");
    memcpy(words, ctl->command, count * sizeof *words);
    words[count] = option;
    words[count + 1] = bootstrap;
    words[count + 2] = NULL;
    signal(SIGPIPE, SIG_DFL);
    execvp(words[0], words);
    return ctl_fail(EXIT_FINDINGS, "%s: %s", words[0], strerror(errno));
}

static int print_or_run(const struct ctl *ctl, cJSON *bootstrap)
{
    char *printed = ctl->command ? cJSON_PrintUnformatted(bootstrap) : cJSON_Print(bootstrap);
    int status = EXIT_GOOD;
    if (ctl->command)
        status = become_command(ctl, printed);
    else
        puts(printed);
    free(printed);
    cJSON_Delete(bootstrap);
    return status;
}

int verb_bootstrap(struct ctl *ctl)
{
    const char *variant = ctl_value(ctl, &flag_variant);
    bool is_delta = strcmp(variant, "delta") == 0;
    long admin_port;
    if (ctl->args.count != 1)
        return ctl_fail(EXIT_USAGE, "bootstrap: exactly one NODE-ID is needed");
    if (!is_delta && strcmp(variant, "sotw") != 0)
        return ctl_fail(EXIT_USAGE, "--variant: must be delta or sotw, not \"%s\"", variant);
    if (!is_delta && ctl_is_set(ctl, &flag_vhds))
        return ctl_fail(EXIT_USAGE, "--vhds: needs --variant delta");
    if (!check_tls(ctl))
        return EXIT_USAGE;
    if (!ctl_number(ctl, &flag_admin_port, 0, 65535, &admin_port))
        return EXIT_USAGE;
    cJSON *clusters = static_clusters(ctl);
    cJSON *self = clusters ? node(ctl, ctl->args.items[0]) : NULL;
    if (!self) {
        cJSON_Delete(clusters);
        return EXIT_USAGE;
    }
    cJSON *admin = with(object("address", text(ctl_value(ctl, &flag_admin_address))),
        "port_value",
        cJSON_CreateNumber((double)admin_port));
    cJSON *resources = object("clusters", clusters);
    if (!add_stats(ctl, resources, clusters, admin)) {
        cJSON_Delete(resources);
        cJSON_Delete(self);
        cJSON_Delete(admin);
        return EXIT_USAGE;
    }
    cJSON *bootstrap = object("node", self);
    with(bootstrap, "admin", object("address", object("socket_address", admin)));
    with(bootstrap, "dynamic_resources", dynamic_resources(is_delta));
    with(bootstrap, "layered_runtime", layered_runtime());
    with(bootstrap, "static_resources", resources);
    return print_or_run(ctl, bootstrap);
}
