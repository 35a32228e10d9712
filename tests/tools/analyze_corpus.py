#!/usr/bin/python3
"""Compares `pilotctl validate` with known findings: analyze_corpus.py PILOTCTL ANALYSIS.jsonl

A line of the corpus is {"analyzer", "name", "inputs": [{"yaml"}], "expect": [{"code", "origin"}]}:
resources that are analysed together, and the messages that another analyzer has for them. Rows
need kinds that pilotd knows; a Kubernetes Service with its Pods is told as a ServiceEntry. For each
row only pilotd's counterparts of that analyzer's messages count: each expected one must be there,
at the resource or naming it (pilotd tells a conflict once, to the one who loses), and no other.
Prints a table and every row that is not equal; exit 1 when one differs and nobody explains it.
"""

import collections
import json
import re
import subprocess
import sys

import yaml

from corpus_table import print_table

KINDS = {"VirtualService", "DestinationRule", "ServiceEntry", "WorkloadEntry"}
CLUSTER_KINDS = {"Service", "Pod", "Node"}
COUNTERPARTS = {
    "IST0101": {"PIL0401", "PIL0402", "PIL0412"},
    "IST0109": {"PIL0404"},
    "IST0130": {"PIL0403"},
    "IST0131": {"PIL0403"},
    "IST0134": {"PIL0413"},
    "IST0173": {"PIL0408"},
    "IST0174": {"PIL0401"},
    "IST0177": {"PIL0405"},
}
OF_ANALYZER = {
    "destinationrule.SubsetSelectPodAnalyzer": ("IST0173", "IST0174"),
    "serviceentry.Analyzer": ("IST0134",),
    "serviceentry.ConflictingServiceEntryProtocolAnalyzer": ("IST0177",),
    "virtualservice.ConflictingMeshGatewayHostsAnalyzer": ("IST0109",),
}
TOLD_ONCE = {"IST0177"}  # to one of those concerned, without naming the others
EXPLAINED = {
    "destinationrule.CaCertificateAnalyzer":
        "without caCertificates the system's authorities verify the server: nothing is left open",
    "virtualservice.GatewayAnalyzer": "gateways do not route yet; validation says so",
    "IST0109 VirtualService foo/productpage-d": "the longer wildcard wins, whatever the age",
    "IST0109 VirtualService bar/productpage-d": "the longer wildcard wins, whatever the age",
}


def full_name(document):
    metadata = document.get("metadata", {})
    return f"{document['kind']} {metadata.get('namespace', 'default')}/{metadata['name']}"


def full_origin(origin):
    """With the namespace that goes without saying."""
    kind, name = origin.split(" ", 1)
    return f"{kind} {name if '/' in name else 'default/' + name}"


# ---- Kubernetes' services as ServiceEntries ----

def selects(service, pod):
    labels = pod["metadata"].get("labels", {})
    return all(labels.get(key) == value for key, value in service["spec"]["selector"].items())


def endpoint_of(pod, nodes, number):
    labels = nodes.get(pod["spec"].get("nodeName"), {})
    place = [labels.get(f"topology.kubernetes.io/{part}") or "" for part in ("region", "zone")]
    endpoint = {"address": f"10.0.0.{number}", "labels": pod["metadata"].get("labels", {})}
    if place[0]:
        endpoint["locality"] = "/".join(part for part in place if part)
    return endpoint


def entry_of(service, pods, nodes):
    metadata = service["metadata"]
    namespace = metadata.get("namespace", "default")
    chosen = [pod for pod in pods if selects(service, pod)]
    ports = [{"name": port["name"], "number": port["port"],
              "protocol": port["name"].split("-")[0].upper()} for port in service["spec"]["ports"]]
    return {"apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry", "metadata": metadata,
            "spec": {"hosts": [f"{metadata['name']}.{namespace}.svc.cluster.local"],
                     "location": "MESH_INTERNAL", "resolution": "STATIC", "ports": ports,
                     "endpoints": [endpoint_of(pod, nodes, number)
                                   for number, pod in enumerate(chosen, 1)]}}


def translated(documents):
    """The documents with a ServiceEntry for each Service and its Pods."""
    pods = [d for d in documents if d["kind"] == "Pod"]
    nodes = {d["metadata"]["name"]: d["metadata"].get("labels", {})
             for d in documents if d["kind"] == "Node"}
    ours = [d for d in documents if d["kind"] in KINDS]
    return ours + [entry_of(d, pods, nodes) for d in documents if d["kind"] == "Service"]


# ---- findings ----

def findings_of(pilotctl, documents):
    """[(resource, code, text)], of errors as well."""
    texts = [yaml.safe_dump(document) for document in documents]
    starts = [sum(text.count("\n") + 1 for text in texts[:i]) + 1 for i in range(len(texts))]
    done = subprocess.run([pilotctl, "validate", "-f", "-"], text=True, timeout=30, check=False,
                          input="---\n".join(texts), stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    found = []
    for line in done.stdout.splitlines():
        match = re.match(r"<stdin>:(\d+):\d+: (.*) \[(PIL\d+)\]$", line)
        if match:
            index = max(i for i, start in enumerate(starts) if start <= int(match.group(1)))
            found.append((full_name(documents[index]), match.group(3), match.group(2)))
    return found, done.returncode == 0


def is_about(name, finding):
    """At the resource itself, or naming it: "VirtualService foo/bar"."""
    return finding[0] == name or re.search(rf"\b{re.escape(name)}\b(?![-.\w])", finding[2])


def faults_of(row, found):
    """What is missing and what is too much."""
    expected = [(e["code"], full_origin(e["origin"])) for e in row["expect"]]
    asked = set().union(*(COUNTERPARTS[code] for code in OF_ANALYZER[row["analyzer"]]))
    for code, name in expected:
        matching = [f for f in found if f[1] in COUNTERPARTS.get(code, ())]
        told = [n for c, n in expected if c == code and any(is_about(n, f) for f in matching)]
        if name not in told and not (code in TOLD_ONCE and told):
            yield f"{code} {name}"
    for finding in found:
        if finding[1] in asked and not any(
                finding[1] in COUNTERPARTS[c] and is_about(n, finding) for c, n in expected):
            yield f"{finding[1]} {finding[0]}: {finding[2]}"


def outcome_of(pilotctl, row):
    """(outcome, why) for a row."""
    documents = [d for i in row["inputs"] for d in yaml.safe_load_all(i["yaml"]) if d]
    kinds = {d["kind"] for d in documents}
    if not kinds <= KINDS | CLUSTER_KINDS or not kinds & KINDS:
        return "refused", "needs " + ", ".join(sorted(kinds - KINDS))
    if row["analyzer"] in EXPLAINED:
        return "explained" if row["expect"] else "equal", EXPLAINED[row["analyzer"]]
    if row["analyzer"] not in OF_ANALYZER:
        return "refused", "no counterpart"
    found, is_valid = findings_of(pilotctl, translated(documents))
    if not is_valid:
        return "differs", f"is not valid: {found}"
    faults = list(faults_of(row, found))
    if all(fault in EXPLAINED for fault in faults):
        return ("explained" if faults else "equal"), "; ".join(
            f"{fault}: {EXPLAINED[fault]}" for fault in faults)
    return "differs", "; ".join(faults)


def run(pilotctl, path):
    """Prints table and differences; True when all is equal or explained."""
    counts, remarks = collections.defaultdict(collections.Counter), []
    for line in open(path, encoding="utf-8"):
        row = json.loads(line)
        outcome, why = outcome_of(pilotctl, row)
        counts[row["analyzer"]][outcome] += 1
        if outcome in ("explained", "differs"):
            remarks.append(f"{outcome}: {row['name']}: {why}")
    print_table("analysis", counts)
    print("\n".join(remarks))
    return not any(remark.startswith("differs") for remark in remarks)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    return 0 if run(*sys.argv[1:]) else 1


if __name__ == "__main__":
    sys.exit(main())
