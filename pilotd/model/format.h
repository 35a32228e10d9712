/*
 * format: the syntax of the strings that configuration is made of: names, hosts, addresses, labels,
 * headers. A schema row points at the format its string must have.
 */
#ifndef MODEL_FORMAT_H
#define MODEL_FORMAT_H

#include "base/arena.h"

struct format {
    const char *must_be; /* "must be …" */
    bool (*accepts)(const char *text);
    /* What exactly is wrong with a text that is not accepted; may be NULL. */
    const char *(*explain)(struct arena *a, const char *text);
    /* A warning about a text that is accepted, or NULL; may be NULL. */
    const char *(*doubt)(struct arena *a, const char *text);
};

/* Instructions of a regular expression: what a proxy takes that `pilotctl bootstrap` set up, and
 * what Envoy takes by default (its runtime key re2.max_program_size.error_level). */
#define REGEX_INSTRUCTIONS_MAX     32768
#define REGEX_INSTRUCTIONS_DEFAULT 100

extern const struct format format_not_empty;

/* Names. */
extern const struct format format_dns_label;     /* letters, digits, '-'; at most 63 */
extern const struct format format_resource_name; /* labels joined by dots, lower case */
extern const struct format format_namespace;     /* one label, lower case */
extern const struct format format_gateway;       /* NAME or NAMESPACE/NAME */
extern const struct format format_export_to;     /* ".", "*", "~" or a namespace */
extern const struct format format_label_key, format_label_value;

/* Hosts and addresses. */
extern const struct format format_fqdn;
extern const struct format format_wildcard_host;         /* "*", "*.a.b", "*-x.a", or a name */
extern const struct format format_partial_wildcard_host; /* the same without the bare "*" */
extern const struct format format_wildcard_host_or_ip;
extern const struct format format_ip;
extern const struct format format_trust_domain; /* of SPIFFE: lower case, '_' as well */
extern const struct format format_ip_or_cidr;   /* 10.0.0.1 or 10.0.0.0/8 */
extern const struct format format_ip_or_fqdn;
extern const struct format format_endpoint_address; /* IP, name, or unix:///path */
extern const struct format format_locality;         /* region[/zone[/subzone]] */

/* HTTP. */
extern const struct format format_query_name;          /* of a parameter, as Envoy takes it */
extern const struct format format_header_match_name;   /* may be a pseudo header: ":path" */
extern const struct format format_header_name;         /* may be set: no pseudo header */
extern const struct format format_request_header_name; /* the same, and host */
extern const struct format format_header_value;        /* Envoy's %COMMANDS% well formed */
extern const struct format format_log_line;            /* the same, in several lines */
extern const struct format format_one_line;            /* no control characters */
extern const struct format format_file_path;           /* absolute */
extern const struct format format_regex;               /* compiles in RE2 */
extern const struct format format_base64;

bool format_is_ip(const char *text);
bool format_is_any_ip(const char *text); /* 0.0.0.0 or ::, in any spelling */
bool format_is_fqdn(const char *text);
bool format_is_unix_address(const char *text);     /* begins with unix: */
bool format_is_authority_header(const char *name); /* "host" or ":authority", in any case */

#endif
