#!/bin/sh
# An external registrar in a page: registers one instance in etcd with curl, and keeps its lease alive.
# It knows nothing of pilotd but the keyspace: services/NS/SERVICE and registry/NS/SERVICE/INSTANCE.
#
#   registrar.sh ETCD_URL TTL_SECONDS NAMESPACE SERVICE INSTANCE SERVICE_JSON INSTANCE_JSON
#
# SIGTERM deregisters at once, and says so: in one transaction the instance goes and a tombstone comes, which
# the lease takes with it when it runs out. SIGKILL leaves it to the lease.
set -eu
etcd=$1 ttl=$2 ns=$3 service=$4 instance=$5 service_json=$6 instance_json=$7

post() { curl -sS --fail --max-time 3 -X POST "$etcd/v3/$1" -d "$2"; }
base64_of() { printf %s "$1" | base64 | tr -d '\n'; }
put() { # KEY VALUE [LEASE]
    post kv/put "{\"key\":\"$(base64_of "/pilot/$1")\",\"value\":\"$(base64_of "$2")\",\"lease\":\"${3:-0}\"}" > /dev/null
}
register() {
    lease=$(post lease/grant "{\"TTL\":\"$ttl\"}" | sed 's/.*"ID":"\([0-9]*\)".*/\1/')
    put "registry/$ns/$service/$instance" "$instance_json" "$lease"
}
deregister() {
    key=registry/$ns/$service/$instance
    post kv/txn "{\"success\":[
        {\"requestDeleteRange\":{\"key\":\"$(base64_of "/pilot/$key")\"}},
        {\"requestPut\":{\"key\":\"$(base64_of "/pilot/tombstones/$key")\",\"lease\":\"$lease\"}}]}" > /dev/null || true
    exit 0
}

put "services/$ns/$service" "$service_json"
register
trap deregister TERM INT
echo registered
while :; do
    sleep 1 & wait $! || true
    # A lease that is gone (etcd was away for longer than the TTL) answers without a TTL: register anew.
    post lease/keepalive "{\"ID\":\"$lease\"}" 2>/dev/null | grep -q '"TTL"' || register || true
done
