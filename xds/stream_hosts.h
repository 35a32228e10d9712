/*
 * stream_hosts: the virtual hosts of split route tables (VHDS): what sets the fifth type apart.
 *
 * A virtual host is a part of a table and named TABLE/HOST, split at the last slash. Nobody asks
 * for one: a proxy of Delta that got a table which says so subscribes to virtual hosts once,
 * without names, and is then to have all of each table that it has. Measured of Envoys:
 *
 * - It takes hosts of a table only while it has the table, and acknowledges others all the same.
 *   The first response that touches a table puts it into force. So a table's hosts follow the
 *   acknowledgement of the table, and whenever the table begins anew (it was asked for again, or
 *   refused before), all of them go in one response: what was sent earlier is forgotten.
 * - An empty response touches nothing. A table begins with the removal of TABLE/none, which is
 *   never there, so that one without hosts is in force, too. (Kept as a name that is asked for.)
 * - A response is taken or refused whole: each is about one table, in which a domain may move from
 *   one host to another, so what is removed goes with what is added. After a refusal all that was
 *   in that response goes again with the table's next change, and not before.
 * - A proxy that comes back tells the hosts it was ever sent: they count for tables that it brings
 *   along as well. When it gives a table up, its hosts are removed, and so not told again.
 * - A table that is gone while the proxy still asks for it (its listener drains) keeps its hosts.
 */
#ifndef XDS_STREAM_HOSTS_H
#define XDS_STREAM_HOSTS_H

#include "xds/stream_parts.h"

/* The proxy subscribes to virtual hosts: those that it says it has are known already. */
void stream_hosts_open(struct xds_stream *s);

/* The stream has just sent tables that the proxy did not have. */
void stream_hosts_begin(struct xds_stream *s, const string_list *tables);
void stream_hosts_give_up(struct xds_stream *s, const string_list *tables);

/* Whose turn it is: the first table of which something is to be said; .table is NULL when there is
 * none. */
struct hosts_turn stream_hosts_turn(struct xds_stream *s);
bool stream_hosts_is_turn(const struct hosts_turn *turn, const char *name);

/* What is in flight was refused, and its removals with it. */
void stream_hosts_refuse(struct xds_stream *s);

/* For status: is it a host that is known of the proxy, or that it is to have, and not the one that
 * is never there? */
bool stream_hosts_concern(const struct xds_stream *s, const char *name, bool is_known);

#endif
