"""deploy/etcd/setup against an etcd that demands TLS and certificates: each user may do what it must, and no more."""

import json
import os
import subprocess

import pytest

from harness import PILOTCTL, PILOTD, ROOT, free_port, get, wait_until
from cluster import Cluster

SETUP = f"{ROOT}/deploy/etcd/setup"
USERS = "root pilotd operator registrar registrar-shop"
RULE = {"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule",
        "metadata": {"name": "cart", "namespace": "shop"}, "spec": {"host": "cart"}}
RULE_KEY = "config/destinationrules/shop/cart"
# Below /pilot/, who may write what; and what is nobody's but root's.
WRITERS = {
    "replicas/r9": {"pilotd"},
    "holds/config/x": {"pilotd"},
    "cluster": {"pilotd"},
    RULE_KEY: {"operator"},
    "mesh": {"operator"},
    "registry/shop/cart/i9": {"registrar", "registrar-shop"},
    "services/shop/cart": {"registrar", "registrar-shop"},
    "tombstones/registry/shop/cart/i9": {"registrar", "registrar-shop"},
    "registry/shopping/cart/i9": {"registrar"},
    "services/default/cart": {"registrar"},
    "tombstones/registry/default/cart/i9": {"registrar"},
    "tombstones/config/x": set(),
    "clusters": set(),
    "meshes": set(),
    "other": set(),
    "../elsewhere/x": set(),
}
READERS = {  # of what each may read
    "pilotd": {"", "config/", "registry/"}, "operator": {"", "config/", "registry/"},
    "registrar": {"registry/", "services/"}, "registrar-shop": {"registry/shop/", "services/shop/"},
}
RANGES = sorted(set().union(*READERS.values()) | {"replicas/", "registry/shop/"})


class Shared(Cluster):
    def __init__(self):
        super().__init__()
        self.files = os.path.join(self.directory, "files")
        self.setup("certificates", self.files, "127.0.0.1,localhost", env={"USERS": USERS})
        peer, self.url = f"http://127.0.0.1:{free_port()}", f"https://127.0.0.1:{free_port()}"
        self.start("etcd", ["etcd", "--name", "e", "--data-dir", f"{self.directory}/e",
                            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                            "--listen-client-urls", self.url, "--advertise-client-urls", self.url,
                            "--initial-cluster", f"e={peer}", "--client-cert-auth",
                            "--trusted-ca-file", self.file("ca.pem"), "--cert-file", self.file("member-1.pem"),
                            "--key-file", self.file("member-1.key"), "--logger", "zap", "--log-level", "warn"])
        self.store = f"etcds://{self.url[8:]}/pilot"
        wait_until(lambda: self.etcdctl("root", "endpoint", "health").returncode == 0, "etcd is up")
        self.setup("access", "shop", env=self.as_user("root"))

    def file(self, name):
        return os.path.join(self.files, name)

    def as_user(self, user):
        return {"ETCDCTL_API": "3", "ETCDCTL_ENDPOINTS": self.url, "ETCDCTL_CACERT": self.file("ca.pem"),
                "ETCDCTL_CERT": self.file(f"{user}.pem"), "ETCDCTL_KEY": self.file(f"{user}.key")}

    @staticmethod
    def run(command, env, **options):
        return subprocess.run(command, env=dict(os.environ, **env), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=60, check=False, **options)

    def setup(self, *arguments, env):
        done = self.run([SETUP, *arguments], env)
        assert done.returncode == 0, done.stdout

    def etcdctl(self, user, *arguments):
        return self.run(["etcdctl", *arguments], self.as_user(user))

    def pilotctl(self, user, *arguments, **options):
        return self.run([PILOTCTL, *arguments], self.access(user), **options)

    def access(self, user):
        return {"PILOTD_STORE": self.store, "PILOTD_ETCD_CA": self.file("ca.pem"),
                "PILOTD_ETCD_CERT": self.file(f"{user}.pem"), "PILOTD_ETCD_KEY": self.file(f"{user}.key")}

    def register(self, user, said):
        """Registers until it says so, then leaves; its exit status."""
        registering = self.start(f"register-{user}", [PILOTCTL, "register", "cart", "-n", "shop", "--instance", user,
                                                      "--address", "10.1.0.1", "--port", "http=8080"], self.access(user))
        wait_until(lambda: said in registering.log_tail(), f"{user} is told {said}")
        return registering.stop()

    def pilotd(self):
        admin = free_port()
        replica = self.start("pilotd", [PILOTD, "--store", self.store, "--xds", "127.0.0.1:0", "--id", "r1",
                                        "--admin", f"127.0.0.1:{admin}", "--etcd-ca", self.file("ca.pem"),
                                        "--etcd-cert", self.file("pilotd.pem"), "--etcd-key", self.file("pilotd.key")])
        replica.admin = f"127.0.0.1:{admin}"
        wait_until(lambda: get(replica.admin, "/ready")[0] == 200, "pilotd is ready")
        return replica


@pytest.fixture(scope="module")
def shared():
    cluster = Shared()
    yield cluster
    cluster.close()


def verdict(done):
    assert done.returncode == 0 or "permission denied" in done.stdout, done.stdout
    return done.returncode == 0


@pytest.mark.parametrize("user", [user for user in USERS.split() if user != "root"])
def test_each_may_write_its_own_and_nothing_else(shared, user):
    key = lambda name: os.path.normpath(f"/pilot/{name}")

    may = {name for name in WRITERS if verdict(shared.etcdctl(user, "put", key(name), "{}"))}
    may_delete = {name for name in WRITERS if verdict(shared.etcdctl(user, "del", key(name)))}

    assert may == may_delete == {name for name, writers in WRITERS.items() if user in writers}


@pytest.mark.parametrize("user", list(READERS))
def test_each_may_read_what_it_needs(shared, user):
    wanted = {name for name in RANGES if any(name.startswith(under) for under in READERS[user])}
    assert {name for name in RANGES if verdict(shared.etcdctl(user, "get", "--prefix", f"/pilot/{name}"))} == wanted
    assert not verdict(shared.etcdctl(user, "get", "--prefix", "/"))


def test_nobody_comes_in_without_a_certificate_and_none_of_them_manages_users(shared):
    without = dict(shared.as_user("root"), ETCDCTL_CERT="", ETCDCTL_KEY="")
    assert shared.run(["etcdctl", "--dial-timeout=1s", "--command-timeout=2s", "get", "/pilot/mesh"], without).returncode
    for user in ("pilotd", "operator", "registrar"):
        assert "permission denied" in shared.etcdctl(user, "user", "list").stdout


def test_it_may_be_run_again_and_what_is_there_stays(shared):
    names = [shared.file(name) for name in os.listdir(shared.files)]
    before = {name: open(name, "rb").read() for name in names if not name.endswith(".srl")}

    shared.setup("certificates", shared.files, "127.0.0.1,localhost", env={"USERS": USERS})
    shared.setup("access", "shop", env=shared.as_user("root"))

    assert {name: open(name, "rb").read() for name in before} == before
    assert all(os.stat(name).st_mode & 0o077 == 0 for name in before)


def test_pilotd_and_pilotctl_work_with_these_users(shared):
    replica = shared.pilotd()
    status = lambda: json.loads(get(replica.admin, "/debug/status")[1])
    objects = lambda: json.loads(get(replica.admin, "/debug/snapshot")[1]).get("objects", {})
    apply = ["apply", "-f", "-"]

    refused = shared.pilotctl("registrar", *apply, input=json.dumps(RULE))
    done = shared.pilotctl("operator", *apply, input=json.dumps(RULE))

    assert refused.returncode != 0 and "permission denied" in refused.stdout, refused.stdout
    assert done.returncode == 0, done.stdout
    wait_until(lambda: objects().get("DestinationRule") == 1, "the rule is followed")
    for user in ("registrar", "registrar-shop"):
        assert shared.register(user, f"registered registry/shop/cart/{user}") == 0
        assert shared.etcdctl(user, "get", f"/pilot/registry/shop/cart/{user}").stdout == ""
    shared.register("operator", "permission denied")

    assert shared.etcdctl("operator", "put", f"/pilot/{RULE_KEY}", "{").returncode == 0
    wait_until(lambda: status()["rejected"] and status()["rejected"][0]["held"], "pilotd holds what was good")
    assert status()["problem"] == "" and status()["state"] == "serving"
    assert objects().get("DestinationRule") == 1


def test_who_calls_it_wrongly_is_told_how():
    done = subprocess.run([SETUP], stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2 and "setup access [NAMESPACE…]" in done.stderr
