/* pilotctl redirect: sends a machine's TCP connections to the Envoy beside its applications. */
#include "base/buf.h"
#include "ctl/nft.h"
#include "ctl/output.h"
#include "ctl/text_diff.h"
#include "model/cidr.h"

#include <pwd.h>
#include <string.h>
#include <sys/socket.h>

static const char table[] = "pilot_redirect";
/* Envoy's own side of what came in by IPv6 (Istio's choice, as 127.0.0.6 is for IPv4): the machine
 * must have it. */
static const char envoys_ipv6[] = "::6/128";
enum { OUTBOUND_PORT = 15001, INBOUND_PORT = 15006, ID_MAX = 1 << 30 };

static const struct flag flag_dry_run = {
    .name = "--dry-run",
    .help = "prints the nftables file",
};
static const struct flag flag_uid = {
    .name = "--uid",
    .value_name = "USER",
    .env = "PILOTD_REDIRECT_UID",
    .help = "whom Envoy runs as, a name or a number: its own connections are left alone",
};
static const struct flag flag_inbound_ports = {
    .name = "--exclude-inbound-ports",
    .value_name = "PORT,…",
    .fallback = "22",
    .env = "PILOTD_REDIRECT_EXCLUDE_INBOUND_PORTS",
    .help = "connections to these ports of the machine are left alone; \"\": none",
};
static const struct flag flag_outbound_ports = {
    .name = "--exclude-outbound-ports",
    .value_name = "PORT,…",
    .fallback = "",
    .env = "PILOTD_REDIRECT_EXCLUDE_OUTBOUND_PORTS",
    .help = "connections to these ports elsewhere are left alone",
};
static const struct flag flag_cidrs = {
    .name = "--exclude-cidrs",
    .value_name = "RANGE,…",
    .fallback = "",
    .env = "PILOTD_REDIRECT_EXCLUDE_CIDRS",
    .help = "connections to these addresses (10.0.0.0/8, fd00::/8) are left alone",
};
static const struct flag flag_families = {
    .name = "--families",
    .value_name = "WHICH",
    .fallback = "both",
    .choices = "both 4 6",
    .env = "PILOTD_REDIRECT_FAMILIES",
    .help = "IP versions that are sent to Envoy; it must listen on them: both, 4 or 6",
};
const struct flag *const redirect_flags[] = { &flag_dry_run,
    &flag_uid,
    &flag_inbound_ports,
    &flag_outbound_ports,
    &flag_cidrs,
    &flag_families,
    READ_FLAGS,
    NULL };

/* ---- the rules ---- */

struct rules {
    struct ctl *ctl;
    struct buf text;
};

static bool parse_number(const char *text, long max, long *out)
{
    char *end;
    *out = strtol(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end && *out <= max;
}

static bool add_user(struct rules *r)
{
    const char *user = ctl_value(r->ctl, &flag_uid);
    long uid = 0;
    const struct passwd *known = user ? getpwnam(user) : NULL;
    if (known)
        uid = (long)known->pw_uid;
    else if (!user || !parse_number(user, ID_MAX, &uid)) {
        ctl_fail(EXIT_USAGE,
            user ? "--uid: there is no user %s"
                 : "--uid: is needed: whom Envoy runs as, or its connections would come back to "
                   "it%s",
            user ? user : "");
        return false;
    }
    buf_printf(&r->text, "        meta skuid %ld return\n", uid);
    return true;
}

/* The next word between commas, or NULL; none are empty. */
static const char *next_word(char **rest)
{
    const char *word;
    do
        word = strsep(rest, ",");
    while (word && !*word);
    return word;
}

static bool add_ports(struct rules *r, const struct flag *flag)
{
    char *rest = arena_strdup(r->ctl->a, ctl_value(r->ctl, flag));
    for (const char *word; (word = next_word(&rest));) {
        long port;
        if (!parse_number(word, 65535, &port) || port < 1) {
            ctl_fail(EXIT_USAGE, "%s: \"%s\" is no port", flag->name, word);
            return false;
        }
        buf_printf(&r->text, "        tcp dport %ld return\n", port);
    }
    return true;
}

static bool add_ranges(struct rules *r)
{
    char *rest = arena_strdup(r->ctl->a, ctl_value(r->ctl, &flag_cidrs));
    for (const char *word; (word = next_word(&rest));) {
        struct cidr range;
        if (!cidr_parse(word, &range)) {
            ctl_fail(EXIT_USAGE, "%s: \"%s\" is no address or range", flag_cidrs.name, word);
            return false;
        }
        buf_printf(&r->text,
            "        %s daddr %s/%u return\n",
            range.family == AF_INET ? "ip" : "ip6",
            cidr_address(r->ctl->a, &range),
            range.bits);
    }
    return true;
}

static void begin_chain(struct rules *r, const char *name, const char *hook)
{
    const char *families = ctl_value(r->ctl, &flag_families);
    buf_printf(&r->text,
        "    chain %s {\n        type nat hook %s priority -100; policy accept;\n"
        "        meta l4proto != tcp return\n",
        name,
        hook);
    if (strcmp(families, "both") != 0)
        buf_printf(&r->text, "        meta nfproto != ipv%s return\n", families);
}

static void end_chain(struct rules *r, int port)
{
    buf_printf(&r->text, "        meta l4proto tcp redirect to :%d\n    }\n", port);
}

/* The first line makes the table, if it is not there, so that the second can delete it: the file is
 * one transaction, and what was loaded before is replaced at once. NULL after saying what is wrong.
 */
static const char *rules_text(struct ctl *ctl)
{
    struct rules r = { .ctl = ctl };
    buf_printf(
        &r.text, "table inet %s\ndelete table inet %s\ntable inet %s {\n", table, table, table);
    begin_chain(&r, "outbound", "output");
    buf_text(&r.text, "        oifname \"lo\" return\n");
    bool is_good = add_user(&r) && add_ports(&r, &flag_outbound_ports) && add_ranges(&r);
    end_chain(&r, OUTBOUND_PORT);
    begin_chain(&r, "inbound", "prerouting");
    buf_text(&r.text, "        iifname \"lo\" return\n");
    is_good = is_good && add_ports(&r, &flag_inbound_ports);
    end_chain(&r, INBOUND_PORT);
    buf_text(&r.text, "}\n");
    const char *text = is_good ? arena_strndup(ctl->a, r.text.data, r.text.size) : NULL;
    buf_fini(&r.text);
    return text;
}

/* ---- what is done with them ---- */

static int load(struct ctl *ctl, const char *rules)
{
    const char *const args[] = { "nft", "-f", "-", NULL };
    struct nft_run run;
    struct error err;
    if (!nft_run(ctl->a, args, rules, false, &run, &err))
        return ctl_fail_error(&err);
    return run.status ? ctl_fail(EXIT_FINDINGS, "redirect: nft refuses, and nothing has changed")
                      : EXIT_GOOD;
}

static int set_address(struct ctl *ctl, const char *verb, bool is_quiet)
{
    const char *const args[] = { "ip", "-6", "address", verb, envoys_ipv6, "dev", "lo", NULL };
    struct nft_run run;
    struct error err;
    if (!nft_run(ctl->a, args, "", is_quiet, &run, &err))
        return ctl_fail_error(&err);
    return run.status && !is_quiet
               ? ctl_fail(EXIT_FINDINGS, "redirect: without IPv6 on this machine, --families 4")
               : EXIT_GOOD;
}

static bool wants_ipv6(const struct ctl *ctl)
{
    return strcmp(ctl_value(ctl, &flag_families), "4") != 0;
}

static int apply(struct ctl *ctl)
{
    const char *rules = rules_text(ctl);
    if (!rules)
        return EXIT_USAGE;
    if (ctl_is_set(ctl, &flag_dry_run)) {
        if (wants_ipv6(ctl))
            printf("# and besides: ip -6 address replace %s dev lo\n", envoys_ipv6);
        fputs(rules, stdout);
        return EXIT_GOOD;
    }
    int status = wants_ipv6(ctl) ? set_address(ctl, "replace", false) : EXIT_GOOD;
    return status == EXIT_GOOD ? load(ctl, rules) : status;
}

static int undo(struct ctl *ctl)
{
    int status = set_address(ctl, "del", true);
    if (status != EXIT_GOOD)
        return status;
    return load(ctl, arena_printf(ctl->a, "table inet %s\ndelete table inet %s\n", table, table));
}

static const struct column columns[] = { { "TABLE" }, { "STATE" } };

static void add_state(
    struct ctl *ctl, struct answer *answer, const char *state, const string_list *difference)
{
    bool is_good = strcmp(state, "loaded") == 0;
    const char *below = "";
    cJSON *json = cJSON_CreateObject(), *lines;
    cJSON_AddStringToObject(json, "table", table);
    cJSON_AddStringToObject(json, "state", state);
    lines = cJSON_AddArrayToObject(json, "difference");
    for (list_each (const char *const, line, difference)) {
        below = arena_printf(ctl->a, "%s%s%s", below, *below ? "\n" : "", *line);
        cJSON_AddItemToArray(lines, cJSON_CreateString(*line));
    }
    struct row row = {
        .name = table,
        .tone = is_good ? TONE_GOOD : TONE_BAD,
        .json = output_text(ctl->a, json),
        .below = *below ? below : NULL,
        .cells = CELLS(ctl->a, table, state),
    };
    list_push(ctl->a, &answer->rows, row);
    answer->columns = columns;
    answer->column_count = ARRAY_COUNT(columns);
    answer->is_one = true;
    answer->status = is_good ? EXIT_GOOD : EXIT_FINDINGS;
}

/* Both listings are nft's own, so that they are written alike. */
static int verify(struct ctl *ctl, struct answer *answer)
{
    const char *const args[] = { "nft", "-s", "list", "table", "inet", table, NULL };
    const char *rules = rules_text(ctl), *wanted = "";
    string_list difference = { 0 };
    struct nft_run there;
    struct error err;
    if (!rules)
        return EXIT_USAGE;
    if (!nft_listing_of(ctl->a, rules, table, &wanted, &err) ||
        !nft_run(ctl->a, args, "", true, &there, &err))
        return ctl_fail_error(&err);
    bool is_there = there.status == 0;
    if (is_there)
        difference = text_diff(ctl->a, wanted, there.text);
    add_state(ctl,
        answer,
        !is_there          ? "not loaded"
        : difference.count ? "other rules are loaded"
                           : "loaded",
        &difference);
    return EXIT_GOOD;
}

int verb_redirect(struct ctl *ctl)
{
    const char *word = ctl->args.count ? ctl->args.items[0] : "";
    bool is_dry = ctl_is_set(ctl, &flag_dry_run);
    if (ctl->args.count > 1)
        return ctl_fail(EXIT_USAGE, "redirect: apply, verify or undo, or --dry-run");
    if (strcmp(word, "apply") == 0 || (!*word && is_dry))
        return apply(ctl);
    if (strcmp(word, "verify") == 0 && !is_dry)
        return output_run(ctl, verify);
    if (strcmp(word, "undo") == 0 && !is_dry)
        return undo(ctl);
    return ctl_fail(EXIT_USAGE, "redirect: apply, verify or undo, or --dry-run");
}
