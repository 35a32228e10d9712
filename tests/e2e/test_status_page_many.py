"""The status page with 10,000 proxies: what is sent is bounded, and it is there in time."""

import contextlib
import json
import os
import resource
import subprocess
import time

import pytest

from browser import Browser
from harness import ROOT, World, wait_until

PROXIES = 10_000
LOAD = os.path.join(ROOT, os.environ.get("PILOT_BUILD", "build"), "tools", "xds_load")
RENDERED_S = 15  # on a machine that has more to do; alone it takes less than one


@contextlib.contextmanager
def many_proxies(replica):
    host, port = replica.xds.rsplit(":", 1)
    with subprocess.Popen([LOAD, host, port, str(PROXIES), "80"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as load:
        try:
            assert json.loads(load.stdout.readline())["event"] == "ready"
            yield
        finally:
            load.kill()


@pytest.fixture(scope="module")
def crowded(etcd):
    """Each proxy is a connection: the limit of files is raised as far as may be, here and for both processes."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if before[1] < 2 * PROXIES and before[1] != resource.RLIM_INFINITY:
        pytest.skip(f"{before[1]} open files are not enough")
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    try:
        with World(etcd) as world:
            replica = world.replica()
            world.wait_served(replica, world.put_service())
            with many_proxies(replica):
                yield replica
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def part(replica, query):
    """Once all loops have told theirs in time."""
    return wait_until(lambda: (lambda json_: json_ if json_["total"] == PROXIES else None)(
        replica.json(f"/debug/proxies?{query}")), "all proxies are told of")


def test_parts_are_bounded_and_make_up_the_whole(crowded):
    first, second = part(crowded, "limit=200"), part(crowded, "limit=200&from=200")
    last = part(crowded, f"limit=200&from={PROXIES - 1}")

    ids = [proxy["id"] for proxy in first["proxies"] + second["proxies"] + last["proxies"]]
    assert len(ids) == 401 and ids == sorted(set(ids))
    assert len(json.dumps(first)) < 600_000
    for path in ("/", "/ui/proxies", "/ui/proxies?search=1&sort=address&order=desc&from=500"):
        code, body = crowded.get(path)
        assert code == 200 and len(body) < 100_000, (path, code, len(body))


def test_the_page_is_there_in_time_and_searches_all(crowded):
    wanted = part(crowded, f"limit=1&from={PROXIES // 2}")["proxies"][0]["id"]
    with Browser() as browser:
        began = time.monotonic()
        page = browser.open(f"http://{crowded.admin}/ui/proxies")
        assert page.locator("#proxies tbody tr").count() == 50
        assert time.monotonic() - began < RENDERED_S

        page.fill("#proxies-search", wanted)

        wait_until(lambda: page.locator("#proxies tbody tr").count() == 1 and
                   wanted in page.inner_text("#proxies"), "the one that is searched for", RENDERED_S)
        assert page.faults == []
