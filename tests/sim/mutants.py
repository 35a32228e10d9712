#!/usr/bin/env python3
"""Shows that the simulator's checks fire: pilotds that are broken in one place each must be found.

    mutants.py [NAME...]          `make sim-mutants`

Each mutant is one replacement in one file, and the invariant that must be told broken within
SEEDS histories, whatever else it breaks in some of them. A replacement whose text is gone fails: it
is to be written anew. The commands to compile and to link come from the Makefile (MUTANT_CC,
MUTANT_LINK, MUTANT_LIBS).
"""

import collections
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SEEDS = 1500

Mutant = collections.namedtuple("Mutant", "name file old new invariant")

SERVED = "what is served at a revision is what etcd's history says"
OPENED = "a new stream is shown nothing older than what was committed when it was opened"
BACK = "no proxy goes back"
TWICE = "nothing is sent twice"
HOLE = "nothing refers to a cluster that is not there"
REST = "all replicas come to serve the newest revision"
PROXY_REST = "every proxy has what a build from nothing gives it"
LOST = "what a replica holds is what etcd has"
HELD = "the last good value is held in place of a rejected one"
AGAIN = "nobody is refused over and over"
GIVEN_UP = "no watch is given up that has just begun"
EPOCH = "an epoch is made once"
SHARE = "all replicas come to have no more streams than their cap"

MUTANTS = [
    Mutant("lets-everybody-in", "pilotd/daemon/gate.c",
           "reply->revision <= g->known", "reply->revision >= 0", OPENED),
    Mutant("lets-everybody-in-who-comes-back", "pilotd/daemon/gate.c",
           "reply->revision <= g->known", "reply->revision >= 0", BACK),
    Mutant("reads-before-the-stream-opens", "pilotd/daemon/serving.c",
           "subscriber, s->ticket + 1);", "subscriber, s->is_asking ? s->ticket : s->ticket + 1);", OPENED),
    Mutant("overtakes-with-a-verdict", "pilotd/daemon/serving.c",
           "free_order, .is_barrier = true };", "free_order };", OPENED),
    Mutant("shows-views-to-those-who-wait", "pilotd/daemon/scope_table.c",
           "        if (s->ticket == 0)\n            s->subscriber->on_view",
           "        if (s->ticket < UINT64_MAX)\n            s->subscriber->on_view", OPENED),
    Mutant("says-that-it-knows-more", "pilotd/daemon/control.c",
           "    gate_published(&c->gate, c->served_revision);",
           "    gate_published(&c->gate, c->revision);", OPENED),
    Mutant("forgets-what-proxies-have", "xds/stream_requests.c",
           "        take_initial(s, request, a);",
           "        if (!request)\n            take_initial(s, request, a);", TWICE),
    Mutant("breaks-before-it-makes", "xds/stream.c",
           "{ XDS_LISTENER, XDS_ROUTE, XDS_CLUSTER, XDS_ENDPOINT }",
           "{ XDS_CLUSTER, XDS_ENDPOINT, XDS_LISTENER, XDS_ROUTE }", HOLE),
    Mutant("waits-for-nothing", "xds/stream.c",
           "        if (must_wait(s, type))\n            return false;", "", HOLE),
    Mutant("forgets-cold-clusters", "xds/stream.c",
           "            *e |= KNOWN_RESEND;\n            endpoints->is_dirty = true;", "", "no cluster warms for ever"),
    Mutant("is-silent-of-endpoints-that-went", "xds/stream.c",
           "    } else if (b->type == XDS_ENDPOINT) {\n        add_no", "    } else if (!b->s) {\n        add_no",
           "no cluster warms for ever"),
    Mutant("loses-an-event", "replication/etcd_store.c",
           "            continue; /* known from the listing */",
           "            continue;\n        if (change->entry.mod_revision % 40 == 0)\n            continue;",
           SERVED),
    Mutant("tells-half-a-revision", "replication/etcd_store.c",
           "    if (!watch.is_fragment)\n        tell_events(e);", "    tell_events(e);", SERVED),
    Mutant("forgets-what-went-while-it-was-away", "replication/etcd_store.c",
           "    key_index_gone(e->index, e->held_arena, e->listed.revision, &e->held);", "",
           LOST),
    Mutant("watches-on-after-a-compaction", "replication/etcd_store.c",
           "    e->must_list = true;\n    rest(e, e->member, problem);",
           "    e->base.status.revision += 5;\n    rest(e, e->member, problem);", SERVED),
    Mutant("believes-a-restored-etcd", "replication/etcd_store.c",
           "finding->verdict == ETCD_SAME || finding->is_compacted",
           "finding->verdict != ETCD_NOT_KNOWN", REST),
    Mutant("spans-a-wait", "pilotd/daemon/control.c",
           "        had_to_wait |= must_wait(c);\n", "", SERVED),
    Mutant("compares-with-a-former-history", "pilotd/daemon/control.c",
           "revision < c->revision || histories != c->told_histories",
           "revision < c->revision", REST),
    Mutant("publishes-while-it-waits", "pilotd/daemon/control.c",
           "return c->has_shared_store && c->keyspace.waiting > 0;",
           "return c->has_shared_store && c->keyspace.waiting > SIZE_MAX / 2;", SERVED),
    Mutant("holds-nothing", "pilotd/keyspace/keyspace_holds.c",
           "    if (is_good_enough(h, r->former))\n        return false;",
           "    if (r)\n        return false;", HELD),
    Mutant("keeps-holds", "pilotd/keyspace/keyspace_holds.c",
           "return is_there && (!lost || !lost->is_held);", "return is_there && lost && !lost->is_held;",
           "a hold goes when the value is good again"),
    Mutant("holds-nothing-that-vanishes", "pilotd/keyspace/keyspace_holds.c",
           "if (k->is_live && object", "if (!k && object", "instances that vanish at once are held"),
    Mutant("holds-who-dies-alone", "pilotd/keyspace/expiry.c",
           "return gone >= EXPIRY_LEAST &&", "return gone > 0 &&", "a single death is held up by nobody"),
    Mutant("remembers-the-dead-of-a-former-history", "pilotd/daemon/control.c",
           "        keyspace_forget_past(&c->keyspace);\n", "", "a single death is held up by nobody"),
    Mutant("brings-back-a-former-history", "pilotd/keyspace/keyspace_holds.c",
           "    if (k->has_other_past) {", "    if (!k) {", "what is held stood under its key"),
    Mutant("heeds-no-farewell", "pilotd/keyspace/keyspace_holds.c",
           "h->created && !map_find(&k->tombstones, key) ? h : NULL", "h->created ? h : NULL",
           "a hold goes when its instance is back, or has said farewell"),
    Mutant("keeps-holds-of-who-is-back", "pilotd/keyspace/keyspace_holds.c",
           "return is_there && (!lost || !lost->is_held);", "return is_there && lost && !lost->is_held;",
           "a hold goes when its instance is back, or has said farewell"),
    Mutant("builds-of-yesterday", "pilotd/daemon/builder.c",
           "    translator_begin(b->translator, b->snapshot);",
           "    if (b->order.revision % 10 != 7)\n        translator_begin(b->translator, b->snapshot);",
           SERVED),
    Mutant("has-a-view-and-keeps-it", "pilotd/daemon/control.c",
           "        serving_hand_over(serving, scope, view);", "        (void)serving;", PROXY_REST),
    Mutant("refuses-when-nobody-has-room", "xds/quota.c",
           "    while (room > 0)", "    while (cap > 0)", AGAIN),
    Mutant("sheds-nothing", "pilotd/daemon/control.c",
           "    shed(c, (size_t)v.shed);\n", "", SHARE),
    Mutant("gives-up-a-watch-that-has-just-begun", "pilotd/daemon/replica.c",
           "uv_now(r->loop) - status->following_since_ms >= ms;", "ms > 0;", GIVEN_UP),
    Mutant("makes-another-epoch", "pilotd/daemon/epoch.c",
           "    if (e->value && !e->has_other_past) {", "    if (!e->level) {", EPOCH),
    Mutant("leaves-a-garbled-epoch", "pilotd/daemon/epoch.c",
           "    if (e->value && store", "    if (e->mod_revision > 0 || store",
           "the key cluster is mended, and known"),
    Mutant("keeps-a-dead-lease", "replication/lease.c",
           "    k->lease = STORE_LEASE_NONE;\n    ask_in(k, 0);", "    ask_in(k, 0);", REST),
]


def build(mutant, folder):
    text = open(os.path.join(ROOT, mutant.file), encoding="utf-8").read()
    if text.count(mutant.old) != 1:
        return f"the text to replace is in {mutant.file} {text.count(mutant.old)} times"
    source = os.path.join(folder, os.path.basename(mutant.file))
    with open(source, "w", encoding="utf-8") as file:
        file.write(text.replace(mutant.old, mutant.new))
    commands = [shlex.split(os.environ["MUTANT_CC"]) + ["-w", "-c", "-o", source + ".o", source],
                shlex.split(os.environ["MUTANT_LINK"]) + ["-o", os.path.join(folder, "sim"), source + ".o"]
                + shlex.split(os.environ["MUTANT_LIBS"])]
    for command in commands:
        done = subprocess.run(command, cwd=ROOT, text=True, stderr=subprocess.PIPE)
        if done.returncode:
            return done.stderr[-2000:]
    return None


def try_mutant(mutant):
    """What is wrong with the simulator, or None."""
    with tempfile.TemporaryDirectory() as folder:
        fault = build(mutant, folder)
        if fault:
            return fault
        return find(mutant, os.path.join(folder, "sim"))


def find(mutant, sim):
    began, first, others = time.monotonic(), 1, set()
    while first <= SEEDS:
        done = subprocess.run([sim, str(SEEDS - first + 1), str(first)], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        told = re.search(r"seed (\d+): broken: (.*)", done.stderr)
        if done.returncode == 0:
            break
        if not told:
            return done.stderr.strip()
        if told.group(2) == mutant.invariant:
            print(f"found    {mutant.name}: seed {told.group(1)}, {time.monotonic() - began:.1f} s:"
                  f" {told.group(2)}", flush=True)
            return None
        first = int(told.group(1)) + 1
        others.add(told.group(2))
    return f"not told in {SEEDS} histories: {mutant.invariant}; but: {sorted(others)}"


def main():
    wanted = [m for m in MUTANTS if not sys.argv[1:] or m.name in sys.argv[1:]]
    failed = 0
    for mutant in wanted:
        fault = try_mutant(mutant)
        if fault:
            failed += 1
            print(f"FAILED   {mutant.name}: {fault}", flush=True)
    print(f"{len(wanted) - failed} passed, {failed} failed")
    return 1 if failed or not wanted else 0


if __name__ == "__main__":
    sys.exit(main())
