"""What proxies should be told, worked out from etcd's history alone: endpoints of registered services and
the weights of a VirtualService. It shares no code with pilotd, and knows only what the keyspace says: an
instance that is absent without a tombstone is there while something is held for it.

    model.restart(time, revision, values); model.apply(time, revision, key, value or None)
    model.endpoints["web"].first_after(revision, value)   the earliest revision that says so
"""

import bisect
import json

HOST = "{}.default.svc.cluster.local"
PORT = 8080


def cluster_name(service):
    return f"outbound|{PORT}||{HOST.format(service)}"


def service_of(cluster):
    """The name of a service of the default namespace, or None."""
    words = cluster.split("|")
    end = HOST.format("")
    is_ours = len(words) == 4 and words[2] == "" and words[3].endswith(end)
    return words[3][:-len(end)] if is_ours else None


class Series:
    """One value's course: from which revision on it was what."""

    def __init__(self, revision, value):
        self.revisions, self.values = [revision], [value]

    def set(self, revision, value):
        if value == self.values[-1]:
            return
        if revision == self.revisions[-1]:
            self.values[-1] = value
            return
        self.revisions.append(revision)
        self.values.append(value)

    def now(self):
        return self.values[-1]

    def first_after(self, revision, value):
        """The lowest revision >= `revision` at which the value was this one, or None."""
        at = max(0, bisect.bisect_right(self.revisions, revision) - 1)
        for i in range(at, len(self.values)):
            if self.values[i] == value:
                return max(revision, self.revisions[i])
        return None


OF_INSTANCES = ("holds", "tombstones")  # of the key registry/… that follows


class Instance:
    def __init__(self):
        self.is_there, self.endpoint = False, None
        self.holds = self.tombstones = None

    def put(self, value):
        """A value that is no instance leaves the last good one in force."""
        self.is_there = value is not None
        self.endpoint = endpoint_of(value) or (self.endpoint if self.is_there else None)

    def in_force(self):
        if self.is_there or self.tombstones is not None or self.holds is None:
            return self.endpoint
        hold = json.loads(self.holds)
        return endpoint_of(json.dumps(hold["value"])) if hold.get("why") == "expired" else None


class Model:
    def __init__(self):
        self.restart(0.0, 0, {})

    def restart(self, time, revision, values):
        """History begins here: earlier revisions are unknown, or are no more."""
        self.begin, self.revision = revision, revision
        self.instances, self.endpoints, self.rules = {}, {}, {}  # service -> {instance: Instance}; Series
        self.live_since = {}  # (service, endpoint) -> time
        self.times = [(time, revision)]
        for key, (_, value) in sorted(values.items()):
            self.apply(time, 0, key, value)
        self.revision = revision

    def apply(self, time, revision, key, value):
        words = key.split("/")
        self.revision = max(self.revision, revision)
        if revision > self.times[-1][1]:
            self.times.append((time, revision))
        if words[0] == "registry" and len(words) == 4 and words[1] == "default":
            self.instance(words[2], words[3]).put(value)
            self.note_endpoints(time, revision, words[2])
        elif words[0] in OF_INSTANCES and words[1:3] == ["registry", "default"] and len(words) == 5:
            setattr(self.instance(words[3], words[4]), words[0], value)
            self.note_endpoints(time, revision, words[3])
        elif words[0] == "services" and len(words) == 3 and words[1] == "default":
            self.endpoints.setdefault(words[2], Series(revision, ()))
        elif words[:3] == ["config", "virtualservices", "default"]:
            series, weights = self.rules.setdefault(words[3], Series(revision, None)), weights_of(value)
            if weights or value is None:  # else the last good one is held
                series.set(revision, weights)

    def instance(self, service, name):
        return self.instances.setdefault(service, {}).setdefault(name, Instance())

    def note_endpoints(self, time, revision, service):
        series = self.endpoints.setdefault(service, Series(revision, ()))
        before = set(series.now())
        after = {instance.in_force() for instance in self.instances[service].values()} - {None}
        for gone in before - after:
            self.live_since.pop((service, gone), None)
        for new in after - before:
            self.live_since[service, new] = time
        series.set(revision, tuple(sorted(after)))

    def lag_s(self, now, revision):
        """Since when there has been something newer than this revision."""
        at = bisect.bisect_right(self.times, revision, key=lambda told: told[1])
        return now - self.times[at][0] if at < len(self.times) else 0.0


def endpoint_of(value):
    """(address, port, weight), or None for what is not there or no instance."""
    try:
        read = json.loads(value) if value is not None else None
        if not read or not 1 <= read["ports"]["http"] <= 65535:
            return None
        return read["address"], read["ports"]["http"], read.get("weight", 1)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def weights_of(value):
    """((cluster, weight), …) of the last rule, or None when there is no such VirtualService."""
    try:
        route = json.loads(value)["spec"]["http"][-1]["route"] if value is not None else None
        return tuple((cluster_name(to["destination"]["host"]), to["weight"])
                     for to in route) if route else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
