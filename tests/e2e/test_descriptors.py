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


@contextlib.contextmanager
def crowd(replica):
    """More connections than there are descriptors."""
    host, port = replica.xds.rsplit(":", 1)
    sockets = []
    try:
        for _ in range(LIMIT):
            sockets.append(socket.create_connection((host, int(port)), 5))
        yield sockets
    finally:
        for one in sockets:
            one.close()


def was_hung_up_on(one):
    one.settimeout(5)
    try:
        return one.recv(1) == b""
    except ConnectionError:
        return True


def limit(replica, count):
    _, hard = resource.prlimit(replica.popen.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(replica.popen.pid, resource.RLIMIT_NOFILE, (count, hard))


def test_it_keeps_what_it_has_and_says_that_it_is_full(world):
    replica = world.replica()
    client = world.connect(replica)
    client.wait_for("CDS", WEB)
    limit(replica, LIMIT)

    with crowd(replica) as sockets:
        assert was_hung_up_on(sockets[-1])
        wait_until(lambda: replica.get("/ready")[0] == 404, "it is not ready")
        assert "descriptors" in replica.get("/ready")[1]
        assert replica.get("/serving")[0] == 200
        assert "open files" in replica.status()["problem"]
        assert replica.metric("pilotd_connections_refused_total") > 0
        world.put_service("other")
        client.wait_for("CDS", cluster_name("other"))

    wait_until(lambda: replica.get("/ready")[0] == 200, "it is ready again")
    world.connect(replica).wait_for("CDS", WEB)


def test_a_higher_limit_makes_room(world):
    replica = world.replica()
    limit(replica, LIMIT)
    with crowd(replica):
        wait_until(lambda: replica.get("/ready")[0] == 404, "it is not ready")

        limit(replica, 4 * LIMIT)

        wait_until(lambda: replica.get("/ready")[0] == 200, "it is ready")
        world.connect(replica).wait_for("CDS", WEB)
