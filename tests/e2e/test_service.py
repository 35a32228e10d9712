"""pilotd as a service of systemd, which service_manager.py plays: what it tells, and the unit's strictness."""

import glob
import os
import re
import shutil
import signal
import subprocess

import pytest

from harness import Etcd, ROOT, World, free_port, wait_until
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
