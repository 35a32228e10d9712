"""Whatever pilotd sends, a real Envoy accepts: goldens, the demo's resources, random worlds.

Over ADS, as a running proxy takes it, where test_golden.py has Envoy check a static file. A refusal
(NACK) is a failure of ours: what a proxy cannot take has to be refused by validation, with better
words."""

import glob
import importlib
import json
import os
import pkgutil
import subprocess
import sys

import pytest
from google.protobuf import json_format

from test_golden import CASES, FILES, GOLDEN, PILOTCTL, ROOT, render

sys.path.insert(0, os.path.join(ROOT, "tests", "fuzz", "config"))

from fuzz import Fuzzer  # noqa: E402
from judge import Judge, message_class  # noqa: E402

SHORT = {"clusters.json": "CDS", "endpoints.json": "EDS", "listeners.json": "LDS",
         "routes.json": "RDS"}
DEMO = sorted(glob.glob(os.path.join(ROOT, "deploy", "demo", "resources", "*.yaml")))
WORLDS, FIRST_SEED = 25, 1
MESH_OF_DEMO = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: NAME, namespace: default}
spec:
  hosts: [NAME.default.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 9080, name: http, protocol: HTTP}]
  endpoints:
  - {address: 10.61.0.1, labels: {version: v1}}
  - {address: 10.61.0.2, labels: {version: v2}}
  - {address: 10.0.0.1, labels: {version: v3}}
---
"""


@pytest.fixture(scope="module", name="judge")
def fixture_judge():
    with Judge() as judge:
        yield judge


def load_types(node):
    """Python knows the types inside an Any once their modules are loaded: all of the package's."""
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else []
    for child in children:
        load_types(child)
    if isinstance(node, dict) and "@type" in node:
        package = node["@type"].split("/")[1].rsplit(".", 1)[0]
        for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
            if module.name.endswith("_pb2"):
                importlib.import_module(f"{package}.{module.name}")


def view_of(rendered):
    """What `pilotctl render` wrote, as the messages that go over the wire."""
    load_types(rendered)
    view = {}
    for file, short in SHORT.items():
        messages = [json_format.ParseDict(one, message_class(short)()) for one in rendered[file]]
        view[short] = [(name_of(message), message.SerializeToString()) for message in messages]
    return view


def name_of(message):
    return message.cluster_name if hasattr(message, "cluster_name") else message.name


@pytest.mark.parametrize("case", CASES)
def test_an_envoy_takes_each_golden(case, judge, tmp_path):
    view = view_of(render(case, tmp_path))

    assert view["CDS"] and view["LDS"]
    assert judge.try_view(view) == []


@pytest.mark.parametrize("path", DEMO, ids=os.path.basename)
def test_an_envoy_takes_the_demo(path, judge, tmp_path):
    services = "".join(MESH_OF_DEMO.replace("NAME", name) for name in ("reviews", "ratings"))
    (tmp_path / "services.yaml").write_text(services, encoding="utf-8")
    node = {"id": "sidecar~10.0.0.1~reviews.default~default.svc.cluster.local"}
    (tmp_path / "node.json").write_text(json.dumps(node), encoding="utf-8")

    done = subprocess.run(
        [PILOTCTL, "render", "-f", tmp_path / "services.yaml", "-f", path, "--node",
         tmp_path / "node.json", "-o", tmp_path], text=True, capture_output=True, timeout=30)

    assert done.returncode == 0, done.stderr
    view = view_of({file: json.loads((tmp_path / file).read_text("utf-8")) for file in FILES})
    assert view["RDS"]
    assert judge.try_view(view) == []


def test_an_envoy_refuses_what_is_wrong(judge, tmp_path):
    """The judge can say no."""
    rendered = render(CASES[0], tmp_path)
    rendered["clusters.json"][0]["connectTimeout"] = "0s"

    refused = judge.try_view(view_of(rendered))

    assert [kind for kind, _ in refused] == ["CDS"] and "ConnectTimeout" in refused[0][1]


def test_an_envoy_takes_random_worlds(judge):
    fuzzer = Fuzzer(judge)

    failures = {seed: found for seed in range(FIRST_SEED, FIRST_SEED + WORLDS)
                if (found := fuzzer.complaints(seed))}
    fuzzer.core.close()

    assert not failures, f"fuzz.py --seed {min(failures)} --count 1 makes it small: {failures}"
    assert fuzzer.valid * 3 > fuzzer.tried
