"""The demo's second half, as root: each app with its sidecar in a network namespace, as on a VM.

iptables sends what the app sends to port 15001 of its Envoy, and what comes in to 15006; only Envoy's
own user is left alone. The namespaces hang on one bridge, with addresses used nowhere else.
"""

import json
import os
import subprocess
import time

from cluster import HERE, PYTHON, Failure, wait_until

SUBNET = "10.231.77"
BRIDGE = "pd-demo"
ENVOY_UID = "1337"
# name, version, last byte of the address, the services it calls (by virtual address)
WORKLOADS = [
    ("client", "v1", 11, {}),
    ("frontend", "v1", 12, {"backend": f"{SUBNET}.202"}),
    ("backend", "v1", 13, {}),
    ("backend", "v2", 14, {}),
]
VIRTUAL = {"frontend": f"{SUBNET}.201", "backend": f"{SUBNET}.202"}
PORT = 9080

RULES = """
-t nat -A OUTPUT -p tcp -m owner --uid-owner {uid} -j RETURN
-t nat -A OUTPUT -p tcp -d 127.0.0.0/8 -j RETURN
-t nat -A OUTPUT -p tcp -j REDIRECT --to-ports 15001
-t nat -A PREROUTING -p tcp --dport 15000 -j RETURN
-t nat -A PREROUTING -p tcp -j REDIRECT --to-ports 15006
"""

RESOURCES = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: backend, namespace: vm}
spec:
  host: backend
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: backend, namespace: vm}
spec:
  hosts: [backend]
  http:
  - route:
    - destination: {host: backend, subset: v2}
"""


def sh(*command):
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)}: {done.stdout.strip()}")
    return done.stdout


def remove():
    for name, version, _, _ in WORKLOADS:
        subprocess.run(["ip", "netns", "del", f"pd-{name}-{version}"], stderr=subprocess.DEVNULL)
    subprocess.run(["ip", "link", "del", BRIDGE], stderr=subprocess.DEVNULL)


def make_bridge():
    sh("ip", "link", "add", BRIDGE, "type", "bridge")
    sh("ip", "addr", "add", f"{SUBNET}.1/24", "dev", BRIDGE)
    sh("ip", "link", "set", BRIDGE, "up")


def make_namespace(ns, number):
    outside, address = f"pd-{number}", f"{SUBNET}.{number}"
    sh("ip", "netns", "add", ns)
    sh("ip", "link", "add", outside, "type", "veth", "peer", "name", "eth0", "netns", ns)
    sh("ip", "link", "set", outside, "master", BRIDGE, "up")
    inside = ["ip", "-n", ns]
    sh(*inside, "link", "set", "lo", "up")
    sh(*inside, "addr", "add", f"{address}/24", "dev", "eth0")
    sh(*inside, "link", "set", "eth0", "up")
    sh(*inside, "route", "add", "default", "via", f"{SUBNET}.1")
    for rule in RULES.format(uid=ENVOY_UID).strip().splitlines():
        sh("ip", "netns", "exec", ns, "iptables", *rule.split())
    return address


def forward_xds(cluster):
    """The balancer listens on loopback; a second one listens on the bridge for the namespaces."""
    path = os.path.join(cluster.directory, "bridge.cfg")
    with open(path, "w", encoding="utf-8") as out:
        out.write(f"""
defaults
    mode tcp
    timeout connect 1s
    timeout client 1h
    timeout server 1h
listen xds
    bind {SUBNET}.1:15010
    server balancer {cluster.lb}
""")
    cluster.start("haproxy-bridge", [cluster.haproxy.command[0], "-db", "-f", path])


def start_workload(cluster, name, version, number, calls):
    ns, key = f"pd-{name}-{version}", f"vm-{name}-{version}"
    address = make_namespace(ns, number)
    inside = ["ip", "netns", "exec", ns]
    if name != "client":
        command = [PYTHON, os.path.join(HERE, "app.py"), "--name", name, "--version", version,
                   "--listen", f"{address}:{PORT}"]
        for host, virtual in calls.items():
            command += ["--calls", f"{host}={virtual}:{PORT}"]
        cluster.start(f"{key}-app", command, prefix=inside)
        cluster.register(key, "vm", name, 5,
                         {"ports": [{"name": "http", "number": PORT, "protocol": "HTTP"}],
                          "addresses": [VIRTUAL[name]]},
                         {"address": address, "ports": {"http": PORT}, "labels": {"version": version}})
    node = f"sidecar~{address}~{name}-{version}.vm~vm.svc.cluster.local"
    as_envoy = ["setpriv", "--reuid", ENVOY_UID, "--regid", ENVOY_UID, "--clear-groups"]
    cluster.start_sidecar(key, node, "127.0.0.1", labels=[f"app={name}", f"version={version}"],
                          interception="REDIRECT", xds=f"{SUBNET}.1:15010", prefix=inside + as_envoy)


def ask():
    """curl in the client's namespace: the app's view, nothing but redirected traffic."""
    body = sh("ip", "netns", "exec", "pd-client-v1", "curl", "-sS", "--fail", "--max-time", "5",
              "-H", "Host: frontend", f"http://{VIRTUAL['frontend']}:{PORT}/")
    return json.loads(body)["backend"]["version"]


def asked_well(version):
    try:
        return ask() == version
    except (Failure, KeyError):
        return False


def run(cluster):
    """Yields what was seen, a line each."""
    remove()
    cluster.cleanups.append(remove)
    make_bridge()
    forward_xds(cluster)
    for workload in WORKLOADS:
        start_workload(cluster, *workload)
    started = time.monotonic()
    wait_until(lambda: asked_well("v1") or asked_well("v2"), "a redirected request", 30)
    yield f"{len(WORKLOADS)} namespaces; a request went client → frontend → backend, redirected " \
          f"({time.monotonic() - started:.1f} s after the last start)"
    path = os.path.join(cluster.directory, "vm.yaml")
    with open(path, "w", encoding="utf-8") as out:
        out.write(RESOURCES)
    cluster.ctl("apply", "-f", path)
    wait_until(lambda: all(asked_well("v2") for _ in range(5)), "backend v2 alone answers")
    versions = [ask() for _ in range(50)]
    if set(versions) != {"v2"}:
        raise Failure(f"50 redirected requests: {versions}")
    yield "a rule sends all of backend to v2: 50 redirected requests, 50 to v2"
