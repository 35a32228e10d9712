"""pilotd as a service of systemd, which service_manager.py plays: what it tells, and the unit's strictness."""

import glob
import os
import re
import shutil
import signal
import socket
import subprocess
import threading

import grpc
import pytest

from certificates import Authority
from harness import Delta, Etcd, ROOT, World, free_port, wait_until
from service_manager import UNIT_FILE, Unit, allowed_calls

MAX_EXPOSURE = 20  # tenths


@pytest.fixture
def world(etcd):
    with World(etcd) as there:
        yield there


@pytest.fixture
def unit(world):
    with Unit(world) as there:
        yield there


def test_it_is_ready_when_ready_says_so_and_tells_how_it_goes(world, unit):
    replica = unit.start().wait_ready()
    since = unit.wait_told("READY=1")

    world.wait_served(replica, world.put_service())
    client = world.connect(replica)
    client.wait_for("CDS", "outbound|80||web.default.svc.cluster.local")

    unit.wait_told(r"STATUS=serving; 1 streams, revision \d+", since)
    assert unit.told.count("READY=1") == 1


def test_it_is_not_ready_while_etcd_is_away_and_says_why(tmp_path):
    later = free_port()
    with World(directory=str(tmp_path / "world")) as world:
        os.makedirs(world.directory)
        with Unit(world) as unit:
            unit.start(store=f"etcd://127.0.0.1:{later}/pilot")
            unit.wait_told(r"STATUS=no snapshot is served yet; 0 streams, revision 0")
            before = list(unit.told)
            etcd = Etcd.start(str(tmp_path), later)
            unit.wait_told("READY=1")
            unit.wait_told("STATUS=serving; .*")
            etcd.kill()
            unit.wait_told("STATUS=stale: .*")

    assert "READY=1" not in before


def test_its_watchdog_hears_of_the_control_loop_only_while_that_turns(world, unit):
    replica = unit.start().wait_ready()
    unit.wait_told("WATCHDOG=1")
    unit.wait_told("WATCHDOG=1", len(unit.told))

    control_loop = f"/proc/{replica.popen.pid}/task/{replica.popen.pid}"
    os.kill(replica.popen.pid, signal.SIGSTOP)
    wait_until(lambda: " T " in open(f"{control_loop}/stat", encoding="utf-8").read(), "it stands still")
    told = len(unit.told)
    with unit.news:
        assert not unit.news.wait_for(lambda: "WATCHDOG=1" in unit.told[told + 1:], 2)  # one may have been under way
    os.kill(replica.popen.pid, signal.SIGCONT)

    unit.wait_told("WATCHDOG=1", len(unit.told))


def test_no_watchdog_no_signs_of_life(world):
    with Unit(world, env={"WATCHDOG_USEC": ""}) as unit:
        replica = unit.start().wait_ready()
        unit.wait_told("READY=1")
        replica.stop()

    assert "WATCHDOG=1" not in unit.told


def test_a_reload_begins_and_ends(world, unit):
    replica = unit.start().wait_ready()
    since = unit.wait_told("READY=1")

    replica.signal(signal.SIGHUP)

    since = unit.wait_told("RELOADING=1", since)
    since = unit.wait_told(r"MONOTONIC_USEC=\d+", since)
    unit.wait_told("READY=1", since)


def test_it_tells_that_it_stops_and_for_how_long_it_may(world, unit):
    replica = unit.start("--drain-spread", "200ms", "--drain-grace", "300ms").wait_ready()
    client = world.connect(replica)
    wait_until(lambda: client.responses, "an answer")

    assert replica.stop() == 0

    since = unit.wait_told("STOPPING=1")
    unit.wait_told("EXTEND_TIMEOUT_USEC=13500000", since)


def test_a_name_of_a_socket_that_is_none_is_told(world):
    replica = world.pilotd(env={"NOTIFY_SOCKET": "nonsense"})
    assert replica.wait() == 2
    assert 'NOTIFY_SOCKET: must be a path, not "nonsense"' in replica.log()


# ---- sockets that are handed over ----

def listening():
    there = socket.socket()
    there.bind(("127.0.0.1", 0))
    there.listen(512)
    return there


def address_of(there):
    return "%s:%d" % there.getsockname()


@pytest.fixture
def held(world):
    """A unit whose sockets for proxies and for the admin port are systemd's."""
    with Unit(world, {"admin": listening(), "xds": listening()}) as there:
        yield there


def test_it_serves_at_the_sockets_it_is_given_with_all_its_loops(world, held):
    replica = held.start("--threads", "3", "--xds", "127.0.0.1:1").wait_ready()

    assert replica.xds == address_of(held.sockets["xds"])
    assert re.search(rf'level=warn .*"a socket stands in the place of a setting" setting=xds '
                     rf'given=127.0.0.1:1 socket={replica.xds}', replica.log())
    assert replica.admin == address_of(held.sockets["admin"])
    clients = [world.connect(replica, f"sidecar~10.9.0.{i}~p{i}.default~default.svc.cluster.local") for i in range(30)]
    for client in clients:
        wait_until(lambda: client.responses and not client.error, "an answer")
    assert replica.metric("pilotd_connections") == 30


def test_who_connects_while_it_is_away_is_served_after_the_restart(world, held):
    first = held.start().wait_ready()
    world.wait_served(first, world.put_service())
    assert first.stop() == 0

    client = world.connect(first)
    asked = socket.create_connection(held.sockets["admin"].getsockname(), 20)
    asked.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    held.start(name="again", replica_id="r1").wait_ready()

    client.wait_for("CDS", "outbound|80||web.default.svc.cluster.local")
    assert client.error is None
    with asked:
        assert asked.recv(65536).startswith(b"HTTP/1.1 200")


def test_a_restart_under_traffic_refuses_no_connection(world, held):
    """Somebody connects all the time, through a drain, a gap and a start."""
    first = held.start().wait_ready()
    where, end, counts = held.sockets["xds"].getsockname(), threading.Event(), {"made": 0, "refused": 0}

    def knock():
        while not end.is_set():
            try:
                socket.create_connection(where, 20).close()
                counts["made"] += 1
            except OSError:
                counts["refused"] += 1
            end.wait(0.002)

    knocking = threading.Thread(target=knock)
    knocking.start()
    try:
        client = world.connect(first)
        wait_until(lambda: client.responses, "an answer")
        assert first.stop() == 0
        made = counts["made"]
        wait_until(lambda: counts["made"] > made + 20, "connections while nobody is there")
        second = held.start(name="again", replica_id="r1").wait_ready()
        world.connect_until_served(second)
    finally:
        end.set()
        knocking.join()

    assert counts["refused"] == 0 and counts["made"] > 20


def test_with_tls_too(world, tmp_path):
    authority = Authority(str(tmp_path))
    certificate, key = authority.issue("pilotd", "IP:127.0.0.1")
    tls = ["--xds-tls", "127.0.0.1:15012", "--xds-tls-cert", certificate, "--xds-tls-key", key]
    with Unit(world, {"xds": listening(), "xds-tls": listening()}) as unit:
        first = unit.start(*tls).wait_ready()
        assert first.tls == address_of(unit.sockets["xds-tls"])
        assert first.stop() == 0
        with open(authority.pem, "rb") as root:
            credentials = grpc.ssl_channel_credentials(root.read())
        client = Delta(first.tls, credentials=credentials)
        world.clients.append(client)
        unit.start(*tls, name="again", replica_id="r1").wait_ready()
        wait_until(lambda: client.responses and not client.error, "an answer")


@pytest.mark.parametrize("names, message", [
    ("web", 'LISTEN_FDNAMES: must be xds, xds-tls or admin, not "web"'),
    ("xds-tls", "a socket xds-tls is handed over, and there is no --xds-tls"),
    ("", 'LISTEN_FDNAMES: must be xds, xds-tls or admin, not ""'),
])
def test_a_socket_it_cannot_use_is_told(world, names, message):
    with Unit(world, {"xds": listening()}, env={"LISTEN_FDNAMES": names}) as unit:
        replica = unit.start()
        assert replica.wait() == 2
        assert message in replica.log()


def test_two_sockets_of_one_name_and_one_that_does_not_listen_are_told(world):
    for sockets, names, message in (({"a": listening(), "b": listening()}, "xds:xds", "two sockets are named xds"),
                                    ({"a": socket.socket()}, "xds", "descriptor 3 is no listening TCP socket")):
        with Unit(world, sockets, env={"LISTEN_FDNAMES": names}) as unit:
            replica = unit.start(name=f"r{len(world.replicas)}")
            assert replica.wait() == 2
            assert message in replica.log()


def test_sockets_meant_for_another_process_are_left_alone(world):
    replica = world.replica(env={"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "xds"})
    assert replica.is_running()


def test_the_units_of_sockets_name_what_pilotd_knows():
    named = {re.search(r"FileDescriptorName=(.*)", open(path, encoding="utf-8").read()).group(1): path
             for path in glob.glob(f"{ROOT}/deploy/systemd/pilotd-*.socket")}
    assert {name: os.path.basename(path) for name, path in named.items()} == {
        name: f"pilotd-{name}.socket" for name in ("xds", "xds-tls", "admin")}


# ---- the unit ----

def test_a_forbidden_call_kills_it_so_the_filter_is_in_force(world, unit):
    """What the other tests of this file would be worth nothing without."""
    code = "import os; print('up', flush=True); os.sched_setaffinity(0, {0})"
    launcher = [shutil.which("python3"), "-I", os.path.join(os.path.dirname(__file__), "service_manager.py"), "",
                ",".join(allowed_calls()), "/usr/bin/python3", "-c", code]

    done = subprocess.run(launcher, stdout=subprocess.PIPE, timeout=20, check=False)

    assert (done.stdout, done.returncode) == (b"up\n", -signal.SIGSYS)


def test_the_unit_is_strict():
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager",
                           f"--threshold={MAX_EXPOSURE - 1}", UNIT_FILE],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
    assert float(re.search(r"exposure level for pilotd.service: ([\d.]+)", done.stdout).group(1)) < MAX_EXPOSURE / 10


def test_systemd_finds_nothing_to_say_of_the_units(tmp_path):
    for path in glob.glob(f"{ROOT}/deploy/systemd/pilotd*.service") + glob.glob(f"{ROOT}/deploy/systemd/pilotd*.socket"):
        text = open(path, encoding="utf-8").read().replace("/usr/bin/pilotd", "/bin/true")
        (tmp_path / os.path.basename(path)).write_text(text.replace("man:", "file:///"))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", *map(str, tmp_path.iterdir())],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
    said = [line for line in done.stdout.splitlines() if "pilotd" in line]
    assert not said and done.returncode == 0, done.stdout
