#!/usr/bin/python3
"""Compares `pilotctl route` with known simulations: simulate_corpus.py PILOTCTL CORPUS.jsonl [-v]

A line of the corpus is a test: resources, a proxy, a mesh configuration, and calls, each with the
listener, filter chain, route, cluster, … it must come to, or the error. Exit 1 when a call of a test
that needs only what pilotd has differs and DELIBERATE does not explain it.
"""

import argparse
import collections
import json
import os
import re
import subprocess
import sys
import tempfile

from corpus_table import print_table

SUPPORTED = {"VirtualService", "DestinationRule", "ServiceEntry", "WorkloadEntry",
             "WorkloadGroup"}
FIELDS = ("listener", "filterChain", "routeConfig", "virtualHost", "route", "cluster", "error")

# how pilotctl route ends -> the corpus's word for it
ERRORS = {
    "no listener matched": "no listener matched",
    "no filter chain matched": "no filter chains matched",
    "the caller has no certificate of the mesh": "invalid mTLS",
    "the filter chain wants TLS": "invalid mTLS",
    "the filter chain wants HTTP, and gets TLS": "invalid TLS",
    "the filter chain wants HTTP": "protocol error",
    "no virtual host matched": "no virtual host matched",
    "no route matched": "no route matched",
}

# Virtual addresses that Istio allocates to hosts without one; pilotd's come from another hash. A call
# to one goes to whatever pilotd has allocated to the host that is called.
ALLOCATED = re.compile(r"240\.240\.\d+\.\d+")
WHY_ALLOCATED = "the same, but at the address that pilotd allocates to the host"


def reason_apart(test):
    """Why a test is counted apart; None when pilotd has all that it needs."""
    foreign = sorted({config["kind"] for config in test["configs"]} - SUPPORTED)
    if foreign:
        return "needs " + ", ".join(foreign)
    if test["proxy"]["type"] != "sidecar":
        return "needs a gateway"
    if test.get("nonServiceEntryServices"):
        return "needs services of Kubernetes"
    return None


def node_of(proxy):
    """Envoy's Node. Each of Istio's proxies has an agent with a certificate; so has this one."""
    metadata = {"SERVICE_ACCOUNT": "default", "LABELS": proxy.get("labels") or {},
                "INSTANCE_IPS": ",".join(proxy["ip"])}
    metadata.update(proxy.get("metadata") or {})
    name = proxy["id"].split(".")[0]
    return {"id": f"{proxy['type']}~{proxy['ip'][0]}~{name}.{proxy['namespace']}"
                  f"~{proxy['dnsDomain']}", "metadata": metadata}


def write_inputs(test, folder):
    """Files for -f, --node and --mesh; the flags that name them."""
    contents = {"-f": "\n---\n".join(json.dumps(config) for config in test["configs"]) + "\n",
                "--node": json.dumps(node_of(test["proxy"])),
                "--mesh": json.dumps(test["meshConfig"])}
    flags = []
    for flag, text in contents.items():
        path = os.path.join(folder, flag.strip("-") + ".yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        flags += [flag, path]
    return flags


def host_of(call):
    """The URL's host: the address, but the name of a host whose address is allocated."""
    if ALLOCATED.fullmatch(call["address"]):
        return call["headers"]["Host"][0]
    return f"[{call['address']}]" if ":" in call["address"] else call["address"]


def flags_of(call):
    """The call as a command line. A call with a server name speaks TLS, whatever it says."""
    is_http = call["protocol"] in ("http", "http2")
    tls = "tls" if call["tls"] == "plaintext" and call["sni"] else call["tls"]
    flags = ["--tls", tls]
    if call["mode"] == "inbound":
        flags.append("--inbound")
    if call["protocol"] == "http2":
        flags.append("--http2")
    if tls != "plaintext":
        flags += ["--alpn", call["alpn"]]
        flags += ["--sni", call["sni"]] if call["sni"] else []
    for name, values in call["headers"].items():
        for value in values:
            flags += ["-H", f"{name}: {value}"]
    scheme, path = ("http", call["path"]) if is_http else ("tcp", "")
    return flags + [f"{scheme}://{host_of(call)}:{call['port']}{path}"]


def simulate(pilotctl, inputs, call):
    """What the corpus would say of pilotctl's answer, or what pilotctl says when it refuses."""
    done = subprocess.run([pilotctl, "route", "-o", "json", *inputs, *flags_of(call)],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=30,
                          check=False)
    if done.returncode not in (0, 1) or not done.stdout:
        return None, done.stderr.strip()
    answer = json.loads(done.stdout)
    got = {field: answer.get(field) for field in FIELDS}
    got["error"] = ERRORS.get(answer["end"])
    if answer["destinations"]:
        got["cluster"] = answer["destinations"][0]["cluster"]
    return got, None


def plain(text):
    """Without what is another spelling of the same."""
    return ALLOCATED.sub("ALLOCATED", (text or "").replace(".svc.cluster.local", ""))


def differences(wanted, got):
    """Of the fields that the corpus gives. A chain or route without a name is not given."""
    for field in FIELDS:
        if field in wanted and plain(wanted[field]) != plain(got[field]):
            yield f"{field} is {got[field] or 'none'}, not {wanted[field] or 'none'}"


def judge(pilotctl, inputs, call):
    """Outcome of one call, and what is to be said of it."""
    got, refusal = simulate(pilotctl, inputs, call["call"])
    found = [refusal] if refusal else list(differences({**call["got"], **call["want"]}, got))
    if found:
        return "differs", "; ".join(found)
    if ALLOCATED.fullmatch(call["call"]["address"]):
        return "explained", WHY_ALLOCATED
    return "equal", None


def run(pilotctl, corpus, is_verbose):
    """Prints the table and what differs; true when nothing differs unexplained."""
    counts, remarks, is_good = collections.defaultdict(collections.Counter), [], True
    with open(corpus, encoding="utf-8") as file:
        tests = [json.loads(line) for line in file]
    for test in tests:
        apart = reason_apart(test)
        if apart:
            counts[apart]["refused"] += len(test["calls"])
            continue
        with tempfile.TemporaryDirectory() as folder:
            inputs = write_inputs(test, folder)
            for call in test["calls"]:
                outcome, remark = judge(pilotctl, inputs, call)
                counts["traffic kinds"][outcome] += 1
                is_good = is_good and outcome != "differs"
                if remark or is_verbose:
                    remarks.append(f"  {outcome:9} {test['test']}: {call['name']}: {remark}")
    print_table("simulation", counts)
    print("\n".join(remarks))
    return is_good and bool(tests)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("pilotctl")
    parser.add_argument("corpus")
    parser.add_argument("-v", action="store_true", help="every call")
    args = parser.parse_args()
    return 0 if run(args.pilotctl, args.corpus, args.v) else 1


if __name__ == "__main__":
    sys.exit(main())
