"""The status page in Chromium: with script and without, by keyboard, in light and dark, live, and for axe."""

import http.client
import json

import pytest

from browser import Browser, violations
from harness import NODE, World, wait_until

HOSTILE = "sidecar~10.9.0.7~<img/src=x/onerror=alert(1)>\"'&.default~default.svc.cluster.local"


@pytest.fixture(scope="module")
def browser():
    with Browser() as opened:
        yield opened


def resource(kind, name, spec):
    return {"apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def fill(world, replica, wrong_host="<script>alert(1)</script>", tester="<b>yes</b>"):
    """A service in two versions with a canary, a resource that is rejected, a subset there is not."""
    world.put_service()
    for number, version in enumerate(("v1", "v1", "v2")):
        world.put(f"registry/default/shop/i{number}", {
            "address": f"10.1.0.{number + 2}", "ports": {"http": 8080}, "labels": {"version": version}})
    world.put("config/destinationrules/default/shop", resource("DestinationRule", "shop", {
        "host": "shop", "subsets": [{"name": name, "labels": {"version": name}} for name in ("v1", "v2")]}))
    world.put("config/virtualservices/default/shop", resource("VirtualService", "shop", {
        "hosts": ["shop"], "http": [
            {"name": "testers", "match": [{"headers": {"x-tester": {"exact": tester}}}],
             "route": [{"destination": {"host": "shop", "subset": "v2"}}]},
            {"route": [{"destination": {"host": "shop", "subset": "v1"}, "weight": 90},
                       {"destination": {"host": "shop", "subset": "v2"}, "weight": 10}]}]}))
    revision = world.put("config/virtualservices/default/wrong", resource(
        "VirtualService", "wrong", {"hosts": [wrong_host], "http": []}))
    world.wait_served(replica, revision)


@pytest.fixture(scope="module")
def shop(etcd):
    with World(etcd) as world:
        replica = world.replica()
        fill(world, replica)
        for number in range(3):
            world.connect_until_served(replica, NODE.replace("10.9.0.1", f"10.9.0.{number + 1}"))
        world.connect_until_served(replica, HOSTILE)
        yield replica


def url(replica, path="/"):
    return f"http://{replica.admin}{path}"


def wait_for(page, condition):
    """Playwright's own waiting would need eval, which the page's policy forbids."""
    wait_until(lambda: page.evaluate(condition), condition)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("path", ["/", "/ui/proxies?search=nobody", "/ui/routes"])
def test_axe_finds_nothing(browser, shop, path, dark):
    page = browser.open(url(shop, path), dark)
    wait_for(page, "document.getElementById('live').textContent === 'Live'")

    assert violations(page) == {}
    assert page.faults == []
    page.context.close()


def test_the_switch_of_the_theme_is_kept_and_passes_axe(browser, shop):
    page = browser.open(url(shop))
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)

    page.click("#theme")
    dark = page.evaluate(ground)
    assert dark != light
    assert violations(page) == {}
    page.reload()

    assert page.evaluate(ground) == dark
    assert page.inner_text("#theme") == "Light theme"
    page.context.close()


def test_without_script_the_tables_are_there(browser, shop):
    page = browser.open(url(shop), script=False)

    assert page.locator("#replicas tbody tr").count() == 1
    assert page.locator("#proxies tbody tr").count() == 4
    assert "shop.default.svc.cluster.local" in page.inner_text("#services")
    assert "2 healthy" in page.inner_text("#routes") and "90%" in page.inner_text("#routes")
    assert "PIL0203" in page.inner_text("#rejected")
    page.fill("#proxies-search", "10.9.0.2~")
    page.click("form[data-for=proxies] button")
    assert page.locator("#proxies tbody tr").count() == 1
    assert "1 to 1 of 1 that match, of 4" in page.inner_text(".parts")
    page.click("thead a:has-text('Address')")
    assert page.locator("th[aria-sort=ascending]").inner_text().startswith("Address")
    assert page.locator("#proxies tbody tr").count() == 1
    page.context.close()


def test_search_narrows_as_one_types_and_focus_stays(browser, shop):
    page = browser.open(url(shop))
    assert page.locator("#proxies tbody tr").count() == 4

    page.focus("#proxies-search")
    page.keyboard.type("10.9.0.3~")

    wait_for(page, "document.querySelectorAll('#proxies tbody tr').length === 1")
    assert page.evaluate("document.activeElement.id") == "proxies-search"
    page.context.close()


def test_hostile_names_are_shown_and_inert(browser, shop):
    page = browser.open(url(shop))
    wait_for(page, "document.querySelectorAll('#graph svg').length === 1")

    assert HOSTILE in page.inner_text("#proxies")
    assert "<script>alert(1)</script>" in page.inner_text("#rejected")
    assert "<b>yes</b>" in page.inner_text("#routes")
    assert page.locator("main img, main script, main b:has-text('yes')").count() == 0
    assert page.faults == []
    page.context.close()


def test_nothing_is_asked_of_others_and_it_is_small(browser, shop):
    page = browser.open(url(shop))
    wait_for(page, "document.getElementById('live').textContent === 'Live'")

    assert {asked.split("/")[2] for asked in page.asked if not asked.startswith("data:")} == {shop.admin}
    assert sum(len(shop.get(path)[1]) for path in ("/", "/ui/page.css", "/ui/page.js")) < 100_000
    page.context.close()


def test_by_keyboard_from_the_skip_link_to_the_tables(browser, shop):
    page = browser.open(url(shop))
    wait_for(page, "document.querySelectorAll('#graph svg').length === 1")

    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    reached = []
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.append(page.evaluate(
            "[document.activeElement.id, document.activeElement.closest('[data-url]')?.id].join(' ')"))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none" or \
            page.evaluate("document.activeElement === document.body")

    ids = " ".join(reached)
    for wanted in ("replicas", "rejected", "proxies-search", "proxies", "services-search", "routes"):
        assert wanted in ids, (wanted, reached)
    page.context.close()


def test_the_graph_shows_the_splits(browser, shop):
    page = browser.open(url(shop, "/ui/routes"))
    wait_for(page, "document.querySelectorAll('#graph svg').length === 1")

    text = page.locator("#graph svg").evaluate("picture => picture.textContent")

    for part in ("testers", "90%", "10%", "subset v1", "subset v2", "2 endpoints"):
        assert part in text
    page.context.close()


def test_a_change_shows_itself(browser, etcd):
    with World(etcd) as world:
        replica = world.replica()
        world.wait_served(replica, world.put_service())
        page = browser.open(url(replica))
        wait_for(page, "document.getElementById('live').textContent === 'Live'")

        world.put_service("later")
        wait_for(page, "document.getElementById('services').textContent.includes('later.default')")
        world.connect_until_served(replica)

        wait_for(page, "document.querySelectorAll('#proxies tbody tr').length === 1")
        assert replica.metric("pilotd_event_listeners") == 1
        page.context.close()
        wait_until(lambda: replica.metric("pilotd_event_listeners") == 0, "nobody listens")


# ---- the events themselves ----


def listen(replica):
    connection = http.client.HTTPConnection(replica.admin, timeout=20)
    connection.request("GET", "/debug/events")
    return connection, connection.getresponse()


def next_event(answer):
    for line in iter(answer.readline, b""):
        if line.startswith(b"data: "):
            return json.loads(line[6:])
    raise AssertionError("the stream ended")


def test_an_event_comes_at_once_and_after_a_change(etcd):
    with World(etcd) as world:
        replica = world.replica()
        connection, answer = listen(replica)
        assert answer.headers["Content-Type"] == "text/event-stream"
        assert answer.headers["Cache-Control"] == "no-store"
        first = next_event(answer)

        revision = world.put_service()
        world.wait_served(replica, revision)

        event = first
        while event["snapshotRevision"] < revision:
            event = next_event(answer)
        assert event["hash"] != first["hash"]
        connection.close()


def test_listeners_have_a_limit(etcd):
    with World(etcd) as world:
        replica = world.replica()
        opened = [listen(replica) for _ in range(32)]
        assert all(answer.status == 200 for _, answer in opened)

        connection, answer = listen(replica)
        assert answer.status == 503
        connection.close()
        assert replica.metric("pilotd_event_listeners_refused_total") == 1
        for _, answer in opened:
            answer.close()
        for connection, _ in opened:
            connection.close()
        wait_until(lambda: replica.metric("pilotd_event_listeners") == 0, "nobody listens")

        connection, answer = listen(replica)
        assert next_event(answer)["replicas"] == 1
        connection.close()
