#include "model/destination_rule_rules.h"

#include "base/map.h"
#include "model/destination_rule.h"
#include "model/shared.h"

#include <string.h>
#include <strings.h>

static char present; /* the value in maps that are sets */

/* ---- load balancing ---- */

static bool is_prime(uint32_t n)
{
    for (uint32_t i = 2; (uint64_t)i * i <= n; i++)
        if (n % i == 0)
            return false;
    return n >= 2;
}

void check_maglev(struct decoder *d, void *object)
{
    const struct maglev *maglev = object;
    if (maglev->table_size != 0 && !is_prime(maglev->table_size))
        schema_fault(d, DIAG_RULE, "tableSize", NULL, "must be a prime number");
}

/*
 * Localities already named, by their parts: "a/b", with a star for the rest or not. What is inside
 * another one overlaps it.
 */
struct localities {
    struct map named, enclosing; /* enclosing: every locality around one that is named */
};

static bool is_locality_pattern(const char *text)
{
    const char *star = strchr(text, '*');
    size_t slashes = 0;
    for (const char *p = text; *p; p++)
        slashes += *p == '/';
    if (star && star[1])
        return false;
    return *text && *text != '/' && slashes <= 2 && !strstr(text, "//") &&
           text[strlen(text) - 1] != '/';
}

/* Names the locality; false if it overlaps one named before. */
static bool localities_add(struct decoder *d, struct localities *l, const char *locality)
{
    char *place = arena_strdup(schema_scratch(d), locality);
    size_t size = strlen(place);
    if (size > 0 && place[size - 1] == '*')
        place[--size] = '\0';
    bool is_free = !map_find(&l->enclosing, place) && !map_put(&l->named, place, &present);
    while (size > 0) { /* "a/b/c", then what is around it: "a/b/", "a/b", "a/", "a", "" */
        size--;
        bool is_step = size == 0 || place[size] == '/' || place[size - 1] == '/';
        place[size] = '\0';
        if (!is_step)
            continue;
        is_free &= !map_find(&l->named, place);
        map_put(&l->enclosing, place, &present);
    }
    return is_free;
}

static void check_locality(
    struct decoder *d, struct localities *l, const char *at, const char *locality)
{
    if (!is_locality_pattern(locality))
        schema_fault(d,
            DIAG_BAD_FORMAT,
            at,
            NULL,
            "must be REGION, REGION/ZONE or REGION/ZONE/SUBZONE; '*' may stand at the end");
    else if (!localities_add(d, l, locality))
        schema_fault(d, DIAG_CONFLICT, at, NULL, "overlaps a locality given before");
}

static void localities_fini(struct localities *l)
{
    map_fini(&l->named, NULL);
    map_fini(&l->enclosing, NULL);
}

static void check_distribution(
    struct decoder *d, const char *at, const struct locality_distribute *x)
{
    struct localities to = { 0 };
    uint32_t total = 0;
    for (list_each (const struct locality_weight, weight, &x->to)) {
        total += weight->value;
        check_locality(
            d, &to, schema_key(d, schema_text(d, "%s.to", at), weight->key), weight->key);
    }
    if (total != 100)
        schema_fault(d,
            DIAG_RULE,
            schema_text(d, "%s.to", at),
            NULL,
            "weights must add up to 100, not %u",
            total);
    localities_fini(&to);
}

static void check_failover(struct decoder *d, const char *at, const struct locality_failover *f)
{
    if (strpbrk(f->from, "/*") || strpbrk(f->to, "/*"))
        schema_fault(d, DIAG_RULE, at, NULL, "must name regions, without '/' and '*'");
    if (strcmp(f->from, f->to) == 0)
        schema_fault(d, DIAG_RULE, at, NULL, "must name two different regions");
}

/* Failover by region and by the labels of topology would contradict each other. */
static void check_failover_priority(struct decoder *d, const struct locality_lb_setting *lb)
{
    static const char *const topology[] = {
        "topology.kubernetes.io/region", "topology.kubernetes.io/zone", "topology.istio.io/subzone"
    };
    for (size_t i = 0; lb->failover.count > 0 && i < lb->failover_priority.count; i++)
        for (size_t j = 0; j < ARRAY_COUNT(topology); j++)
            if (strcmp(lb->failover_priority.items[i], topology[j]) == 0)
                schema_fault(d,
                    DIAG_CONFLICT,
                    schema_text(d, "failoverPriority[%zu]", i),
                    NULL,
                    "%s cannot be given together with failover",
                    topology[j]);
}

void check_locality_lb_setting(struct decoder *d, void *object)
{
    const struct locality_lb_setting *lb = object;
    struct localities from = { 0 };
    if (lb->distribute.count > 0 && lb->failover.count > 0)
        schema_fault(
            d, DIAG_CONFLICT, "failover", NULL, "cannot be given together with distribute");
    for (size_t i = 0; i < lb->distribute.count; i++) {
        const char *at = schema_text(d, "distribute[%zu]", i);
        check_locality(d, &from, schema_text(d, "%s.from", at), lb->distribute.items[i].from);
        check_distribution(d, at, &lb->distribute.items[i]);
    }
    for (size_t i = 0; i < lb->failover.count; i++)
        check_failover(d, schema_text(d, "failover[%zu]", i), &lb->failover.items[i]);
    check_failover_priority(d, lb);
    localities_fini(&from);
}

void check_warmup(struct decoder *d, void *object)
{
    const struct warmup *warmup = object;
    if (warmup->aggression.is_set && warmup->aggression.value <= 0)
        schema_fault(d, DIAG_OUT_OF_RANGE, "aggression", NULL, "must be more than 0");
}

static bool is_slow_startable(const struct load_balancer *lb)
{
    return !lb->consistent_hash && lb->simple != LB_RANDOM && lb->simple != LB_PASSTHROUGH;
}

void check_load_balancer(struct decoder *d, void *object)
{
    struct load_balancer *lb = object;
    const struct consistent_hash *hash = lb->consistent_hash;
    if (lb->warmup_duration_secs.is_set) {
        struct warmup *warmup = ARENA_NEW(schema_arena(d), struct warmup);
        warmup->duration = lb->warmup_duration_secs;
        lb->warmup = warmup;
    }
    if (lb->warmup && !is_slow_startable(lb))
        schema_warn(d,
            DIAG_NO_EFFECT,
            "warmup",
            NULL,
            "has an effect with ROUND_ROBIN and LEAST_REQUEST only");
    if (hash && !hash->http_header_name && !hash->http_cookie && !hash->use_source_ip &&
        !hash->http_query_parameter_name)
        schema_warn(d,
            DIAG_RULE,
            "consistentHash",
            "say httpHeaderName, httpCookie, useSourceIp or httpQueryParameterName",
            "says nothing to hash by, so requests go anywhere");
}

/* ---- connections ---- */

void check_connection_pool(struct decoder *d, void *object)
{
    const struct connection_pool *pool = object;
    if (!pool->tcp && !pool->http)
        schema_fault(d, DIAG_REQUIRED, "", NULL, "must say tcp or http");
}

void check_http_settings(struct decoder *d, void *object)
{
    const struct http_settings *http = object;
    if (http->h2_upgrade_policy == H2_UPGRADE && http->use_client_protocol)
        schema_fault(d,
            DIAG_CONFLICT,
            "useClientProtocol",
            NULL,
            "cannot be given together with h2UpgradePolicy UPGRADE");
}

void check_outlier_detection(struct decoder *d, void *object)
{
    const struct outlier_detection *outlier = object;
    if (outlier->consecutive_local_origin_failures.value > 0 &&
        !outlier->split_external_local_origin_errors)
        schema_fault(d,
            DIAG_RULE,
            "consecutiveLocalOriginFailures",
            NULL,
            "needs splitExternalLocalOriginErrors: true");
}

static bool is_region(const char *text)
{
    return *text && !strpbrk(text, "/*");
}

const struct format format_region = {
    "a region alone, without zones or wildcards", is_region, NULL
};

void check_http_cookie(struct decoder *d, void *object)
{
    const struct http_cookie *cookie = object;
    for (size_t i = 0; i < cookie->attributes.count; i++)
        for (size_t j = 0; j < i; j++)
            if (strcasecmp(cookie->attributes.items[i].name, cookie->attributes.items[j].name) == 0)
                schema_fault(d,
                    DIAG_CONFLICT,
                    schema_text(d, "attributes[%zu].name", i),
                    NULL,
                    "%s is given twice",
                    cookie->attributes.items[i].name);
}

/* What says where a certificate is, by the mode that has no use for it. */
static void check_unused_files(struct decoder *d, const struct client_tls *tls)
{
    bool is_mutual = tls->mode == TLS_MUTUAL, is_simple = tls->mode == TLS_SIMPLE;
    const struct {
        const char *name, *value;
        bool is_used;
    } files[] = {
        { "clientCertificate", tls->client_certificate, is_mutual },
        { "privateKey", tls->private_key, is_mutual },
        { "caCertificates", tls->ca_certificates, is_mutual || is_simple },
        { "caCrl", tls->ca_crl, is_mutual || is_simple },
        { "credentialName", tls->credential_name, is_mutual || is_simple },
    };
    for (size_t i = 0; i < ARRAY_COUNT(files); i++)
        if (files[i].value && *files[i].value && !files[i].is_used)
            schema_warn(d, DIAG_NO_EFFECT, files[i].name, NULL, "has no effect in this mode");
}

static void check_credential(struct decoder *d, const struct client_tls *tls)
{
    const struct {
        const char *name, *value;
    } files[] = {
        { "clientCertificate", tls->client_certificate },
        { "privateKey", tls->private_key },
        { "caCertificates", tls->ca_certificates },
        { "caCrl", tls->ca_crl },
    };
    for (size_t i = 0; i < ARRAY_COUNT(files); i++)
        if (files[i].value && *files[i].value)
            schema_fault(d,
                DIAG_CONFLICT,
                files[i].name,
                NULL,
                "cannot be given together with credentialName");
}

static void check_own_certificate(struct decoder *d, const struct client_tls *tls)
{
    if (!tls->client_certificate || !*tls->client_certificate)
        schema_fault(d, DIAG_REQUIRED, "clientCertificate", NULL, "is needed for mode MUTUAL");
    if (!tls->private_key || !*tls->private_key)
        schema_fault(d, DIAG_REQUIRED, "privateKey", NULL, "is needed for mode MUTUAL");
}

static void check_unverified(struct decoder *d, const struct client_tls *tls)
{
    bool is_simple = tls->mode == TLS_SIMPLE;
    if ((is_simple || tls->mode == TLS_MUTUAL) &&
        (tls->ca_certificates || tls->subject_alt_names.count > 0))
        schema_fault(d,
            DIAG_CONFLICT,
            "insecureSkipVerify",
            NULL,
            "cannot be given together with caCertificates or subjectAltNames");
    else if (is_simple && tls->credential_name)
        schema_fault(d,
            DIAG_CONFLICT,
            "insecureSkipVerify",
            NULL,
            "cannot be given together with credentialName");
}

void check_client_tls(struct decoder *d, void *object)
{
    const struct client_tls *tls = object;
    bool is_own = tls->mode == TLS_SIMPLE || tls->mode == TLS_MUTUAL;
    if (tls->insecure_skip_verify.value)
        check_unverified(d, tls);
    check_unused_files(d, tls);
    if (is_own && tls->credential_name && *tls->credential_name)
        check_credential(d, tls);
    else if (tls->mode == TLS_MUTUAL)
        check_own_certificate(d, tls);
}

/* ---- the whole ---- */

static void check_port_policies(struct decoder *d, const struct traffic_policy *policy)
{
    bool *seen = xcalloc(PORT_MAX + 1, sizeof *seen);
    for (size_t i = 0; i < policy->port_level_settings.count; i++) {
        uint32_t number = policy->port_level_settings.items[i].port->number;
        if (seen[number])
            schema_warn(d,
                DIAG_NO_EFFECT,
                schema_text(d, "portLevelSettings[%zu]", i),
                NULL,
                "has no effect: there are settings for port %u before it",
                number);
        seen[number] = true;
    }
    free(seen);
}

static bool says_nothing(const struct traffic_policy *policy)
{
    return !policy->load_balancer && !policy->connection_pool && !policy->outlier_detection &&
           !policy->tls && !policy->tunnel && !policy->proxy_protocol && !policy->retry_budget &&
           policy->port_level_settings.count == 0;
}

void check_traffic_policy(struct decoder *d, void *object)
{
    const struct traffic_policy *policy = object;
    if (says_nothing(policy))
        schema_fault(d, DIAG_REQUIRED, "", NULL, "must say at least one thing");
    if (policy->tunnel && policy->proxy_protocol)
        schema_fault(
            d, DIAG_CONFLICT, "tunnel", NULL, "cannot be given together with proxyProtocol");
    check_port_policies(d, policy);
}

static void check_subsets(struct decoder *d, const struct destination_rule *rule)
{
    struct map names = { 0 };
    for (size_t i = 0; i < rule->subsets.count; i++)
        if (map_put(&names, rule->subsets.items[i].name, &present))
            schema_fault(d,
                DIAG_CONFLICT,
                schema_text(d, "subsets[%zu].name", i),
                NULL,
                "\"%s\" is another subset's name",
                rule->subsets.items[i].name);
    map_fini(&names, NULL);
}

void check_destination_rule(struct decoder *d, void *object)
{
    const struct destination_rule *rule = object;
    check_subsets(d, rule);
    check_export_to(d, "exportTo", &rule->export_to, false);
    check_selector(d, rule->workload_selector);
    if (!rule->workload_selector)
        return;
    for (size_t i = 0; i < rule->export_to.count; i++) {
        const char *entry = rule->export_to.items[i];
        if (strcmp(entry, ".") != 0 && strcmp(entry, schema_namespace(d)) != 0)
            schema_fault(d,
                DIAG_RULE,
                schema_text(d, "exportTo[%zu]", i),
                NULL,
                "must be \".\" where there is a workloadSelector");
    }
}
