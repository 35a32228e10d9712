"""What Envoys, the newest and the oldest, make of virtual hosts that come apart from their table: the rules that
xds/stream_hosts.h is made of."""

import os
import threading
import time

import pytest
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_components_pb2, route_pb2

from cluster import ENVOY
from harness import ROOT, wait_until
from test_xds_protocol import (ADS_SOURCE, backends, cluster, endpoints, fixture, free_port, get,  # noqa: F401
                               listener, raw_command, start_envoy)

ENVOYS = {"newest": ENVOY, "oldest": os.path.join(ROOT, "build", "venv", "oldest", "bin", "envoy")}
NO_ROUTE = "failed: HTTP Error 404: Not Found"


@pytest.fixture(params=ENVOYS)
def envoy(request, start_envoy):  # noqa: F811
    return lambda: start_envoy("delta", ENVOYS[request.param])


def table():
    return raw_command("RDS", "web", route_pb2.RouteConfiguration, {
        "name": "web", "vhds": {"config_source": dict(ADS_SOURCE, initial_fetch_timeout="0s")}})


def host(name, domains, to, path="/"):
    return raw_command("VHDS", f"web/{name}", route_components_pb2.VirtualHost, {
        "name": f"web/{name}", "domains": domains,
        "routes": [{"match": {"prefix": path}, "route": {"cluster": to}}]})


def until(port, wanted):
    wait_until(lambda: get(port) == wanted, f"the answer {wanted}", interval_s=0.02)


def clusters(ports):
    return [command for name, port in ports.items() for command in (cluster(name), endpoints(name, port))]


class Calls:
    """One after the other; what was answered otherwise than by a backend."""

    def __init__(self, port):
        self.port, self.failed, self.is_over, self.count = port, [], threading.Event(), 0
        self.thread = threading.Thread(target=self.call)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exception):
        self.is_over.set()
        self.thread.join()

    def call(self):
        while not self.is_over.is_set():
            answer = get(self.port)
            self.count += 1
            if answer not in ("blue /x", "green /x"):
                self.failed.append(answer)


def test_a_table_without_hosts_is_in_force(fixture, backends, envoy):  # noqa: F811
    port = free_port()
    fixture.publish(*clusters(backends), table(), listener(port))
    began = time.monotonic()
    envoy()

    until(port, NO_ROUTE)
    assert time.monotonic() - began < 10

    fixture.publish(host("a", ["*"], "blue"))
    until(port, "blue /x")
    fixture.publish("del VHDS web/a")
    until(port, NO_ROUTE)


def test_a_domain_that_moves_is_never_without_a_host(fixture, backends, envoy):  # noqa: F811
    port = free_port()
    fixture.publish(*clusters(backends), table(), listener(port), host("a", ["*"], "blue"))
    envoy()
    until(port, "blue /x")

    with Calls(port) as calls:
        for _ in range(10):
            fixture.publish("del VHDS web/a", host("b", ["*"], "green"))
            until(port, "green /x")
            fixture.publish("del VHDS web/b", host("a", ["*"], "blue"))
            until(port, "blue /x")
    assert calls.failed == [] and calls.count > 20
    assert fixture.stats()["nacks"] == 0


def test_what_was_refused_comes_again_whole_with_the_next_change(fixture, backends, envoy):  # noqa: F811
    port = free_port()
    fixture.publish(*clusters(backends), table(), listener(port), host("a", ["*"], "blue"),
                    host("b", ["b.test"], "blue"))
    envoy()
    until(port, "blue /x")

    with Calls(port) as calls:
        fixture.publish("del VHDS web/a", host("b", ["*"], "green"), host("c", ["*"], "green"))
        fixture.until(lambda stats: stats["nacks"] == 1)
        assert get(port) == "blue /x", "two have one domain: all of it is refused"
        fixture.publish(host("c", ["c.test"], "green"))
        until(port, "green /x")
    assert calls.failed == []
    assert fixture.stats()["nacks"] == 1


def test_hosts_refused_at_first_come_all_with_the_next_change(fixture, backends, envoy):  # noqa: F811
    port = free_port()
    fixture.publish(*clusters(backends), table(), listener(port), host("a", ["*"], "blue"),
                    host("b", ["*"], "green"))
    envoy()
    fixture.until(lambda stats: stats["nacks"] == 1)

    fixture.publish(host("b", ["b.test"], "green"))
    until(port, "blue /x")


def test_a_listener_that_comes_back_has_all_hosts_again(fixture, backends, envoy):  # noqa: F811
    port, other = free_port(), free_port()
    fixture.publish(*clusters(backends), table(), listener(port), host("a", ["*"], "blue"),
                    host("b", ["b.test"], "green"))
    envoy()
    until(port, "blue /x")

    fixture.publish("del LDS front")
    wait_until(lambda: "HTTP Error" not in get(port) and "failed" in get(port), "the listener is gone")
    fixture.until_synced()
    fixture.publish(listener(other))
    until(other, "blue /x")
    assert fixture.stats()["nacks"] == 0
