/* Which listener takes a connection, and what its filters learn of it before anything is read. */
#include "translate/walk_parts.h"

#include "model/cidr.h"

#include <ctype.h>
#include <string.h>

/* ---- where connections arrive ---- */

static bool restores_destination(const struct walking *w, const pb_Listener *listener)
{
    for (size_t i = 0; i < listener->n_listener_filters; i++)
        if (sent_any(w, listener->listener_filters[i]->typed_config, &pb_OriginalDst_desc))
            return true;
    return listener->use_original_dst && listener->use_original_dst->value;
}

/* The one to which connections of that direction are redirected; NULL: there is no redirection. */
static const pb_Listener *find_entry(const struct walking *w, const sent_listener_list *all)
{
    unsigned direction =
        w->call->is_inbound ? PB_TrafficDirection_INBOUND : PB_TrafficDirection_OUTBOUND;
    for (list_each (const pb_Listener *const, listener, all))
        if ((unsigned)(*listener)->traffic_direction == direction &&
            restores_destination(w, *listener))
            return *listener;
    return NULL;
}

static bool hands_over(const pb_Listener *entry)
{
    return entry->use_original_dst && entry->use_original_dst->value;
}

static bool is_bound(const pb_Listener *listener)
{
    return !listener->bind_to_port || listener->bind_to_port->value;
}

/* ---- at which address ---- */

static bool is_at(const pb_Address *address, const struct cidr *ip, uint32_t port)
{
    struct cidr own;
    if (!address ||
        address->address_case != ENVOY__CONFIG__CORE__V3__ADDRESS__ADDRESS_SOCKET_ADDRESS)
        return false;
    const pb_SocketAddress *socket = address->socket_address;
    return socket->port_value == port && cidr_parse(socket->address, &own) &&
           cidr_compare(&own, ip) == 0;
}

static bool listens_at(const pb_Listener *listener, const struct cidr *ip, uint32_t port)
{
    for (size_t i = 0; i < listener->n_additional_addresses; i++)
        if (is_at(listener->additional_addresses[i]->address, ip, port))
            return true;
    return is_at(listener->address, ip, port);
}

/* Noted as tried. `only_bound`: a connection comes to its socket. */
static const pb_Listener *try_address(
    struct walking *w, const sent_listener_list *all, const char *address, bool only_bound)
{
    uint32_t port = w->call->port;
    struct walk_try tried = { arena_printf(w->a, "%s_%u", address, port), NULL };
    const pb_Listener *found = NULL;
    struct cidr ip;
    for (list_each (const pb_Listener *const, listener, all))
        if (!found && cidr_parse(address, &ip) && listens_at(*listener, &ip, port) &&
            (!only_bound || is_bound(*listener)))
            found = *listener;
    if (!found)
        tried.reason = only_bound ? "nothing listens at this address and port"
                                  : "there is no listener for this address and port";
    if (!found)
        list_push(w->a, &w->walk->listeners, tried);
    return found;
}

/* The address itself, then all addresses of its family. */
static const pb_Listener *find_by_address(
    struct walking *w, const sent_listener_list *all, bool only_bound)
{
    const char *address = w->call->address;
    if (!address) {
        const pb_Listener *v4 = try_address(w, all, "0.0.0.0", only_bound);
        return v4 ? v4 : try_address(w, all, "::", only_bound);
    }
    const pb_Listener *exact = try_address(w, all, address, only_bound);
    if (exact)
        return exact;
    return try_address(w, all, strchr(address, ':') ? "::" : "0.0.0.0", only_bound);
}

static const pb_Listener *find(struct walking *w, const sent_listener_list *all)
{
    const pb_Listener *entry = find_entry(w, all);
    if (!entry)
        return find_by_address(w, all, true);
    w->walk->is_redirected = true;
    const pb_Listener *found = hands_over(entry) ? find_by_address(w, all, false) : NULL;
    return found ? found : entry;
}

const pb_Listener *walk_find_listener(struct walking *w)
{
    sent_listener_list all = sent_listeners(w);
    const pb_Listener *found = find(w, &all);
    if (!found) {
        walk_stop(w, WALK_NO_LISTENER, NULL);
        return NULL;
    }
    struct walk_try taken = { found->name, NULL };
    list_push(w->a, &w->walk->listeners, taken);
    w->walk->listener = found->name;
    return found;
}

/* ---- listener filters ---- */

static bool covers_port(const pb_ListenerFilterChainMatchPredicate *p, uint32_t port)
{
    if (p->rule_case == CASE_OF_LISTENER(LISTENER_FILTER_CHAIN_MATCH_PREDICATE__RULE_OR_MATCH)) {
        for (size_t i = 0; i < p->or_match->n_rules; i++)
            if (covers_port(p->or_match->rules[i], port))
                return true;
        return false;
    }
    return p->rule_case ==
               CASE_OF_LISTENER(
                   LISTENER_FILTER_CHAIN_MATCH_PREDICATE__RULE_DESTINATION_PORT_RANGE) &&
           (int64_t)port >= p->destination_port_range->start &&
           (int64_t)port < p->destination_port_range->end;
}

static const char *lower(struct arena *a, const char *text)
{
    char *copy = arena_strdup(a, text);
    for (char *c = copy; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    return copy;
}

static void inspect_tls(struct walking *w)
{
    if (w->call->tls == CALL_PLAINTEXT)
        return;
    w->walk->transport = "tls";
    w->walk->applications = w->call->alpn;
    if (w->call->server_name)
        w->walk->server_name = lower(w->a, w->call->server_name);
}

/* TLS that nobody ends yet looks like no HTTP. */
static void inspect_http(struct walking *w)
{
    if (w->call->tls != CALL_PLAINTEXT || w->call->http == CALL_BYTES)
        return;
    list_push(w->a, &w->walk->applications, w->call->http == CALL_HTTP2 ? "h2c" : "http/1.1");
}

void walk_inspect(struct walking *w, const pb_Listener *listener)
{
    w->walk->transport = "raw_buffer";
    w->walk->server_name = "";
    for (size_t i = 0; i < listener->n_listener_filters; i++) {
        const pb_ListenerFilter *filter = listener->listener_filters[i];
        if (filter->filter_disabled && covers_port(filter->filter_disabled, w->call->port))
            continue;
        if (sent_any(w, filter->typed_config, &pb_TlsInspector_desc))
            inspect_tls(w);
        else if (sent_any(w, filter->typed_config, &pb_HttpInspector_desc))
            inspect_http(w);
    }
}
