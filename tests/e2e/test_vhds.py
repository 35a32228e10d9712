"""Route tables that are sent by virtual host (VHDS), through the newest and the oldest Envoy: one rule's
change sends one virtual host, and no request fails while hosts, tables and replicas come and go."""

import http.client
import itertools
import json
import os
import subprocess
import threading
import time

import grpc
import pytest
from envoy.service.discovery.v3 import discovery_pb2
from envoy.service.status.v3 import csds_pb2, csds_pb2_grpc
from envoy.type.matcher.v3 import node_pb2, string_pb2

from cluster import ENVOY
from harness import PILOTCTL, ROOT, TYPES, World, free_port, get, wait_until
from sidecars import HTTP_PORT, Backend, Sidecar, destination_rule, loopback, service, to, virtual_service

NODE = "sidecar~10.9.0.7~probe.default~default.svc.cluster.local"
TABLE = f"vhds|{HTTP_PORT}"
SERVICES = 12
KINDS = {"ServiceEntry": "serviceentries", "VirtualService": "virtualservices",
         "DestinationRule": "destinationrules"}
ENVOYS = {"newest": ENVOY, "oldest": os.path.join(ROOT, "build", "venv", "oldest", "bin", "envoy")}




def ask(address, host, port=HTTP_PORT):
    """(status, the backend's name), or (0, why)."""
    connection = http.client.HTTPConnection(address, port, timeout=10)
    try:
        connection.request("GET", "/", headers={"host": host})
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.headers.get("x-backend")
    except OSError as error:
        return 0, repr(error)
    finally:
        connection.close()


class Calls:
    """Callers of one sidecar, RATE requests a second in all, to one of HOSTS after the other."""

    RATE, THREADS = 200, 4

    def __init__(self, address, hosts):
        self.address, self.hosts = address, itertools.cycle(hosts)
        self.failed, self.count, self.lock, self.is_over = [], 0, threading.Lock(), threading.Event()
        self.threads = [threading.Thread(target=self.call) for _ in range(self.THREADS)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *exception):
        self.is_over.set()
        for thread in self.threads:
            thread.join()

    def call(self):
        due = time.monotonic()
        while not self.is_over.is_set():
            with self.lock:
                host = next(self.hosts)
            answer = ask(self.address, host)
            with self.lock:
                self.count += 1
                if answer[0] != 200:
                    self.failed.append((host, answer))
            due += self.THREADS / self.RATE
            self.is_over.wait(max(0, due - time.monotonic()))

    def go_on(self, requests=50):
        wanted = self.count + requests
        wait_until(lambda: self.count >= wanted, "requests go on")


class Shop(World):
    """s0.test, s1.test, … of two versions, behind two replicas; sidecars with VHDS."""

    def __init__(self, etcd, backends):
        super().__init__(etcd)
        self.backends, self.sidecars, self.numbers = backends, [], itertools.count(1)
        for number in range(SERVICES):
            self.add(f"s{number}")
        self.pair = [self.replica(), self.replica()]

    def close(self):
        for sidecar in self.sidecars:
            sidecar.kill()
        super().close()

    def apply(self, *resources):
        for resource in resources:
            kind, metadata = KINDS[resource["kind"]], resource["metadata"]
            self.put(f"config/{kind}/{metadata['namespace']}/{metadata['name']}", resource)

    def add(self, name, port=HTTP_PORT):
        self.apply(service(name, self.backends, port=port), destination_rule(name, versions=("v1", "v2")),
                   virtual_service(name, [{"route": [to(name, "v1")]}]))

    def drop(self, name):
        for kind in KINDS.values():
            self.delete(f"config/{kind}/default/{name}")

    def route(self, name, subset):
        self.apply(virtual_service(name, [{"route": [to(name, subset)]}]))

    def bootstrap(self, address, *flags):
        where = ",".join(replica.xds for replica in self.pair)
        return json.loads(subprocess.run(
            [PILOTCTL, "bootstrap", f"sidecar~{address}~client.default~default.svc.cluster.local", "--xds", where,
             "--interception", "NONE", "--admin-port", str(free_port()), *flags],
            check=True, stdout=subprocess.PIPE, text=True, timeout=20).stdout)

    def sidecar(self, envoy, bootstrap):
        address = bootstrap["node"]["id"].split("~")[1]
        path = os.path.join(self.directory, f"envoy-{next(self.numbers)}.json")
        with open(path, "w", encoding="utf-8") as out:
            json.dump(bootstrap, out)
        admin_port = bootstrap["admin"]["address"]["socket_address"]["port_value"]
        sidecar = Sidecar(os.path.basename(path), self.directory, address, admin_port, path, envoy).start()
        self.sidecars.append(sidecar)
        self.wait_answer(sidecar, "s0", "v1")
        return sidecar

    def wait_answer(self, sidecar, name, backend, port=HTTP_PORT):
        wait_until(lambda: ask(sidecar.address, f"{name}.test", port) == (200, backend),
                   f"{name} is answered by {backend}", interval_s=0.01)

    def reports(self):
        """What each running replica tells of the proxies it has, but for probes."""
        found = [replica.json("/debug/proxies") for replica in self.pair if replica.is_running()]
        return [proxy for proxies in found for proxy in proxies if "~client." in proxy["id"]]

    def nothing_is_refused(self):
        for replica in self.replicas:
            assert "resources rejected" not in replica.log()
            assert "unknown type_url" not in replica.log()


@pytest.fixture(scope="module")
def backends():
    made = {name: Backend(name) for name in ("v1", "v2")}
    yield made
    for backend in made.values():
        backend.shutdown()
        backend.server_close()


@pytest.fixture
def shop(etcd, backends):
    with Shop(etcd, backends) as made:
        yield made


@pytest.fixture(params=ENVOYS)
def envoy(request):
    return ENVOYS[request.param]


def config_of(sidecar, what):
    return json.loads(get(sidecar.admin, f"/config_dump?resource={what}")[1]).get("configs", [])


def table_of(sidecar, name=TABLE):
    """How many hosts Envoy has in it."""
    for config in config_of(sidecar, "dynamic_route_configs"):
        if config["route_config"]["name"] == name:
            return len(config["route_config"].get("virtual_hosts", []))
    return None


def sent(shop):
    return sum(replica.metric("pilotd_xds_resources_total") for replica in shop.pair)


def test_the_change_of_one_rule_sends_one_virtual_host(shop, envoy):
    sidecar = shop.sidecar(envoy, shop.bootstrap(loopback(3), "--vhds"))
    wait_until(lambda: table_of(sidecar) == SERVICES + 1, "all hosts and the one for the rest are there")
    wait_until(lambda: {t["state"] for p in shop.reports() for t in p["types"].values()} == {"synced"},
               "all is acknowledged")
    hosts = shop.reports()[0]["types"]["VHDS"]
    assert (hosts["subscribed"], hosts["sent"]) == (SERVICES + 1, SERVICES + 1)

    for name, subset in (("s3", "v2"), ("s3", "v1"), ("s7", "v2")):
        before = sent(shop)
        shop.route(name, subset)
        shop.wait_answer(sidecar, name, subset)
        assert sent(shop) - before == 1

    before = sent(shop)
    shop.drop("s5")
    wait_until(lambda: table_of(sidecar) == SERVICES, "a host is gone")
    assert sent(shop) == before
    assert ask(sidecar.address, "s4.test") == (200, "v1")
    shop.nothing_is_refused()


def change_everything(shop, sidecar, calls):
    for round_ in range(8):
        for number in range(0, SERVICES, 3):
            shop.route(f"s{number}", "v2" if round_ % 2 == 0 else "v1")
        name, port = f"extra{round_}", HTTP_PORT + 1 + round_ % 2
        shop.add(name)
        shop.wait_answer(sidecar, name, "v1")
        shop.add(f"other{round_}", port=port)
        shop.wait_answer(sidecar, f"other{round_}", "v1", port)
        shop.route(f"other{round_}", "v2")
        shop.wait_answer(sidecar, f"other{round_}", "v2", port)
        calls.go_on()
        shop.drop(f"other{round_}")
        wait_until(lambda: ask(sidecar.address, "any.test", port)[0] == 0, "a table and its listener are gone")
        shop.drop(name)
        wait_until(lambda: table_of(sidecar) == SERVICES + 1, "a host is gone")


def test_no_request_fails_while_hosts_and_tables_come_and_go(shop, envoy):
    sidecar = shop.sidecar(envoy, shop.bootstrap(loopback(4), "--vhds"))
    with Calls(sidecar.address, [f"s{n}.test" for n in range(SERVICES)]) as calls:
        change_everything(shop, sidecar, calls)
    assert calls.failed == [] and calls.count > 500
    shop.nothing_is_refused()


def test_no_request_fails_while_replicas_die_and_what_comes_then_is_what_differs(shop, envoy):
    sidecar = shop.sidecar(envoy, shop.bootstrap(loopback(5), "--vhds"))
    with Calls(sidecar.address, [f"s{n}.test" for n in range(SERVICES)]) as calls:
        for round_ in range(4):
            wait_until(lambda: len(shop.reports()) == 1, "the sidecar has a stream")
            here = next(i for i, replica in enumerate(shop.pair) if replica.json("/debug/proxies"))
            there = shop.pair[1 - here]
            before = there.metric("pilotd_xds_resources_total")
            shop.pair[here].kill()
            subset = "v2" if round_ % 2 == 0 else "v1"
            shop.route("s1", subset)
            shop.wait_answer(sidecar, "s1", subset)
            assert there.metric("pilotd_xds_resources_total") - before == 1
            shop.pair[here] = shop.replica(env={"PILOTD_XDS": shop.pair[here].xds})
            calls.go_on()
    assert calls.failed == [] and calls.count > 100
    assert table_of(sidecar) == SERVICES + 1
    shop.nothing_is_refused()


def test_a_proxy_without_delta_has_whole_tables(shop, envoy):
    bootstrap = shop.bootstrap(loopback(6), "--vhds")
    bootstrap["dynamic_resources"]["ads_config"]["api_type"] = "GRPC"
    sidecar = shop.sidecar(envoy, bootstrap)
    wait_until(lambda: table_of(sidecar, str(HTTP_PORT)) == SERVICES + 1, "the table is there")
    assert table_of(sidecar) is None
    assert shop.reports()[0]["types"]["VHDS"]["state"] == "not sent"
    shop.route("s2", "v2")
    shop.wait_answer(sidecar, "s2", "v2")


def test_who_asks_for_it_wrongly_is_told_where(shop):
    client = shop.connect(shop.pair[0], NODE, metadata={"VHDS": "maybe"})
    wait_until(lambda: client.error, "it is refused")
    assert "node metadata: VHDS must be true or false" in client.error.details()


def test_hosts_are_told_to_whoever_asks_what_a_proxy_has(shop):
    client = shop.connect(shop.pair[0], NODE, metadata={"VHDS": True, "INTERCEPTION_MODE": "NONE"})
    client.wait_for("LDS", f"127.0.0.1_{HTTP_PORT}")
    client.out.put(discovery_pb2.DeltaDiscoveryRequest(type_url=TYPES["RDS"], resource_names_subscribe=[TABLE]))
    client.wait_for("RDS", TABLE)
    client.out.put(discovery_pb2.DeltaDiscoveryRequest(type_url=TYPES["VHDS"]))
    client.wait_for("VHDS", f"{TABLE}/s0.test:{HTTP_PORT}")
    assert sorted(client.resources["VHDS"]) == sorted(
        [f"{TABLE}/allow_any"] + [f"{TABLE}/s{n}.test:{HTTP_PORT}" for n in range(SERVICES)])
    wait_until(lambda: config_rows(shop, "host") == sorted(client.resources["VHDS"]), "pilotctl shows them")
    assert config_rows(shop, "route") == [TABLE]
    wait_until(lambda: told_of(shop, NODE) == {name: "SYNCED" for name in client.resources["VHDS"]},
               "all are synced")


def config_rows(shop, what):
    answer = subprocess.run([PILOTCTL, "proxy-config", what, NODE, "--server", shop.pair[0].admin, "-o", "json"],
                            check=False, stdout=subprocess.PIPE, text=True, timeout=20)
    return sorted(resource["name"] for resource in json.loads(answer.stdout)) if answer.returncode == 0 else None


def told_of(shop, node_id):
    """name -> what its virtual hosts are at, of ClientStatusDiscoveryService."""
    with grpc.insecure_channel(shop.pair[0].xds) as channel:
        stub = csds_pb2_grpc.ClientStatusDiscoveryServiceStub(channel)
        answer = stub.FetchClientStatus(csds_pb2.ClientStatusRequest(
            node_matchers=[node_pb2.NodeMatcher(node_id=string_pb2.StringMatcher(exact=node_id))]))
    return {found.name: csds_pb2.ConfigStatus.Name(found.config_status)
            for config in answer.config for found in config.generic_xds_configs
            if found.type_url == TYPES["VHDS"]}
