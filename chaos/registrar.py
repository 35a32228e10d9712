"""A registrar: keeps leased instances in etcd.

    registrar.py ADDRESS,ADDRESS TTL_SECONDS < {"registry/ns/service/instance": {...}, ...}

Each instance has a lease of its own. SIGTERM revokes nothing: as after a crash, the leases run out.
"""

import json
import sys
import time

from etcd import Etcd, Unavailable


def keep(etcd, leases, values, ttl_s):
    for key, value in values.items():
        if key in leases and etcd.keep_alive(leases[key]):
            continue
        leases[key] = etcd.grant(ttl_s)
        etcd.put(key, value, leases[key])


def main():
    etcd, ttl_s = Etcd(sys.argv[1].split(",")), int(sys.argv[2])
    values = json.load(sys.stdin)
    leases = {}
    while True:
        try:
            keep(etcd, leases, values, ttl_s)
            print("kept", flush=True)
        except (Unavailable, KeyError) as problem:
            print(problem, flush=True)
        time.sleep(ttl_s / 4)


main()
