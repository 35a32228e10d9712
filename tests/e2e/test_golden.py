"""tests/golden/NAME: resources and a node, and what that proxy is to be sent, to the letter.

node.json and input.yaml (and mesh.yaml, where there is one) go through `pilotctl render`. After a wanted
change, UPDATE_GOLDEN=1 writes the expected files anew: read their diff as part of the change. An Envoy
must accept each of them whole."""

import json
import os
import subprocess

import pytest

from harness import PILOTCTL
from cluster import ENVOY, ROOT  # where harness.py says

GOLDEN = os.path.join(ROOT, "tests", "golden")
CASES = sorted(os.listdir(GOLDEN))
FILES = ["clusters.json", "endpoints.json", "listeners.json", "routes.json"]
HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
HTTP_MANAGER = "envoy.filters.network.http_connection_manager"


def render(case, directory):
    folder = os.path.join(GOLDEN, case)
    command = [PILOTCTL, "render", "-f", f"{folder}/input.yaml", "--node", f"{folder}/node.json",
               "-o", str(directory)]
    if os.path.exists(f"{folder}/mesh.yaml"):
        command += ["--mesh", f"{folder}/mesh.yaml"]
    done = subprocess.run(command, text=True, capture_output=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return {name: json.loads((directory / name).read_text(encoding="utf-8")) for name in FILES}


@pytest.mark.parametrize("case", CASES)
def test_a_proxy_is_sent_what_is_written(case, tmp_path):
    rendered = render(case, tmp_path)

    for name in FILES:
        path = os.path.join(GOLDEN, case, name)
        if os.environ.get("UPDATE_GOLDEN"):
            with open(path, "w", encoding="utf-8") as out:
                out.write(json.dumps(rendered[name], indent=1, ensure_ascii=False) + "\n")
        with open(path, encoding="utf-8") as expected:
            assert rendered[name] == json.load(expected), f"{case}/{name}"


def http_managers(listeners):
    for listener in listeners:
        chains = listener.get("filterChains", []) + [listener.get("defaultFilterChain", {})]
        for chain in chains:
            for network_filter in chain.get("filters", []):
                if network_filter["name"] == HTTP_MANAGER:
                    yield network_filter["typedConfig"]


def bootstrap(rendered):
    """The view as one static configuration: Envoy then checks all of it before it starts."""
    tables = {table["name"]: table for table in rendered["routes.json"]}
    used = set()
    for manager in http_managers(rendered["listeners.json"]):
        if "rds" in manager:
            name = manager.pop("rds")["routeConfigName"]
            used.add(name)
            manager["routeConfig"] = tables[name]
    assert used == set(tables), "a table that no listener asks for"
    h2 = {HTTP_OPTIONS: {"@type": f"type.googleapis.com/{HTTP_OPTIONS}",
                         "explicitHttpConfig": {"http2ProtocolOptions": {}}}}
    return {
        "node": {"id": "golden", "cluster": "golden"},
        "staticResources": {
            "listeners": rendered["listeners.json"],
            "clusters": rendered["clusters.json"] + [
                {"name": "xds", "type": "STATIC", "typedExtensionProtocolOptions": h2,
                 "loadAssignment": {"clusterName": "xds"}}]},
        "dynamicResources": {"adsConfig": {
            "apiType": "GRPC", "transportApiVersion": "V3",
            "grpcServices": [{"envoyGrpc": {"clusterName": "xds"}}]}}}


@pytest.mark.parametrize("case", CASES)
def test_an_envoy_accepts_it(case, tmp_path):
    path = tmp_path / "bootstrap.json"
    path.write_text(json.dumps(bootstrap(render(case, tmp_path))), encoding="utf-8")

    done = subprocess.run([ENVOY, "--mode", "validate", "-c", str(path), "-l", "error"],
                          text=True, capture_output=True, timeout=60)

    assert done.returncode == 0, done.stderr
