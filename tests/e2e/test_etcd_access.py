"""An etcd that demands TLS and asks who is there: pilotd and pilotctl reach it by certificate or by
password, and what is replaced or revoked counts while they run."""

import json
import os
import signal
import subprocess
import sys

import pytest
from certificates import Authority

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "deploy", "demo"))

from cluster import PILOTCTL, PILOTD, Cluster, free_port, get, wait_until  # noqa: E402

RULE = {"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule",
        "metadata": {"name": "cart", "namespace": "shop"}, "spec": {"host": "cart"}}
GRANT = ["--prefix=true", "readwrite", "/pilot/"]


class Secured(Cluster):
    """One etcd with TLS; root may all, and pilot what is below /pilot/."""

    def __init__(self, wants_certificates):
        super().__init__()
        self.authority = Authority(os.path.join(self.directory, "ca"))
        server, server_key = self.authority.issue("server", "IP:127.0.0.1")
        self.root = self.authority.issue("root", "IP:127.0.0.1")
        self.pilot = self.authority.issue("pilot", "IP:127.0.0.1")
        self.password = os.path.join(self.directory, "password")
        with open(self.password, "w", encoding="ascii") as out:
            out.write("secret\n")
        self.user = ()
        peer, self.url = f"http://127.0.0.1:{free_port()}", f"https://127.0.0.1:{free_port()}"
        demands = ["--client-cert-auth", "--trusted-ca-file", self.authority.pem]
        self.start("etcd", ["etcd", "--name", "e", "--data-dir", f"{self.directory}/e",
                            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                            "--listen-client-urls", self.url, "--advertise-client-urls", self.url,
                            "--initial-cluster", f"e={peer}", "--cert-file", server,
                            "--key-file", server_key, *(demands if wants_certificates else ())])
        self.store = f"etcds://{self.url[8:]}/pilot"
        wait_until(lambda: self.try_etcdctl("endpoint", "health").returncode == 0, "etcd is up")
        self.enable_users(wants_certificates)

    def try_etcdctl(self, *arguments):
        return subprocess.run(["etcdctl", "--endpoints", self.url, "--cacert", self.authority.pem,
                               "--cert", self.root[0], "--key", self.root[1], *self.user,
                               *arguments], text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=60,
                              env=dict(os.environ, ETCDCTL_API="3"))

    def etcdctl(self, *arguments):
        done = self.try_etcdctl(*arguments)
        assert done.returncode == 0, (arguments, done.stdout)

    def enable_users(self, wants_certificates):
        for words in ("role add root", "user add root:all", "user grant-role root root",
                      "user add pilot:secret", "role add mesh", "user grant-role pilot mesh"):
            self.etcdctl(*words.split())
        self.etcdctl("role", "grant-permission", "mesh", *GRANT)
        self.etcdctl("auth", "enable")
        self.user = () if wants_certificates else ("--user", "root:all")

    def pilotctl(self, *arguments, **settings):
        env = dict(os.environ, PILOTD_STORE=self.store, PILOTD_ETCD_CA=self.authority.pem)
        env.update({f"PILOTD_ETCD_{name.upper()}": value for name, value in settings.items()})
        return subprocess.run([PILOTCTL, *arguments], input=json.dumps(RULE), text=True, env=env,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)

    def pilotd(self, *access):
        admin = free_port()
        replica = self.start("pilotd", [PILOTD, "--store", self.store, "--xds", "127.0.0.1:0",
                                        "--admin", f"127.0.0.1:{admin}", "--drain-spread", "100ms",
                                        "--etcd-ca", self.authority.pem, *access])
        replica.admin = f"127.0.0.1:{admin}"
        self.pilotds.append(replica)
        self.wait_ready()
        return replica


@pytest.fixture(name="cluster")
def fixture_cluster(request):
    made = Secured(request.param)
    yield made
    made.close()


def status(replica):
    return json.loads(get(replica.admin, "/debug/status")[1])


def objects(replica):
    return json.loads(get(replica.admin, "/debug/snapshot")[1]).get("objects", {})


@pytest.mark.parametrize("cluster", [True], indirect=True)
def test_a_certificate_says_who_it_is_and_may_be_replaced(cluster):
    replica = cluster.pilotd("--etcd-cert", cluster.pilot[0], "--etcd-key", cluster.pilot[1])
    mine = {"cert": cluster.pilot[0], "key": cluster.pilot[1]}

    assert cluster.pilotctl("apply", "-f", "-").returncode == 3, "nobody comes in unseen"
    done = cluster.pilotctl("apply", "-f", "-", **mine)
    assert done.returncode == 0, done.stdout
    wait_until(lambda: objects(replica).get("DestinationRule") == 1, "the rule is followed")

    cluster.authority.issue("pilot", "IP:127.0.0.1")
    replica.signal(signal.SIGHUP)
    wait_until(lambda: replica.log_tail(50).count("following etcd") == 2, "begun anew")
    wait_until(lambda: status(replica)["state"] == "serving", "and well")
    done = cluster.pilotctl("delete", "destinationrule", "cart", "-n", "shop", **mine)
    assert done.returncode == 0, done.stdout
    wait_until(lambda: not objects(replica).get("DestinationRule"), "and followed")


@pytest.mark.parametrize("cluster", [False], indirect=True)
def test_a_password_says_who_it_is_and_a_revoked_role_is_told(cluster):
    mine = {"user": "pilot", "password_file": cluster.password}
    replica = cluster.pilotd("--etcd-user", "pilot", "--etcd-password-file", cluster.password)
    done = cluster.pilotctl("apply", "-f", "-", **mine)
    assert done.returncode == 0, done.stdout
    wait_until(lambda: objects(replica).get("DestinationRule") == 1, "the rule is followed")
    wrong = cluster.pilotctl("get", "destinationrules", user="pilot",
                             password_file=cluster.authority.pem)
    assert wrong.returncode == 1 and "logging in as pilot" in wrong.stdout, wrong.stdout

    cluster.etcdctl("role", "revoke-permission", "mesh", "--prefix=true", "/pilot/")
    wait_until(lambda: "permission denied" in status(replica)["problem"], "it is told", 30)
    assert get(replica.admin, "/serving")[0] == 200
    assert objects(replica).get("DestinationRule") == 1, "what was known is served"
    wait_until(lambda: status(replica)["store"]["state"] == "behind", "the watch has ended", 30)

    cluster.etcdctl("role", "grant-permission", "mesh", *GRANT)
    wait_until(lambda: status(replica)["state"] == "serving", "all is well again", 30)


@pytest.mark.parametrize("cluster", [True], indirect=True)
def test_a_hold_that_may_not_be_written_is_tried_again_until_it_may(cluster):
    mine = {"cert": cluster.pilot[0], "key": cluster.pilot[1]}
    cluster.etcdctl("role", "revoke-permission", "mesh", *GRANT[:1], GRANT[2])
    for kind, key in (("read", "/pilot/"), ("readwrite", "/pilot/replicas/"), ("readwrite", "/pilot/cluster")):
        cluster.etcdctl("role", "grant-permission", "mesh", "--prefix=true", kind, key)
    replica = cluster.pilotd("--etcd-cert", mine["cert"], "--etcd-key", mine["key"])
    rule = "/pilot/config/destinationrules/shop/cart"
    cluster.etcdctl("put", rule, json.dumps(RULE))
    wait_until(lambda: objects(replica).get("DestinationRule") == 1, "the rule is followed")

    cluster.etcdctl("put", rule, "{")
    wait_until(lambda: "holds cannot be written" in replica.log_tail(50), "it is told")
    wait_until(lambda: not objects(replica).get("DestinationRule"), "nothing stands in for it")

    cluster.etcdctl("role", "grant-permission", "mesh", *GRANT)
    wait_until(lambda: objects(replica).get("DestinationRule") == 1, "the last good one is held")
    assert status(replica)["rejected"][0]["held"] is True
