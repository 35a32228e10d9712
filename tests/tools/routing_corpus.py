#!/usr/bin/python3
"""Compares `pilotctl render` with known output:
  routing_corpus.py PILOTCTL CORPUS_DIR [SCENARIO…] [-v] [--keep DIR]

A scenario of CORPUS_DIR/routing is input.yaml (resources), scenario.json (the proxy, the mesh
configuration) and golden/ (what is wanted, as proto JSON); CORPUS_DIR/compare.py tells what of it
means something. Exit 1 when a scenario that needs only the kinds in SUPPORTED differs in a place
that DELIBERATE does not explain, or when a row of DELIBERATE explains nothing.
"""

import argparse
import collections
import fnmatch
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile

import yaml

from corpus_table import print_table

SUPPORTED = {"VirtualService", "DestinationRule", "ServiceEntry", "WorkloadEntry",
             "WorkloadGroup"}
PARTS = ("clusters", "listeners", "routes", "endpoints")

# What is different on purpose: scenarios (a glob), paths of differences (a regular expression),
# why (docs/CONFORMANCE.md says more).
Deliberate = collections.namedtuple("Deliberate", "scenario path why")
DELIBERATE = (
    Deliberate("bookinfo-all-v1-then-reviews-jason", r"^/routes/",
               "two resources without a time of creation: in files the one that comes first is the "
               "older one; Istio takes the one whose name comes first"),
    Deliberate("istio-ut-testserviceentryduplicatedhostname*",
               r"^/listeners/(0\.0\.0\.0|240\.240\.\d+\.\d+)_443$"
               r"|^/routes/80/istio\.io:80/domains$",
               "virtual addresses come from a hash when the proxy asks for them; Istio's come from "
               "a controller through the status of the resource"),
)

RESTATED = Deliberate("", "", "the same files, but read by Envoy itself; Istio names them to an "
                      "agent that serves secrets")
SYSTEM_CA = "/etc/ssl/certs/ca-certificates.crt"

Result = collections.namedtuple("Result", "name group outcome differences whys error")


def load_compare(corpus):
    spec = importlib.util.spec_from_file_location("compare", os.path.join(corpus, "compare.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def node_of(scenario):
    """Envoy's Node, as the proxy of a scenario would introduce itself."""
    proxy = scenario["proxy"]
    # Each of Istio's proxies has an agent with a certificate; one of pilotd's has when it says so.
    metadata = {"NAMESPACE": proxy["namespace"], "LABELS": proxy.get("labels") or {},
                "SERVICE_ACCOUNT": proxy.get("serviceAccount") or "default",
                "INSTANCE_IPS": ",".join(proxy["ip"])}
    metadata.update(proxy.get("metadata") or {})
    region, zone, sub_zone = (proxy.get("locality", "").split("/") + ["", "", ""])[:3]
    locality = {"region": region, "zone": zone, "sub_zone": sub_zone}
    return {"id": scenario["nodeId"], "metadata": metadata,
            "locality": {name: text for name, text in locality.items() if text}}


def render(pilotctl, folder, scenario, out):
    """Runs pilotctl render; returns what it says, or None when it is content."""
    os.makedirs(out, exist_ok=True)
    node, mesh = os.path.join(out, "node.json"), os.path.join(out, "mesh.yaml")
    with open(node, "w", encoding="utf-8") as file:
        json.dump(node_of(scenario), file)
    command = [pilotctl, "render", "-f", os.path.join(folder, "input.yaml"), "--node", node,
               "-o", out]
    if scenario.get("meshConfig"):
        with open(mesh, "w", encoding="utf-8") as file:
            file.write(scenario["meshConfig"])
        command += ["--mesh", mesh]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=60, check=False)
    if done.returncode == 0:
        return None
    errors = [f"render ended with {done.returncode}"]
    errors += [line for line in done.stdout.splitlines() if ": warning: " not in line]
    return "\n".join(errors).replace(folder + "/", "").replace(out + "/", "")


def restate_tls(context):
    """Files of a CommonTlsContext, said as the names that Istio's agent gives them; True if any."""
    pairs = context.pop("tlsCertificates", [])
    if pairs:
        context["tlsCertificateSdsSecretConfigs"] = [
            {"name": "file-cert:{}~{}".format(pair["certificateChain"]["filename"],
                                              pair["privateKey"]["filename"])} for pair in pairs]
    validation = context.get("validationContext", {})
    file = validation.pop("trustedCa", {}).get("filename")
    if file:
        del context["validationContext"]
        name = "file-root:" + ("system" if file == SYSTEM_CA else file)
        context["combinedValidationContext"] = {
            "defaultValidationContext": validation,
            "validationContextSdsSecretConfig": {"name": name}}
    return bool(pairs or file)


def restate(value):
    """Restates every CommonTlsContext inside `value`; True when there was something to restate."""
    if isinstance(value, list):
        return any([restate(item) for item in value])
    if not isinstance(value, dict):
        return False
    is_restated = "commonTlsContext" in value and restate_tls(value["commonTlsContext"])
    return any([restate(item) for item in value.values()]) or is_restated


def restate_files(out):
    """Restates the files in `out`; True when there was something to restate."""
    is_restated = False
    for part in PARTS:
        path = os.path.join(out, part + ".json")
        with open(path, encoding="utf-8") as file:
            resources = json.load(file)
        if restate(resources):
            is_restated = True
            with open(path, "w", encoding="utf-8") as file:
                json.dump(resources, file, indent=1)
    return is_restated


def why_deliberate(name, path):
    for row in DELIBERATE:
        if fnmatch.fnmatch(name, row.scenario) and re.search(row.path, path):
            return row
    return None


def judge(compare, pilotctl, folder, out):
    """Result of one scenario."""
    name = os.path.basename(folder)
    with open(os.path.join(folder, "scenario.json"), encoding="utf-8") as file:
        scenario = json.load(file)
    with open(os.path.join(folder, "input.yaml"), encoding="utf-8") as file:
        kinds = {doc["kind"] for doc in yaml.safe_load_all(file) if doc}
    foreign = sorted(kinds - SUPPORTED)
    group = "needs " + ", ".join(foreign) if foreign else "traffic kinds"
    error = render(pilotctl, folder, scenario, out)
    if error:
        return Result(name, group, "refused" if foreign else "differs", [], set(), error)
    whys = {RESTATED} if restate_files(out) else set()
    found = []
    compare.diff(compare.summary(os.path.join(folder, "golden")), compare.summary(out), "", found)
    rows = [why_deliberate(name, difference[0]) for difference in found]
    whys |= {row for row in rows if row}
    outcome = "differs" if not all(rows) else "explained" if whys else "equal"
    return Result(name, group, outcome, list(zip(found, rows)), whys, None)


def parts_of(result):
    """Which of clusters, listeners, routes, endpoints differ without being explained."""
    counts = collections.Counter(difference[0].split("/")[1]
                                 for difference, row in result.differences if not row)
    return ", ".join(f"{part} {counts[part]}" for part in PARTS if counts[part])


def describe(result, is_verbose):
    if result.error:
        yield f"  {result.outcome:9} {result.name}: " + result.error.replace("\n", "\n      ")
    elif result.outcome == "differs":
        yield f"  differs   {result.name}: {parts_of(result)}"
        for difference, row in result.differences if is_verbose else ():
            if not row:
                yield "      " + json.dumps(difference)[:600]
    elif result.outcome == "explained":
        for row in sorted(result.whys):
            yield f"  explained {result.name}: {row.why}"


def run(pilotctl, corpus, wanted=(), is_verbose=False, keep=None):
    """Prints the table and what differs; true when nothing differs unexplained."""
    counts, results = collections.defaultdict(collections.Counter), []
    compare = load_compare(corpus)
    root = os.path.join(corpus, "routing")
    with tempfile.TemporaryDirectory() as scratch:
        for name in sorted(wanted or os.listdir(root)):
            out = os.path.join(keep or scratch, name)
            results.append(judge(compare, pilotctl, os.path.join(root, name), out))
    for result in results:
        counts[result.group][result.outcome] += 1
    print_table("routing", counts)
    for result in results:
        if result.outcome != "refused" or is_verbose:
            for line in describe(result, is_verbose):
                print(line)
    used = set().union(*(result.whys for result in results))
    stale = [row for row in DELIBERATE if row not in used and not wanted]
    for row in stale:
        print(f"  is listed as deliberate, but explains nothing: {row.scenario} {row.path}")
    differs = any(r.outcome == "differs" and r.group == "traffic kinds" for r in results)
    return bool(results) and not differs and not stale


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("pilotctl")
    parser.add_argument("corpus")
    parser.add_argument("scenario", nargs="*")
    parser.add_argument("-v", action="store_true", help="every difference")
    parser.add_argument("--keep", help="leave what was rendered in this directory")
    args = parser.parse_args()
    return 0 if run(args.pilotctl, args.corpus, args.scenario, args.v, args.keep) else 1


if __name__ == "__main__":
    sys.exit(main())
