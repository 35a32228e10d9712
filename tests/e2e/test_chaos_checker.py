"""The checker of chaos/ by itself, told of what happened: each of its checks can fail, and does not for nothing."""

import glob
import json
import os
import sys

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "chaos"))

import checker as c  # noqa: E402
import scenario  # noqa: E402
import steps  # noqa: E402
from model import cluster_name  # noqa: E402

CLOCK = "registry/default/clock/now"


def instance(port):
    return json.dumps({"address": "10.0.0.1", "ports": {"http": port}})


@pytest.fixture
def checker():
    """History: the clock is 1 at revision 10, 2 at 20, 3 at 30."""
    made = c.Checker()
    made.on_restart(0.0, 10, {CLOCK: (10, instance(1))})
    made.on_event(1.0, 20, CLOCK, instance(2))
    made.on_event(2.0, 30, CLOCK, instance(3))
    return made


def respond(checker, port, held="new", at=3.0, number=0, replica="pilotd-1"):
    name, version = cluster_name("clock"), f"v{port}"
    checker.on_proxy({"e": "fact", "version": f"EDS {name} {version}", "fact": [["10.0.0.1", port, 1]]})
    checker.on_proxy({"e": "open", "c": number, "t": at})
    checker.on_proxy({"e": "response", "c": number, "t": at, "replica": replica, "type": "EDS",
                      "hash": version, "nonce": "1", "first": True, "removed": [],
                      "set": [[name, version, 100, held]]})


def record(replica, first, last, text, level=1):
    return {"id": replica, "snapshotRevision": first, "revision": last, "hash": text, "level": level}


def test_what_is_right_breaks_nothing(checker):
    for port in (1, 2, 3):
        respond(checker, port)
    checker.take_span("record", record("pilotd-1", 10, 19, "aa"))
    checker.take_span("record", record("pilotd-2", 12, 15, "aa"))
    checker.take_span("record", record("pilotd-2", 20, 25, "bb"))
    checker.take_span("record", record("pilotd-3", 10, 19, "cc", level=2))
    checker.on_end()

    assert checker.violations == {} and checker.proxies[0].floor == 30


def test_going_back_over_another_replica_is_found(checker):
    respond(checker, 3)
    respond(checker, 2, replica="pilotd-2")
    checker.on_end()

    assert list(checker.violations) == [c.BACK]


def test_what_never_was_is_found(checker):
    respond(checker, 7)
    checker.on_end()

    assert list(checker.violations) == [c.HISTORY]


def test_history_may_be_told_after_the_response(checker):
    respond(checker, 4)
    assert checker.violations == {}
    checker.on_event(4.0, 40, CLOCK, instance(4))
    checker.on_end()

    assert checker.violations == {} and checker.proxies[0].floor == 40


def test_two_hashes_of_one_revision_are_found(checker):
    checker.take_span("record", record("pilotd-1", 10, 19, "aa"))
    checker.take_span("status", record("pilotd-2", 15, 25, "bb"))

    assert list(checker.violations) == [c.AGREEMENT]


def test_what_is_sent_twice_is_counted(checker):
    respond(checker, 3)
    respond(checker, 3, held="held")

    assert list(checker.violations) == [c.TWICE] and checker.counts["bytes twice"] == 100


def tell(checker, kind, added=(), removed=()):
    checker.on_proxy({"e": "response", "c": 0, "t": 3.0, "replica": "pilotd-1", "type": kind, "hash": "h",
                      "nonce": "1", "first": False, "removed": list(removed),
                      "set": [[name, "v1", 100, "new"] for name in added]})


def test_a_route_to_a_cluster_that_is_not_there_is_found(checker):
    checker.on_proxy({"e": "fact", "version": "RDS 8080 v1", "fact": {"hosts": {}, "clusters": ["c"]}})
    checker.on_proxy({"e": "open", "c": 0, "t": 3.0})
    tell(checker, "CDS", ["c"])
    tell(checker, "RDS", ["8080"])
    assert c.BREAKS not in checker.violations
    tell(checker, "CDS", removed=["c"])
    assert checker.counts[c.BREAKS] == 1, "it went before its route"
    tell(checker, "RDS", ["8080"])
    assert checker.counts[c.BREAKS] == 2, "it comes after its route"


def test_a_live_endpoint_that_is_missing_is_found(checker):
    checker.model.apply(3.0, 40, "registry/default/clock/other", json.dumps(
        {"address": "10.0.0.2", "ports": {"http": 1}}))
    respond(checker, 3)
    checker.proxies[0].had.add(("clock", ("10.0.0.2", 1, 1)))
    checker.tick(6.0)
    assert c.MISSING not in checker.violations
    checker.tick(8.5)

    assert c.MISSING in checker.violations


def test_a_held_value_is_no_change_and_a_deletion_is_one(checker):
    checker.model.apply(3.0, 40, CLOCK, "{")
    assert checker.model.endpoints["clock"].now() == (("10.0.0.1", 3, 1),)
    checker.model.apply(3.0, 41, CLOCK, None)
    assert checker.model.endpoints["clock"].now() == ()


def test_an_absent_instance_is_there_while_it_is_held(checker):
    def now():
        return checker.model.endpoints["clock"].now()

    hold = json.dumps({"of": 3, "created": 3, "since": 40, "why": "expired",
                       "value": {"address": "10.0.0.1", "ports": {"http": 3}}})
    there = (("10.0.0.1", 3, 1),)
    steps = ((CLOCK, None, ()), ("holds/" + CLOCK, hold, there), ("tombstones/" + CLOCK, "{}", ()),
             ("tombstones/" + CLOCK, None, there), ("holds/" + CLOCK, None, ()),
             ("holds/" + CLOCK, hold, there), (CLOCK, "{", ()))
    for revision, (key, value, wanted) in enumerate(steps, 40):
        checker.model.apply(3.0, revision, key, value)
        assert now() == wanted, (key, value)


def test_ready_means_fresh(checker):
    for now in (10.0, 12.0):
        checker.on_poll(now, "pilotd-1", True, record("pilotd-1", 10, 19, "aa"), 50, 1)

    assert list(checker.violations) == [c.READY]


def test_every_scenario_can_be_read():
    paths = glob.glob(os.path.join(ROOT, "chaos", "scenarios", "*.chaos"))
    for path in paths:
        read = scenario.load(path)
        assert read.hypothesis and read.steps, path
        for _, words, inner in read.steps:
            assert inner is not None or hasattr(steps.Steps, "do_" + words[0].replace("-", "_")), words
    assert len(paths) > 20
