"""Real Envoys with the bootstrap that pilotctl writes for TLS: through a balancer, from one replica to
another, and from one authority to the next, without a failed request."""

import json
import os
import signal
import subprocess

import pytest
from certificates import Authority
from harness import PILOTCTL, Etcd, free_port, get, wait_until
from sidecars import HTTP_PORT, Backend, Sidecar, loopback, service, to, virtual_service
from test_balancer import HAProxy
from test_vhds import Calls, ask
from test_xds_tls import SPIFFE, Secured, read

NAME = "pilotd.test"


def replace(path, content):
    """At once, as whoever renews certificates does it, and as Envoy wants it."""
    with open(path + ".new", "wb") as out:
        out.write(content)
    os.rename(path + ".new", path)


class Front(Secured):
    """Two replicas behind HAProxy, and sidecars that reach them through it over mutual TLS."""

    def __init__(self, etcd):
        super().__init__(etcd)
        self.backends = {name: Backend(name) for name in ("v1", "v2")}
        self.sidecars = []
        self.put("config/serviceentries/default/shop", service("shop", self.backends))
        self.route("v1")
        self.pair = [self.start(), self.start()]
        self.balancer = HAProxy(self.pair, self.directory, port="tls").start()
        self.own = os.path.join(self.directory, "proxy")
        os.mkdir(self.own)
        self.give(self.proxy, self.ca)

    def close(self):
        for process in [*self.sidecars, self.balancer]:
            process.kill()
        super().close()
        for backend in self.backends.values():
            backend.shutdown()
            backend.server_close()

    def route(self, version):
        """By endpoints: nobody needs subsets."""
        self.put("config/serviceentries/default/shop", service("shop", {version: self.backends[version]}))
        self.put("config/virtualservices/default/shop", virtual_service("shop", [{"route": [to("shop")]}]))

    def path(self, name):
        return os.path.join(self.own, name)

    def give(self, identity, *authorities):
        """The proxy's files are these from now on."""
        replace(self.path("ca.pem"), b"".join(read(authority.pem) for authority in authorities))
        replace(self.path("key.pem"), read(identity[1]))
        replace(self.path("cert.pem"), read(identity[0]))

    def bootstrap(self, number, *flags):
        return subprocess.run(
            [PILOTCTL, "bootstrap", f"sidecar~{loopback(number)}~client.default~default.svc.cluster.local",
             "--xds", self.balancer.address, "--interception", "NONE", "--admin-port", str(free_port()),
             "--tls-ca", self.path("ca.pem"), "--tls-cert", self.path("cert.pem"), "--tls-key",
             self.path("key.pem"), *flags],
            check=True, stdout=subprocess.PIPE, text=True, timeout=20).stdout

    def sidecar(self, number, *flags):
        text = self.bootstrap(number, *flags)
        path = os.path.join(self.directory, f"envoy-{number}.json")
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        port = json.loads(text)["admin"]["address"]["socket_address"]["port_value"]
        sidecar = Sidecar(f"envoy-{number}", self.directory, loopback(number), port, path).start()
        self.sidecars.append(sidecar)
        return sidecar

    def wait_answer(self, sidecar, version):
        wait_until(lambda: ask(sidecar.address, "shop.test") == (200, version), f"answered by {version}",
                   interval_s=0.01)


@pytest.fixture(name="front")
def fixture_front(etcd):
    with Front(etcd) as made:
        yield made


def holder(front):
    """The replica that has the one proxy, if one has."""
    return next((r for r in front.pair if r.is_running() and r.json("/debug/proxies")), None)


def test_an_envoy_gets_its_configuration_over_mutual_tls(front):
    by_name = front.sidecar(3, "--tls-name", NAME)
    by_address = front.sidecar(4)

    for sidecar in (by_name, by_address):
        front.wait_answer(sidecar, "v1")
    assert sum(replica.metric("pilotd_tls_handshakes_total") for replica in front.pair) >= 2


def test_an_envoy_takes_no_other_server_for_pilotd(front):
    sidecar = front.sidecar(3, "--tls-name", "someone.else")

    wait_until(lambda: sidecar.stat("cluster.xds-grpc.ssl.fail_verify_san") > 0, "its name is looked at")
    refused = 'pilotd_tls_handshake_failures_total{reason="refused_by_client"}'
    wait_until(lambda: sum(replica.metric(refused) for replica in front.pair) > 0, "and that is told")
    assert sum(replica.metric("pilotd_tls_handshakes_total") for replica in front.pair) == 0


def test_authorities_certificates_and_replicas_change_and_no_request_fails(front):
    secrets = os.path.join(front.directory, "secrets")
    os.mkdir(secrets)
    sidecar = front.sidecar(3, "--tls-name", NAME, "--tls-secrets", secrets)
    front.wait_answer(sidecar, "v1")
    newer = Authority(os.path.join(front.directory, "newer"))
    identity = newer.issue("proxy", SPIFFE)

    def reload(count):
        for replica in front.pair:
            replica.signal(signal.SIGHUP)
        wait_until(lambda: all(r.metric("pilotd_tls_reloads_total") == count for r in front.pair), "read again")

    with Calls(sidecar.address, ["shop.test"]) as calls:
        both = read(front.ca.pem) + read(newer.pem)
        replace(front.files["ca"], both)
        front.give(front.proxy, front.ca, newer)
        reload(1)
        front.renew("renewed", f"DNS:{NAME}", newer)
        front.give(identity, newer)
        reload(2)
        replace(front.files["ca"], read(newer.pem))
        reload(3)
        calls.go_on()

        first = holder(front)
        first.kill()
        wait_until(lambda: holder(front), "the proxy is at the other replica")
        front.route("v2")
        front.wait_answer(sidecar, "v2")
        calls.go_on()
    assert calls.failed == []
    assert first is not holder(front)
