"""Many raw Delta xDS clients in one process, each through a balancer; tells all that they are sent.

    proxies.py COUNT BALANCER,BALANCER

Writes one JSON line for each thing that happens ("t" is the monotonic clock):
    {"e": "open" | "close", "c": client, "t", "why"}
    {"e": "fact", "version": "TYPE NAME VERSION", "fact": …}   before a resource is first told of
    {"e": "response", "c", "t", "replica", "type", "hash", "nonce", "first": of its stream,
     "set": [[name, version, bytes, "held"|"new"]], "removed": [name]}
Reads commands, one a line: reconnect; nack, accept, deafen or listen CLIENT.

A fact is what a resource says, as far as the checker has an opinion: of endpoints, the sorted list of
[address, port, weight]; of a route table, virtual host -> [[cluster, weight]] of its last route.
"""

import asyncio
import json
import os
import random
import sys
import time

import grpc
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.route.v3 import route_pb2
from envoy.service.discovery.v3 import ads_pb2_grpc, discovery_pb2

URLS = {"CDS": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
        "EDS": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
        "LDS": "type.googleapis.com/envoy.config.listener.v3.Listener",
        "RDS": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"}
SHORT = {url: short for short, url in URLS.items()}
ROUTES = ["8080"]
BACKOFF_S, BACKOFF_MAX_S = 0.05, 1.0
OPTIONS = [("grpc.use_local_subchannel_pool", 1), ("grpc.keepalive_time_ms", 10000),
           ("grpc.keepalive_timeout_ms", 5000), ("grpc.http2.max_pings_without_data", 0)]


def tell(**event):
    sys.stdout.write(json.dumps(event) + "\n")


# ---- what resources say ----

def endpoints_fact(data):
    assignment = endpoint_pb2.ClusterLoadAssignment.FromString(data)
    return sorted([e.endpoint.address.socket_address.address, e.endpoint.address.socket_address.port_value,
                   e.load_balancing_weight.value] for locality in assignment.endpoints
                  for e in locality.lb_endpoints)


def routes_fact(data):
    fact = {}
    for host in route_pb2.RouteConfiguration.FromString(data).virtual_hosts:
        if not host.routes:
            continue
        action = host.routes[-1].route
        fact[host.name] = ([[c.name, c.weight.value] for c in action.weighted_clusters.clusters]
                           or [[action.cluster, 0]])
    return fact


def cluster_fact(data):
    cluster = cluster_pb2.Cluster.FromString(data)
    return "EDS" if cluster.type == cluster_pb2.Cluster.EDS else "other"


FACTS = {"CDS": cluster_fact, "EDS": endpoints_fact, "RDS": routes_fact}


class Facts:
    """Each (type, name, version) is read once, whoever gets it first."""

    def __init__(self):
        self.known = {}

    def of(self, short, resource):
        key = f"{short} {resource.name} {resource.version}"
        if key not in self.known:
            reader = FACTS.get(short)
            self.known[key] = reader(resource.resource.value) if reader else None
            tell(e="fact", version=key, fact=self.known[key])
        return self.known[key]


# ---- a client ----

class Client:
    def __init__(self, number, balancers, facts):
        self.number, self.balancers, self.facts = number, balancers, facts
        self.held = {short: {} for short in URLS}  # name -> version
        self.is_nacking, self.is_deaf, self.call = False, False, None
        self.nonces = {}

    def node(self):
        return f"sidecar~10.77.200.{self.number % 250}~raw-{self.number}.default~default.svc.cluster.local"

    async def run(self):
        backoff, at = BACKOFF_S, self.number
        while True:
            self.answers = 0
            async with grpc.aio.insecure_channel(self.balancers[at % len(self.balancers)],
                                                 OPTIONS) as channel:
                try:
                    await self.stream(channel)
                    why = "ended"
                except grpc.aio.AioRpcError as error:
                    why = f"{error.code().name} {error.details()[:80]}"
                except (asyncio.InvalidStateError, asyncio.CancelledError,
                        grpc.aio.UsageError) as error:
                    why = repr(error)
            tell(e="close", c=self.number, t=time.monotonic(), why=why)
            backoff = BACKOFF_S if self.answers else min(2 * backoff, BACKOFF_MAX_S)
            at += 0 if self.answers else 1
            await asyncio.sleep(backoff * random.uniform(0.5, 1))

    async def stream(self, channel):
        stub = ads_pb2_grpc.AggregatedDiscoveryServiceStub(channel)
        self.call = stub.DeltaAggregatedResources()
        tell(e="open", c=self.number, t=time.monotonic())
        self.subscribed = set()
        await self.subscribe("CDS", is_first=True)
        if self.held["EDS"]:
            await self.subscribe("EDS", self.held["EDS"])
        await self.subscribe("LDS")
        await self.subscribe("RDS", ROUTES)
        while True:
            while self.is_deaf:
                await asyncio.sleep(0.1)
            response = await self.call.read()
            if response is grpc.aio.EOF:
                return
            await self.take(response)

    async def subscribe(self, short, names=(), is_first=False):
        request = discovery_pb2.DeltaDiscoveryRequest(
            type_url=URLS[short], resource_names_subscribe=list(names),
            initial_resource_versions={} if short in self.subscribed else self.held[short])
        if is_first:
            request.node.id = self.node()
            request.node.metadata.update({"INTERCEPTION_MODE": "NONE"})
        self.subscribed.add(short)
        await self.call.write(request)

    async def take(self, response):
        now, short = time.monotonic(), SHORT[response.type_url]
        held, told, wanted = self.held[short], [], []
        for resource in response.resources:
            fact = self.facts.of(short, resource)
            was = held.get(resource.name)
            told.append([resource.name, resource.version, resource.ByteSize(),
                         "held" if was == resource.version else "new"])
            if not self.is_nacking:
                held[resource.name] = resource.version
            if short == "CDS" and fact == "EDS" and resource.name not in self.held["EDS"]:
                wanted.append(resource.name)
        for name in [] if self.is_nacking else response.removed_resources:
            held.pop(name, None)
        self.answers += 1
        tell(e="response", c=self.number, t=now, replica=response.control_plane.identifier, type=short,
             hash=response.system_version_info, nonce=response.nonce, first=self.answers == 1,
             set=told, removed=list(response.removed_resources))
        await self.answer(response)
        if wanted:
            await self.subscribe("EDS", wanted)

    async def answer(self, response):
        request = discovery_pb2.DeltaDiscoveryRequest(type_url=response.type_url,
                                                      response_nonce=response.nonce)
        if self.is_nacking:
            request.error_detail.code = 3
            request.error_detail.message = "this proxy refuses everything"
        await self.call.write(request)


# ---- all of them ----

def obey(clients, command):
    words = command.split()
    if words[0] == "reconnect":
        for client in clients:
            if client.call:
                client.call.cancel()
    elif words[0] in ("nack", "accept"):
        clients[int(words[1])].is_nacking = words[0] == "nack"
    elif words[0] in ("deafen", "listen"):
        clients[int(words[1])].is_deaf = words[0] == "deafen"


async def main():
    facts = Facts()
    clients = [Client(i, sys.argv[2].split(","), facts) for i in range(int(sys.argv[1]))]
    for client in clients:
        client.task = asyncio.create_task(client.run())
    loop = asyncio.get_running_loop()

    def hear():
        for line in os.read(0, 65536).decode().splitlines():
            obey(clients, line)
    loop.add_reader(0, hear)
    while True:
        await asyncio.sleep(0.02)
        sys.stdout.flush()


asyncio.run(main())
