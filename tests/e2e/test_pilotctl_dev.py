"""pilotctl dev: pilotd --dev, and what changes in ./pilot.d while it runs."""

import os
import re
import signal
import subprocess
import textwrap

import pytest

from harness import PILOTCTL, get, wait_until

ROUTE = textwrap.dedent("""\
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: %s}
    spec:
      hosts: [%s.test]
      http: [{timeout: %s, directResponse: {status: 200}}]
    """)
ENVIRONMENT = {key: value for key, value in os.environ.items()
               if key not in ("NOTIFY_SOCKET", "INVOCATION_ID") and not key.startswith("PILOTD_")}


class Dev:
    def __init__(self, folder):
        self.folder, self.out = folder, folder / "out"
        (folder / "pilot.d").mkdir()
        self.write("a.yaml", ROUTE % ("a", "a", "1s"))
        with open(self.out, "wb") as out:
            self.process = subprocess.Popen(
                [PILOTCTL, "dev", "--interval", "50", "--", "--xds", "127.0.0.1:0", "--admin", "127.0.0.1:0"], cwd=folder,
                env=dict(ENVIRONMENT, TMPDIR=str(folder)), stdout=out, stderr=out, start_new_session=True)
        wait_until(lambda: "pilotctl bootstrap" in self.said() or self.process.poll() is not None, "hints")
        self.store, self.admin = re.search(r"PILOTD_STORE=(\S+) PILOTD_SERVER=(\S+)", self.said()).groups()
        wait_until(lambda: get(self.admin, "/ready")[0] == 200, "ready")

    def said(self):
        return self.out.read_text()

    def write(self, name, text):
        """At once: half a file would have faults."""
        (self.folder / "new").write_text(text)
        os.rename(self.folder / "new", self.folder / "pilot.d" / name)

    def get(self, *words):
        return subprocess.run([PILOTCTL, "get", "--store", self.store, "vs", *words], text=True, timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout

    def names(self):
        return sorted(self.get("-o", "name").split())


@pytest.fixture(name="dev")
def fixture_dev(tmp_path):
    made = Dev(tmp_path)
    yield made
    if made.process.poll() is None:
        os.killpg(made.process.pid, signal.SIGKILL)
        made.process.wait()


def test_what_changes_in_the_folder_is_applied_and_what_goes_is_deleted(dev):
    a, b = "VirtualService/default/a", "VirtualService/default/b"
    assert dev.names() == [a]

    dev.write("b.yaml", ROUTE % ("b", "b", "1s"))
    wait_until(lambda: dev.names() == [a, b], "b is applied")
    wait_until(lambda: "applied config/virtualservices/default/b\n" in dev.said(), "and told")

    dev.write("a.yaml", ROUTE % ("a", "a", "7s"))
    wait_until(lambda: "7s" in dev.get("a", "-o", "json"), "a is changed")

    (dev.folder / "pilot.d" / "b.yaml").unlink()
    wait_until(lambda: dev.names() == [a], "b is deleted")
    wait_until(lambda: "deleted config/virtualservices/default/b\n" in dev.said(), "and told")
    assert dev.said().count("applied ") == 2


def test_faults_are_told_and_nothing_is_deleted_while_there_are_some(dev):
    dev.write("b.yaml", ROUTE % ("b", "b", "1s"))
    wait_until(lambda: len(dev.names()) == 2, "b is applied")

    dev.write("a.yaml", "kind: VirtualService\nmetadata: {name: x}\nspec: {hots: []}\n")
    wait_until(lambda: "pilot.d/a.yaml:3:8: spec.hots" in dev.said(), "the fault is told")
    dev.write("b.yaml", ROUTE % ("b", "b", "2s"))
    wait_until(lambda: "2s" in dev.get("b", "-o", "json"), "what is good is applied")
    assert len(dev.names()) == 2

    dev.write("a.yaml", ROUTE % ("c", "c", "1s"))
    wait_until(lambda: dev.names() == ["VirtualService/default/b", "VirtualService/default/c"], "a is deleted")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "term"])
def test_it_ends_with_pilotd_and_pilotd_with_it(dev, number):
    if number == signal.SIGINT:
        os.killpg(dev.process.pid, number)
        assert dev.process.wait(20) == 0
    else:
        dev.process.send_signal(number)
        dev.process.wait(20)

    def is_gone():
        try:
            return get(dev.admin, "/healthz")[0] != 200
        except OSError:
            return True
    wait_until(is_gone, "pilotd is gone")
    wait_until(lambda: not list(dev.folder.glob("pilotd-dev-*")), "and its etcd's data")


def test_what_pilotd_refuses_is_its_exit_status(tmp_path):
    done = subprocess.run([PILOTCTL, "dev", "--", "--xds", "0.0.0.0:0"], cwd=tmp_path, env=ENVIRONMENT, text=True,
                          timeout=60, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 2 and "no loopback address" in done.stdout
