#!/usr/bin/env python3
"""Shows that the checker's checks fire: builds pilotds that break one invariant each, and runs them.

    mutants.py [NAME...]          `make chaos-mutants`; needs root

Each mutant is one replacement in one file of a copy of the tree, a scenario that must find it, and the
invariant that must be told broken. A replacement whose text is gone fails: it is to be written anew.
"""

import argparse
import collections
import os
import shutil
import subprocess
import sys
import tempfile

from run import HERE, in_child

ROOT = os.path.dirname(HERE)
COPIED = ("Makefile", "base", "proto", "replication", "xds", "pilotd", "tests", "build/gen", "build/obj",
          "build/libpilot.a")

Mutant = collections.namedtuple("Mutant", "name file old new scenario invariant")

KEYSPACE_APPLY = "    if (begins_with(key, HOLDS_PREFIX))\n"

MUTANTS = [
    Mutant("every-process-its-hash", "pilotd/daemon/builder.c",
           "p->hash = b->hash = translator_hash(b->translator);",
           "b->hash = translator_hash(b->translator);\n    *(char *)&b->hash ^= (char)uv_os_getpid();\n"
           "    p->hash = b->hash;",
           "steady", "same revision, same hash"),
    Mutant("forgets-what-proxies-have", "xds/stream_requests.c",
           "        take_initial(s, request, a);",
           "        if (!request)\n            take_initial(s, request, a);",
           "reconnect-all", "nothing twice"),
    Mutant("goes-back-now-and-then", "pilotd/daemon/builder.c",
           "    translator_begin(b->translator, b->snapshot);",
           """    static unsigned count;
    static struct snapshot *old;
    if (++count % 10 == 5)
        old = snapshot_retain(b->snapshot);
    if (count % 10 == 0 && old) {
        snapshot_release(b->snapshot);
        b->snapshot = old;
        old = NULL;
    }
    translator_begin(b->translator, b->snapshot);""",
           "steady", "no way back"),
    Mutant("wrong-weights", "pilotd/translate/locality.c",
           "return divisor == 1 ? e->weight :", "return divisor == 1 ? e->weight + 1 :",
           "steady", "what history says"),
    Mutant("drops-an-instance", "pilotd/keyspace/keyspace.c", KEYSPACE_APPLY,
           """    static unsigned count;
    if (++count == 88)
        keyspace_drop(k, "registry/default/web/i0");
""" + KEYSPACE_APPLY,
           "steady", "no live endpoint missing"),
    Mutant("drops-a-service", "pilotd/keyspace/keyspace.c", KEYSPACE_APPLY,
           """    static unsigned count;
    if (++count % 20 == 0)
        for (char name[] = "registry/default/web/i0"; name[22] < '4'; name[22]++)
            keyspace_drop(k, name);
""" + KEYSPACE_APPLY,
           "steady", "no failed request"),
    Mutant("always-ready", "pilotd/daemon/control.c",
           "const char *control_staleness(const struct control *c)\n{",
           "const char *control_staleness(const struct control *c)\n{\n    if (c)\n        return \"\";",
           "cut-off-drop", "ready means fresh"),
    Mutant("falls-asleep", "pilotd/daemon/builder.c",
           "    uint64_t began_ns = uv_hrtime();\n    if (b->order.is_whole)",
           "    uint64_t began_ns = uv_hrtime();\n    static uint64_t start_ns;\n"
           "    start_ns = start_ns ? start_ns : began_ns;\n"
           "    if (began_ns - start_ns > 9000000000)\n        uv_sleep(5500);\n    if (b->order.is_whole)",
           "steady", "converged in time"),
    Mutant("keeps-descriptors", "xds/server.c",
           "    struct h2_connection *c = h2_accept((uv_stream_t *)&l->tcp, &options);",
           "    INVARIANT(dup(0) > 0);\n"
           "    struct h2_connection *c = h2_accept((uv_stream_t *)&l->tcp, &options);",
           "reconnect-all", "bounded"),
    Mutant("dies-of-a-refusal", "xds/stream_requests.c",
           "    struct type_state *t = &s->types[request->type];\n    bool is_first = !t->is_subscribed;",
           "    struct type_state *t = &s->types[request->type];\n    bool is_first = !t->is_subscribed;\n"
           "    INVARIANT(!request->error_detail);",
           "refuse-all", "replicas live"),
    Mutant("takes-clusters-away-first", "xds/stream.c",
           "            if (found[type].has_additions || owes_answer(s, type))\n"
           "                send(s, type, false, &found[type], out);",
           "            if (found[type].has_additions || found[type].has_removals || owes_answer(s, type))\n"
           "                send(s, type, true, &found[type], out);",
           "new-and-gone", "make before break"),
    Mutant("routes-before-clusters", "xds/stream.c",
           "    for (enum xds_type type = 0; type < XDS_TYPE_COUNT; type++) {\n"
           "        struct type_state *t = &s->types[type];\n        if (!t->is_subscribed)\n"
           "            continue;\n        if (must_wait(s, type))",
           "    for (enum xds_type type = XDS_TYPE_COUNT; type-- > 0;) {\n"
           "        struct type_state *t = &s->types[type];\n        if (!t->is_subscribed)\n"
           "            continue;\n        if (s->awaits_names && must_wait(s, type))",
           "new-and-gone", "make before break"),
    Mutant("compares-what-does-not-meet", "pilotd/daemon/peers.c",
           "        if (meets(&p->spans[i], r) && (strcmp", "        if ((meets(&p->spans[i], r) || *p->spans[i].hash) && (strcmp",
           "steady", "no false alarm"),
]


def copy_tree():
    target = tempfile.mkdtemp(prefix="pilotd-mutants-")
    for name in COPIED:
        os.makedirs(os.path.dirname(os.path.join(target, name)), exist_ok=True)
        subprocess.run(["cp", "-a", os.path.join(ROOT, name), os.path.join(target, name)], check=True)
    return target


def build(tree, mutant):
    """The path of the mutant's pilotd; the tree is as before."""
    path = os.path.join(tree, mutant.file)
    with open(path, encoding="utf-8") as source:
        text = source.read()
    if text.count(mutant.old) != 1:
        raise ValueError(f"{mutant.name}: {mutant.file} has its text {text.count(mutant.old)} times")
    try:
        with open(path, "w", encoding="utf-8") as out:
            out.write(text.replace(mutant.old, mutant.new))
        subprocess.run(["make", "-s", "-C", tree, "build/pilotd"], check=True, stdout=subprocess.DEVNULL)
        return shutil.copy(os.path.join(tree, "build/pilotd"), os.path.join(tree, mutant.name))
    finally:
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    options = argparse.Namespace(seed=1, logs=os.path.join(ROOT, "build", "chaos-mutants"), pilotd=None)
    tree, missed = copy_tree(), []
    try:
        for mutant in MUTANTS:
            if arguments.names and mutant.name not in arguments.names:
                continue
            path = os.path.join(HERE, "scenarios", f"{mutant.scenario}.chaos")
            result = in_child(path, options, build(tree, mutant))
            is_found = mutant.invariant in result["broken"]
            print(f"{'found' if is_found else 'MISSED'}: {mutant.name}: {mutant.invariant}", flush=True)
            missed += [] if is_found else [mutant.name]
    finally:
        shutil.rmtree(tree, ignore_errors=True)
    print("missed: " + (", ".join(missed) or "none"))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
