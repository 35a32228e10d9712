"""A replica that is short of descriptors: proxies do not get the last ones."""

import contextlib
import resource
import socket

import pytest

from harness import World, cluster_name, wait_until

WEB = cluster_name("web")
LIMIT = 100  # of which a quarter is kept


@pytest.fixture
def world(etcd):
    with World(etcd) as made:
        made.put_service("web")
        yield made


class Crowd:
    """As many connections as get in. One that a passing descriptor kept out makes room for another, so
    whoever looks at a full replica presses on."""

    def __init__(self, replica):
        self.address, self.sockets = replica.xds.rsplit(":", 1), []

    def press(self, count=1):
        for _ in range(count):
            self.sockets.append(socket.create_connection((self.address[0], int(self.address[1])), 5))

    def until(self, condition, what):
        def is_so():
            self.press()
            return condition()
        wait_until(is_so, what)

    def close(self):
        for one in self.sockets:
            one.close()


@contextlib.contextmanager
def crowd(replica):
    made = Crowd(replica)
    try:
        made.press(LIMIT)
        yield made
    finally:
        made.close()


def was_hung_up_on(one):
    one.settimeout(0.2)
    try:
        return one.recv(1) == b""
    except socket.timeout:
        return False
    except ConnectionError:
        return True


def says_that_it_is_full(replica):
    status, text = replica.get("/ready")
    return status == 404 and "descriptors" in text


def limit(replica, count):
    _, hard = resource.prlimit(replica.popen.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(replica.popen.pid, resource.RLIMIT_NOFILE, (count, hard))


def test_it_keeps_what_it_has_and_says_that_it_is_full(world):
    replica = world.replica()
    client = world.connect(replica)
    client.wait_for("CDS", WEB)
    limit(replica, LIMIT)

    with crowd(replica) as pressing:
        pressing.until(lambda: was_hung_up_on(pressing.sockets[-1]), "newcomers are hung up on")
        pressing.until(lambda: says_that_it_is_full(replica), "it is not ready")
        pressing.until(lambda: "open files" in replica.status()["problem"], "the status says why")
        assert replica.get("/serving")[0] == 200
        assert replica.metric("pilotd_connections_refused_total") > 0
        world.put_service("other")
        client.wait_for("CDS", cluster_name("other"))

    wait_until(lambda: replica.get("/ready")[0] == 200, "it is ready again")
    world.connect(replica).wait_for("CDS", WEB)


def test_a_higher_limit_makes_room(world):
    replica = world.replica()
    limit(replica, LIMIT)
    with crowd(replica) as pressing:
        pressing.until(lambda: says_that_it_is_full(replica), "it is not ready")

        limit(replica, 4 * LIMIT)

        wait_until(lambda: replica.get("/ready")[0] == 200, "it is ready")
        world.connect(replica).wait_for("CDS", WEB)
