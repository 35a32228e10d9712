"""etcd as the chaos run sees it: through its JSON gateway, the members tried in turn."""

import base64
import http.client
import json
import os
import socket
import threading
import time

TIMEOUT_S = 2.0
SILENCE_S = 4.0  # of a watch: replicas' records come every second
PREFIX = "/pilot/"


def b64(text):
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def unb64(text):
    return base64.b64decode(text or "").decode(errors="replace")


RANGE_END = b64(PREFIX[:-1] + chr(ord("/") + 1))


USER = "CHAOS_ETCD_USER"  # in the environment, so that helpers have it too: NAME:PASSWORD


class Unavailable(Exception):
    pass


class Unauthenticated(OSError):
    pass


class Etcd:
    """Calls of one thread. A member that does not answer is left for the next."""

    def __init__(self, addresses):
        self.addresses, self.at, self.connection = list(addresses), 0, None
        self.headers = {}

    def call(self, path, request, timeout_s=TIMEOUT_S):
        problem = None
        for _ in range(len(self.addresses)):
            try:
                try:
                    return self.once(path, request, timeout_s)
                except Unauthenticated:
                    self.log_in(timeout_s)
                    return self.once(path, request, timeout_s)
            except (OSError, ValueError, http.client.HTTPException) as error:
                problem = error
                self.close()
                self.at = (self.at + 1) % len(self.addresses)
        raise Unavailable(f"{path}: {problem!r}")

    def once(self, path, request, timeout_s):
        if not self.connection:
            self.connection = http.client.HTTPConnection(self.addresses[self.at], timeout=timeout_s)
        body = request if isinstance(request, bytes) else json.dumps(request)
        self.connection.request("POST", f"/v3/{path}", body, self.headers)
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != 200 and USER in os.environ and (b"token" in body or b"user name" in body):
            raise Unauthenticated(f"{answer.status} {body[:200]!r}")
        if answer.status != 200:
            raise OSError(f"{answer.status} {body[:200]!r}")
        return json.loads(body)

    def log_in(self, timeout_s=TIMEOUT_S):
        name, password = os.environ[USER].split(":")
        self.headers = {}
        answer = self.once("auth/authenticate", {"name": name, "password": password}, timeout_s)
        self.headers = {"Authorization": answer["token"]}

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def put(self, key, value, lease=0):
        text = value if isinstance(value, (str, bytes)) else json.dumps(value)
        answer = self.call("kv/put", {"key": b64(PREFIX + key), "value": b64(text), "lease": lease})
        return int(answer["header"]["revision"])

    def delete(self, key):
        answer = self.call("kv/deleterange", {"key": b64(PREFIX + key)})
        return int(answer["header"]["revision"])

    def delete_all(self, prefix):
        """In one revision."""
        end = PREFIX + prefix[:-1] + chr(ord(prefix[-1]) + 1)
        return int(self.call("kv/deleterange", {"key": b64(PREFIX + prefix), "range_end": b64(end)},
                             20)["header"]["revision"])

    def grant(self, ttl_s):
        return self.call("lease/grant", {"TTL": str(ttl_s)})["ID"]

    def keep_alive(self, lease):
        """False when the lease has run out."""
        return "TTL" in self.call("lease/keepalive", {"ID": lease}).get("result", {})

    def list(self):
        """(revision, key -> (mod revision, value)) of all under the prefix."""
        answer = self.call("kv/range", {"key": b64(PREFIX), "range_end": RANGE_END})
        values = {unb64(kv["key"])[len(PREFIX):]: (int(kv["mod_revision"]), unb64(kv.get("value")))
                  for kv in answer.get("kvs", [])}
        return int(answer["header"]["revision"]), values

    def compact(self):
        revision = int(self.call("kv/range", {"key": b64(PREFIX)})["header"]["revision"])
        self.call("kv/compaction", {"revision": str(revision), "physical": True}, 10)

    def status(self):
        return self.call("maintenance/status", {})

    def demand_users(self, names, password):
        """From now on only root and these may do anything; these have a role for the prefix."""
        self.call("auth/role/add", {"name": "root"})
        self.call("auth/role/add", {"name": "pilot"})
        self.call("auth/role/grant", {"name": "pilot", "perm": {
            "permType": "READWRITE", "key": b64(PREFIX), "range_end": RANGE_END}})
        for name in ["root", *names]:
            self.call("auth/user/add", {"name": name, "password": password})
            self.call("auth/user/grant", {"user": name, "role": "root" if name == "root" else "pilot"})
        self.call("auth/enable", {})
        os.environ[USER] = f"root:{password}"


class History(threading.Thread):
    """Tells on_event(time, revision, key, value or None) for every change, each once and in order,
    whichever member it comes from. `on_restart(time, revision, values)` begins it, and begins it
    anew when the cluster has lost history that was not told yet."""

    def __init__(self, addresses, on_restart, on_event):
        super().__init__(daemon=True)
        self.addresses, self.on_restart, self.on_event = list(addresses), on_restart, on_event
        self.revision, self.must_list, self.heard = 0, True, 0.0
        self.stopping = threading.Event()
        self.start()

    def run(self):
        at = 0
        while not self.stopping.is_set():
            address = self.addresses[at % len(self.addresses)]
            try:
                if self.must_list:
                    revision, values = Etcd([address]).list()
                    self.revision, self.must_list = revision, False
                    self.on_restart(time.monotonic(), revision, values)
                self.follow(address)
            except (OSError, ValueError, http.client.HTTPException, Unavailable):
                pass
            at += 1
            self.stopping.wait(0.1)

    def follow(self, address):
        connection = http.client.HTTPConnection(address, timeout=SILENCE_S)
        etcd = Etcd([address])
        if USER in os.environ:
            etcd.log_in()
        try:
            connection.request("POST", "/v3/watch", json.dumps({"create_request": {
                "key": b64(PREFIX), "range_end": RANGE_END,
                "start_revision": str(self.revision + 1)}}), etcd.headers)
            answer = connection.getresponse()
            while not self.stopping.is_set():
                line = answer.readline()
                if not line:
                    return
                if not self.take(json.loads(line).get("result", {})):
                    return
        except socket.timeout:
            return
        finally:
            connection.close()
            etcd.close()

    def take(self, result):
        now = time.monotonic()
        self.heard = now
        if int(result.get("compact_revision", 0)) > self.revision + 1:
            self.must_list = True
        if result.get("canceled") or "header" not in result:
            return False
        for event in result.get("events", []):
            kv = event["kv"]
            revision = int(kv["mod_revision"])
            if revision <= self.revision and not result.get("fragment"):
                continue
            gone = event.get("type") == "DELETE"
            self.on_event(now, revision, unb64(kv["key"])[len(PREFIX):],
                          None if gone else unb64(kv.get("value")))
        if result.get("events"):
            self.revision = max(self.revision, int(result["events"][-1]["kv"]["mod_revision"]))
        return True

    def restart(self):
        """The cluster was restored from a backup: what was told is no more."""
        self.must_list = True
