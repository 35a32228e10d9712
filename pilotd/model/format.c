#include "model/format.h"

#include "model/cidr.h"
#include "model/command.h"
#include "model/re2.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <linux/limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

enum { LABEL_MAX = 63, HOST_MAX = 255, NAME_MAX_BYTES = 253, QUERY_NAME_MAX_BYTES = 1024 };

#define UNIX_PATH_MAX sizeof((struct sockaddr_un *)0)->sun_path

static bool is_not_empty(const char *text)
{
    return *text;
}

static bool is_alnum(char c)
{
    return isalnum((unsigned char)c);
}

static bool is_label(const char *text, size_t size)
{
    if (size == 0 || size > LABEL_MAX || !is_alnum(text[0]) || !is_alnum(text[size - 1]))
        return false;
    for (size_t i = 0; i < size; i++)
        if (!is_alnum(text[i]) && text[i] != '-')
            return false;
    return true;
}

static bool is_dns_label(const char *text)
{
    return is_label(text, strlen(text));
}

static bool has_upper_case(const char *text)
{
    while (*text && !isupper((unsigned char)*text))
        text++;
    return *text;
}

static bool is_namespace(const char *text)
{
    return is_dns_label(text) && !has_upper_case(text);
}

/* Labels joined by dots; `may_end_in_dot` for names that are unambiguous: "example.com." */
static bool are_labels(const char *text, bool may_end_in_dot)
{
    for (;;) {
        size_t size = strcspn(text, ".");
        if (size == 0 && !*text && may_end_in_dot)
            return true;
        if (!is_label(text, size))
            return false;
        if (!text[size])
            return true;
        text += size + 1;
    }
}

static bool is_resource_name(const char *text)
{
    return strlen(text) <= NAME_MAX_BYTES && are_labels(text, false) && !has_upper_case(text);
}

/* "10.1.2" is nobody's host name. */
static bool is_numeric_at_the_end(const char *text)
{
    const char *last = strrchr(text, '.');
    last = last ? last + 1 : text;
    return *last && last[strspn(last, "0123456789")] == '\0';
}

bool format_is_fqdn(const char *text)
{
    size_t size = strlen(text);
    return size > 0 && size <= HOST_MAX && are_labels(text, true) && !is_numeric_at_the_end(text);
}

/* The first label may be "*", or begin with "*" or "*-". */
static bool is_wildcard_host(const char *text)
{
    size_t size = strcspn(text, ".");
    const char *rest = text + size;
    if (strlen(text) > HOST_MAX)
        return false;
    if (*text == '*' && size > 1) {
        size_t skip = text[1] == '-' ? 2 : 1;
        text += skip;
        size -= skip;
    }
    if (!(size == 1 && *text == '*') && !is_label(text, size))
        return false;
    return !*rest || format_is_fqdn(rest + 1);
}

static bool is_partial_wildcard_host(const char *text)
{
    return strcmp(text, "*") != 0 && is_wildcard_host(text);
}

bool format_is_ip(const char *text)
{
    unsigned char bytes[16];
    return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

bool format_is_any_ip(const char *text)
{
    static const unsigned char zeros[16];
    unsigned char bytes[16];
    return (inet_pton(AF_INET, text, bytes) == 1 && memcmp(bytes, zeros, 4) == 0) ||
           (inet_pton(AF_INET6, text, bytes) == 1 && memcmp(bytes, zeros, 16) == 0);
}

static bool is_trust_domain(const char *text)
{
    size_t size = strlen(text);
    return size > 0 && size <= HOST_MAX &&
           strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789.-_") == size;
}

static bool is_ip_or_cidr(const char *text)
{
    struct cidr range;
    return cidr_parse(text, &range);
}

static bool is_wildcard_host_or_ip(const char *text)
{
    return is_wildcard_host(text) || format_is_ip(text);
}

static bool is_ip_or_fqdn(const char *text)
{
    return format_is_ip(text) || format_is_fqdn(text);
}

bool format_is_unix_address(const char *text)
{
    return begins_with(text, "unix:");
}

/* An absolute path to a file, or "@name" for Linux's abstract sockets; as long as sun_path. */
static bool is_unix_address(const char *text)
{
    if (!begins_with(text, "unix://"))
        return false;
    const char *path = text + 7;
    size_t size = strlen(path);
    return size > 1 && size < UNIX_PATH_MAX &&
           (*path == '@' || (*path == '/' && path[size - 1] != '/'));
}

static bool is_endpoint_address(const char *text)
{
    return format_is_unix_address(text) ? is_unix_address(text) : is_ip_or_fqdn(text);
}

static bool is_gateway(const char *text)
{
    const char *slash = strchr(text, '/');
    if (!slash)
        return format_is_fqdn(text);
    return is_label(text, (size_t)(slash - text)) && is_dns_label(slash + 1);
}

static bool is_export_to(const char *text)
{
    return strcmp(text, ".") == 0 || strcmp(text, "*") == 0 || strcmp(text, "~") == 0 ||
           is_dns_label(text);
}

/* Letters, digits, '-', '_', '.', with a letter or digit at both ends. */
static bool is_qualified_name(const char *text)
{
    size_t size = strlen(text);
    if (size == 0 || size > LABEL_MAX || !is_alnum(text[0]) || !is_alnum(text[size - 1]))
        return false;
    for (size_t i = 0; i < size; i++)
        if (!is_alnum(text[i]) && !strchr("-_.", text[i]))
            return false;
    return true;
}

static bool is_label_key(const char *text)
{
    const char *slash = strchr(text, '/');
    if (!slash)
        return is_qualified_name(text);
    size_t size = (size_t)(slash - text);
    char prefix[NAME_MAX_BYTES + 1] = "";
    if (size > NAME_MAX_BYTES)
        return false;
    memcpy(prefix, text, size);
    return are_labels(prefix, false) && is_qualified_name(slash + 1);
}

static bool is_label_value(const char *text)
{
    return !*text || is_qualified_name(text);
}

static bool is_locality(const char *text)
{
    for (int parts = 1; parts <= 3; parts++) {
        size_t size = strcspn(text, "/");
        if (size == 0)
            return false;
        if (!text[size])
            return true;
        text += size + 1;
    }
    return false;
}

/* RFC 9110's token. */
static bool is_token(const char *text)
{
    if (!*text)
        return false;
    for (; *text; text++)
        if (!is_alnum(*text) && !strchr("!#$%&'*+-.^_`|~", *text))
            return false;
    return true;
}

static bool is_header_match_name(const char *text)
{
    return is_token(text + (*text == ':'));
}

static const char *explain_header_match_name(struct arena *a, const char *text)
{
    (void)a;
    if (begins_with(text, "@request.auth."))
        return "claims of tokens are matched at gateways, which are not supported yet";
    return *text ? "it has a character that names cannot have" : "it is empty";
}

bool format_is_authority_header(const char *name)
{
    return strcasecmp(name, "host") == 0 || strcasecmp(name, ":authority") == 0;
}

static bool is_header_name(const char *text)
{
    return is_token(text) && !format_is_authority_header(text);
}

static bool is_request_header_name(const char *text)
{
    return is_token(text) || format_is_authority_header(text);
}

static bool is_one_line(const char *text)
{
    for (; *text; text++)
        if (((unsigned char)*text < 0x20 && *text != '\t') || *text == 0x7f)
            return false;
    return true;
}

static bool is_query_name(const char *text)
{
    return *text && strlen(text) <= QUERY_NAME_MAX_BYTES;
}

static bool is_header_value(const char *text)
{
    return is_one_line(text) && command_text_is_valid(text);
}

static const char *explain_header_value(struct arena *a, const char *text)
{
    return is_one_line(text) ? command_text_explain(a, text) : "it has control characters";
}

static bool is_file_path(const char *text)
{
    size_t size = strlen(text);
    return *text == '/' && size < PATH_MAX && text[size - 1] != '/' && is_one_line(text);
}

static bool is_regex(const char *text)
{
    char why[200];
    return *text && re2_compiles(text, why, sizeof why) &&
           re2_program_size(text) <= REGEX_INSTRUCTIONS_MAX;
}

static const char *explain_regex(struct arena *a, const char *text)
{
    char why[200] = "it is empty";
    if (*text && re2_compiles(text, why, sizeof why))
        snprintf(why,
            sizeof why,
            "it takes %zu instructions, and Envoys are set up for %d",
            re2_program_size(text),
            REGEX_INSTRUCTIONS_MAX);
    return arena_strdup(a, why);
}

static const char *doubt_regex(struct arena *a, const char *text)
{
    size_t size = re2_program_size(text);
    if (size <= REGEX_INSTRUCTIONS_DEFAULT)
        return NULL;
    return arena_printf(a,
        "takes %zu instructions: a proxy that was not set up by pilotctl bootstrap refuses more "
        "than "
        "%d unless its runtime key re2.max_program_size.error_level says otherwise",
        size,
        REGEX_INSTRUCTIONS_DEFAULT);
}

static bool is_base64(const char *text)
{
    size_t digits =
        strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
    size_t padding = strspn(text + digits, "=");
    return !text[digits + padding] && (digits + padding) % 4 == 0 && padding <= 2;
}

const struct format format_not_empty = { "at least one character", is_not_empty, NULL };
const struct format format_dns_label = {
    "a DNS label (letters, digits and '-', at most 63)", is_dns_label, NULL
};
const struct format format_resource_name = {
    "lower-case DNS labels joined by dots (at most 253 characters)", is_resource_name, NULL
};
const struct format format_namespace = {
    "a lower-case DNS label (letters, digits and '-', at most 63)", is_namespace, NULL
};
const struct format format_gateway = { "a gateway: NAME or NAMESPACE/NAME", is_gateway, NULL };
const struct format format_export_to = { "\".\", \"*\", \"~\" or a namespace", is_export_to, NULL };
const struct format format_label_key = {
    "a label's key: [PREFIX/]NAME of letters, digits, '-', '_' and '.', at most 63",
    is_label_key,
    NULL,
};
const struct format format_label_value = {
    "a label's value: letters, digits, '-', '_' and '.', at most 63", is_label_value, NULL
};
const struct format format_fqdn = { "a host name", format_is_fqdn, NULL };
const struct format format_wildcard_host = {
    "a host name, with '*' only at its beginning", is_wildcard_host, NULL
};
const struct format format_partial_wildcard_host = {
    "a host name, with '*' only at its beginning and not alone", is_partial_wildcard_host, NULL
};
const struct format format_wildcard_host_or_ip = {
    "a host name, with '*' only at its beginning, or an IP address", is_wildcard_host_or_ip, NULL
};
const struct format format_ip = { "an IP address", format_is_ip, NULL };
const struct format format_trust_domain = {
    "a SPIFFE trust domain: lower-case letters, digits, '.', '-' and '_'",
    is_trust_domain,
    NULL,
};
const struct format format_ip_or_cidr = {
    "an IP address, or a range of them such as 10.0.0.0/8",
    is_ip_or_cidr,
    NULL,
};
const struct format format_ip_or_fqdn = { "an IP address or a host name", is_ip_or_fqdn, NULL };
const struct format format_endpoint_address = {
    "an IP address, a host name, or unix:// and the absolute path of a socket (at most 107 bytes)",
    is_endpoint_address,
    NULL,
};
const struct format format_locality = {
    "REGION, REGION/ZONE or REGION/ZONE/SUBZONE", is_locality, NULL
};
const struct format format_query_name = {
    "the name of a query parameter, of at most 1024 bytes", is_query_name, NULL
};
const struct format format_header_match_name = {
    "a header's name", is_header_match_name, explain_header_match_name
};
const struct format format_header_name = {
    "a header's name other than host", is_header_name, NULL
};
const struct format format_request_header_name = {
    "a header's name",
    is_request_header_name,
    NULL,
};
const struct format format_header_value = {
    "a header's value: one line, with %COMMANDS% of Envoy's", is_header_value, explain_header_value
};
const struct format format_log_line = {
    "text with %COMMANDS% of Envoy's", command_text_is_valid, command_text_explain
};
const struct format format_one_line = { "one line, without control characters", is_one_line, NULL };
const struct format format_file_path = { "the absolute path of a file", is_file_path, NULL };
const struct format format_regex = {
    "a regular expression (RE2)", is_regex, explain_regex, doubt_regex
};
const struct format format_base64 = { "base64", is_base64, NULL };
