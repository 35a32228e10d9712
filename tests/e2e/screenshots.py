"""Pictures of the status page, for the README: a cluster of three replicas with a canary, in Chromium.

    make screenshots
"""

import os
import sys
import tempfile

from browser import Browser
from harness import NODE, ROOT, Etcd, World, wait_until
from test_status_page import fill

IMAGES = os.path.join(ROOT, "docs", "images")
PICTURES = {"status-light.png": ("/", False), "status-dark.png": ("/ui/routes", True)}
MAX_BYTES = 150_000


def take(browser, replica, name, path, dark):
    page = browser.open(f"http://{replica.admin}{path}", dark, width=1200, height=760)
    wait_until(lambda: page.inner_text("#live") == "Live" and page.locator("#graph svg").count() > 0,
               "the page is whole")
    target = os.path.join(IMAGES, name)
    page.screenshot(path=target)
    page.context.close()
    size = os.path.getsize(target)
    print(f"{os.path.relpath(target, ROOT)}: {size} bytes")
    return size <= MAX_BYTES


def agree(replica):
    told = replica.status()["replicas"]
    return len(told) == 3 and len({r["hash"] for r in told}) == 1 and told[0]["hash"] and \
        sum(r["streams"] for r in told) == 6


def main():
    os.makedirs(IMAGES, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory:
        etcd = Etcd.start(directory)
        try:
            with World(etcd) as world, Browser() as browser:
                replicas = [world.replica(name=f"pilot-{number + 1}") for number in range(3)]
                fill(world, replicas[0], wrong_host="shop_1.example..com", tester="yes")
                for number in range(6):
                    world.connect_until_served(replicas[number % 3], NODE.replace(
                        "10.9.0.1~probe", f"10.9.0.{number + 1}~shop-{number + 1}"))
                wait_until(lambda: agree(replicas[0]), "the replicas agree")
                small = [take(browser, replicas[0], name, *how) for name, how in PICTURES.items()]
        finally:
            etcd.kill()
    return 0 if all(small) else 1


if __name__ == "__main__":
    sys.exit(main())
