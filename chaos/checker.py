"""Watches what must hold while things break. Everything that is observed comes in by one queue:

    ("restart", time, revision, values), ("event", time, revision, key, value)   of etcd's history
    ("proxy", event), ("http", event)                         lines of xds_proxies and traffic.py
    ("poll", time, replica, is_ready, status or None, descriptors, resident bytes)
    ("era", time, None)                                       a backup is restored: history is another one
    ("end",)                                                  nothing comes any more

and is judged on one thread. What is broken is told at once, by the name of the invariant.
"""

import collections
import json
import os
import queue
import threading
import time

from goals import FIGURES
from model import Model, service_of

PATIENCE_S = 10.0  # for history to tell of what a proxy was sent
MISSING_S, STALE_S, HEARD_S = 2.0, 4.0, 8.0
DESCRIPTORS_MAX, RESIDENT_MAX = 400, 400 << 20  # one replica may have all the proxies
CAUSE_S = 5.0
TICK_S = 0.25
SPANS_MAX = 400
NICE = 15
CLOCK = "clock"
STREAM_ENDED = "the stream was ended"  # as xds_proxies says: by the replica, which goes on
WEB_HOST = "web.default.svc.cluster.local:8080"

AGREEMENT, BACK, HISTORY, FAILED, TWICE, MISSING, READY, CONVERGED, BOUNDED, ALIVE, ALARM, BREAKS = (
    "same revision, same hash", "no way back", "what history says", "no failed request", "nothing twice",
    "no live endpoint missing", "ready means fresh", "converged in time", "bounded", "replicas live",
    "no false alarm", "make before break")


def yield_to_what_is_watched():
    """The calling thread judges later rather than take the processor from what it measures."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)


def frozen(fact):
    return tuple(frozen(part) for part in fact) if isinstance(fact, list) else fact


class Proxy:
    """What one raw client has been told."""

    def __init__(self):
        self.is_open, self.closed_at, self.replica = False, None, None
        self.was_sent_away = False               # the stream was ended, not the connection
        self.news = None                         # (since, revision): what was written when it came back
        self.endpoints, self.weights = {}, None  # service -> endpoints
        self.versions = {}                       # (type, name) -> version
        self.new_clusters = set()                # that this stream was sent
        self.floor = 0                           # the revision it has seen at least
        self.waiting = collections.deque()       # (time, endpoints, weights) not found in history yet
        self.had, self.missing = set(), {}


class Checker(threading.Thread):
    def __init__(self):
        super().__init__(daemon=True)
        self.queue, self.model, self.facts = queue.Queue(), Model(), {}
        self.proxies = collections.defaultdict(Proxy)
        self.spans = {}  # (level, from, hash) -> (to, who said so)
        self.by_hash = {}  # (type, hash) -> what a proxy holds
        self.violations = collections.OrderedDict()  # invariant -> [text]
        self.counts = collections.Counter()
        self.faults = []  # when they began
        self.bad_requests = []
        self.figures = {name: [] for name in FIGURES}  # seconds
        self.impaired = set()  # proxies that were made slow: when they are back tells nothing
        self.refusing = set()  # proxies that were made to refuse: only they know what they still have
        self.polls = {}
        self.history_heard = 0.0
        self.is_over, self.ended, self.stopping = False, threading.Event(), threading.Event()

    # ---- the thread ----

    def run(self):
        yield_to_what_is_watched()
        last = time.monotonic()
        while not self.stopping.is_set():
            try:
                item = self.queue.get(timeout=TICK_S)
                if not self.is_over:  # what comes later comes of taking the mesh down
                    getattr(self, "on_" + item[0])(*item[1:])
            except queue.Empty:
                pass
            now = time.monotonic()
            if now - last >= TICK_S and not self.is_over:
                last = now
                self.tick(now)

    def broken(self, invariant, text):
        self.counts[invariant] += 1
        told = self.violations.setdefault(invariant, [])
        if len(told) < 5:
            told.append(f"{time.strftime('%H:%M:%S')} {text}")

    def on_end(self):
        """All of history has been told: what waits for it is judged."""
        self.is_over = True
        for number, proxy in self.proxies.items():
            self.settle(number, proxy, time.monotonic())
        self.ended.set()

    # ---- etcd's history ----

    def on_restart(self, now, revision, values):
        if self.model.begin:
            self.on_era(now, None)
        self.model.restart(now, revision, values)
        self.history_heard = now

    def on_era(self, _now, _nothing):
        self.spans.clear()
        for proxy in self.proxies.values():
            proxy.floor, proxy.missing = 0, {}
            proxy.waiting.clear()

    def on_event(self, now, revision, key, value):
        self.history_heard = now
        self.model.apply(now, revision, key, value)
        if key.startswith("replicas/") and value:
            self.take_span("record", json.loads(value))

    # ---- agreement ----

    def take_span(self, source, record):
        if record.get("hash") is None or record.get("snapshotRevision") is None:
            return
        first, last = int(record["snapshotRevision"]), int(record["revision"])
        level, text = record.get("level", 0), record["hash"]
        key, who = (level, first, text), f"{record['id']} ({source})"
        if last <= self.spans.get(key, (-1,))[0]:
            return
        self.spans[key] = (last, who)
        for (other_level, other_first, other), (other_last, other_who) in self.spans.items():
            if other != text and other_level == level and first <= other_last and other_first <= last:
                self.broken(AGREEMENT, f"{who} says {text[:8]} for {first}..{last}, "
                            f"{other_who} says {other[:8]} for {other_first}..{other_last}")
        while len(self.spans) > SPANS_MAX:
            del self.spans[next(iter(self.spans))]

    # ---- proxies ----

    def on_proxy(self, event):
        if event["e"] == "fact":
            self.facts[event["version"]] = event["fact"]
            return
        proxy = self.proxies[event["c"]]
        if event["e"] == "open":
            proxy.is_open, proxy.new_clusters = True, set()
        elif event["e"] == "close":
            if not proxy.closed_at:
                proxy.closed_at, proxy.was_sent_away = event["t"], event["why"] == STREAM_ENDED
            proxy.is_open = False
        else:
            self.take_response(event["c"], proxy, event)

    def take_response(self, number, proxy, event):
        if event["first"] and proxy.closed_at:
            if number not in self.impaired and not proxy.was_sent_away:
                self.figures["failover"].append(event["t"] - self.cause_of(proxy.closed_at))
                proxy.news = event["t"], self.model.endpoints[CLOCK].revisions[-1]
            proxy.closed_at = None
        proxy.replica, kind = event["replica"], event["type"]
        self.counts["responses"] += 1
        for name, version, size, held in event["set"]:
            is_warmed = kind == "EDS" and name in proxy.new_clusters
            if held == "held" and not is_warmed and number not in self.refusing:
                self.counts["bytes twice"] += size
                self.broken(TWICE, f"proxy {number} has {kind} {name}, and {event['replica']} sent it "
                            f"again: {size} B")
            if kind == "CDS":
                proxy.new_clusters.add(name)
            self.take_resource(proxy, kind, name, version)
        if number not in self.refusing:
            self.check_references(number, proxy, kind, event)
        for name in event["removed"]:
            proxy.versions.pop((kind, name), None)
            if kind in ("EDS", "CDS"):  # the endpoints go with their cluster
                proxy.versions.pop(("EDS", name), None)
                proxy.endpoints.pop(service_of(name), None)
        if kind in ("EDS", "RDS"):
            self.compare_by_hash(number, proxy, kind, event["hash"])
            proxy.waiting.append((event["t"], dict(proxy.endpoints) if kind == "EDS" else {},
                                  proxy.weights if kind == "RDS" else None, event["replica"]))
            self.settle(number, proxy, event["t"])

    def clusters_of(self, kind, name, version):
        fact = self.facts.get(f"{kind} {name} {version}")
        return fact["clusters"] if fact else ()

    def check_references(self, number, proxy, kind, event):
        """What comes refers to clusters that are there; what goes, nothing that is there refers to."""
        if kind in ("LDS", "RDS"):
            lacking = [(name, cluster) for name, version, _, _ in event["set"]
                       for cluster in self.clusters_of(kind, name, version)
                       if ("CDS", cluster) not in proxy.versions]
        else:
            gone = set(event["removed"]) if kind == "CDS" else ()
            lacking = [(name, cluster) for (held, name), version in proxy.versions.items()
                       if gone and held in ("LDS", "RDS")
                       for cluster in self.clusters_of(held, name, version) if cluster in gone]
        for name, cluster in lacking[:1]:
            self.broken(BREAKS, f"proxy {number}: {name} refers to {cluster}, which is not there")

    def cause_of(self, closed_at):
        """When the fault began that ended a stream: a stopped replica is noticed later."""
        before = [at for at in self.faults if closed_at - CAUSE_S < at <= closed_at]
        return before[-1] if before else closed_at

    def take_resource(self, proxy, kind, name, version):
        proxy.versions[kind, name] = version
        fact = self.facts.get(f"{kind} {name} {version}")
        if kind == "EDS" and service_of(name):
            proxy.endpoints[service_of(name)] = frozen(fact)
            if service_of(name) != CLOCK:  # which has no lease, and shows a value that it had before
                proxy.had.update((service_of(name), endpoint) for endpoint in frozen(fact))
        elif kind == "RDS" and fact and WEB_HOST in fact["hosts"]:
            proxy.weights = frozen(fact["hosts"][WEB_HOST])

    def compare_by_hash(self, number, proxy, kind, text):
        """All raw proxies are of one kind: one hash, one content."""
        held = frozenset((name, version) for (k, name), version in proxy.versions.items() if k == kind)
        before = self.by_hash.setdefault((kind, text), held)
        if before != held and len(before) == len(held):
            differing = sorted({name for name, _ in before ^ held})[:3]
            self.broken(AGREEMENT, f"{kind} {text[:8]} is not the same for proxy {number}: {differing}")

    # ---- what history says ----

    def revision_of(self, floor, endpoints, weights):
        """The earliest revision from `floor` on at which all of this was so, or None."""
        wanted = [(self.model.endpoints.get(s), value) for s, value in endpoints.items()]
        if weights is not None:
            wanted.append((self.model.rules.get("web"), weights))
        while True:
            revision = floor
            for series, value in wanted:
                revision = series.first_after(revision, value) if series else None
                if revision is None:
                    return None
            if revision == floor:
                return revision
            floor = revision

    def settle(self, number, proxy, now):
        while proxy.waiting:
            since, endpoints, weights, replica = proxy.waiting[0]
            revision = self.revision_of(proxy.floor, endpoints, weights)
            if revision is None and now - since < PATIENCE_S and not self.is_over:
                return
            proxy.waiting.popleft()
            if revision is not None:
                proxy.floor = revision
                self.note_news(proxy, since)
            elif self.revision_of(0, endpoints, weights) is not None:
                older = self.revision_of(0, endpoints, weights)
                self.broken(BACK, f"proxy {number} had seen {proxy.floor}, {replica} sent it {older}")
                proxy.floor = older
            else:
                self.broken(HISTORY, f"proxy {number} was sent by {replica} what never was: "
                            f"{self.differing(endpoints, weights)}")

    def note_news(self, proxy, now):
        if proxy.news and proxy.floor >= proxy.news[1]:
            self.figures["news"].append(now - proxy.news[0])
            proxy.news = None

    def differing(self, endpoints, weights):
        for service, value in endpoints.items():
            series = self.model.endpoints.get(service)
            if not series or series.first_after(0, value) is None:
                return f"{service} {value}, now {series.now() if series else None}"
        return f"weights {weights}, or all of it together"

    # ---- requests ----

    def on_http(self, event):
        self.counts["requests"] += event["good"] + len(event["bad"])
        for at, caller, what in event["bad"]:
            self.bad_requests.append((at, caller, what))
            self.broken(FAILED, f"{caller}: {what}")

    # ---- replicas ----

    def on_poll(self, now, name, is_ready, status, descriptors, resident):
        """is_ready None: it is not asked (stopped, or not running)."""
        poll = self.polls.setdefault(name, {"stale": None, "unready": None})
        if is_ready is None:
            poll.update(stale=None, unready=None, revision=None, hash=None, is_ready=False)
            return
        self.counts["descriptors"] = max(self.counts["descriptors"], descriptors)
        self.counts["resident"] = max(self.counts["resident"], resident)
        if descriptors > DESCRIPTORS_MAX or resident > RESIDENT_MAX:
            self.broken(BOUNDED, f"{name}: {descriptors} descriptors, {resident >> 20} MiB")
        if status and status.get("revision"):
            self.take_span("status", status)
        revision = (status or {}).get("revision") or 0
        poll.update(revision=revision, hash=(status or {}).get("hash"), is_ready=is_ready)
        lag = self.model.lag_s(now, revision) if status else None
        self.judge_ready(now, name, poll, is_ready, lag, status)

    def judge_ready(self, now, name, poll, is_ready, lag, status):
        is_stale = lag is not None and lag > STALE_S and is_ready
        is_full = "descriptors" in ((status or {}).get("problem") or "")  # and says so
        is_kept_out = (not is_ready and not is_full and (lag is None or lag < 1.0)
                       and now - self.history_heard < 2)
        for key, is_so in (("stale", is_stale), ("unready", is_kept_out)):
            poll[key] = (poll[key] or now) if is_so else None
        if poll["stale"] and now - poll["stale"] > 1.0:
            self.broken(READY, f"{name} is ready, and {lag:.1f} s behind")
        if poll["unready"] and now - poll["unready"] > HEARD_S:
            self.broken(READY, f"{name} is fresh, and not ready since {now - poll['unready']:.1f} s")

    # ---- now and then ----

    def tick(self, now):
        live = {}
        for (service, endpoint), since in self.model.live_since.items():
            if now - since > MISSING_S:
                live.setdefault(service, set()).add(endpoint)
        judged = {}
        for number, proxy in self.proxies.items():
            self.settle(number, proxy, now)
            lacking = set()
            for service, endpoints in proxy.endpoints.items():
                key = (service, endpoints)
                if key not in judged:
                    judged[key] = live.get(service, set()) - set(endpoints)
                lacking.update((service, endpoint) for endpoint in judged[key])
            self.judge_missing(now, number, proxy, lacking & proxy.had)

    def judge_missing(self, now, number, proxy, lacking):
        proxy.missing = {what: proxy.missing.get(what, now) for what in lacking if proxy.is_open}
        for what, since in list(proxy.missing.items()):
            if now - since > MISSING_S:
                self.broken(MISSING, f"proxy {number} of {proxy.replica} lacks {what} since "
                            f"{now - since:.1f} s, its lease lives")
                proxy.missing[what] = now + 3600

    # ---- asked by the runner ----

    def clock(self, revision):
        """The clock's endpoints, once history has come to this revision; None before. A write that was
        given up for lost may come later than the next one, so what was written last does not count."""
        return self.model.endpoints[CLOCK].now() if self.model.revision >= revision else None

    def behind(self, clock):
        """Proxies that are not connected, or do not have these endpoints of the clock."""
        return [number for number, proxy in list(self.proxies.items())
                if not proxy.is_open or proxy.endpoints.get(CLOCK) != clock]

    def unlike_model(self):
        """Proxies whose endpoints or weights are not the model's of now; for when nothing is written."""
        unlike = []
        for number, proxy in self.proxies.items():
            for service, series in self.model.endpoints.items():
                if proxy.endpoints.get(service, ()) != series.now():
                    unlike.append(f"proxy {number}: {service} is {proxy.endpoints.get(service)}, "
                                  f"not {series.now()}")
            if proxy.weights != self.model.rules["web"].now():
                unlike.append(f"proxy {number}: weights are {proxy.weights}")
        return unlike

    def agreed(self, names):
        """The replicas are ready and have one hash."""
        polls = [self.polls.get(name, {}) for name in names]
        return all(p.get("is_ready") for p in polls) and len({p.get("hash") for p in polls}) == 1
