"""Debian's Chromium without a window, for tests of the status page and for its pictures.

    with Browser() as browser:
        page = browser.open(f"http://{replica.admin}/", dark=True)
        assert not violations(page)
"""

import os
import shutil

from playwright.sync_api import sync_playwright

from harness import ROOT, WAIT_S

AXE = os.path.join(ROOT, "build", "node", "node_modules", "axe-core", "axe.min.js")


class Browser:
    def __enter__(self):
        self.playwright = sync_playwright().start()
        self.chromium = self.playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"])
        return self

    def __exit__(self, kind, value, trace):
        self.chromium.close()
        self.playwright.stop()

    def open(self, url, dark=False, script=True, width=1280, height=900):
        """Whatever it asks for is in page.asked, and what goes wrong in it in page.faults."""
        context = self.chromium.new_context(
            color_scheme="dark" if dark else "light", java_script_enabled=script,
            viewport={"width": width, "height": height}, reduced_motion="reduce")
        page = context.new_page()
        page.set_default_timeout(WAIT_S * 1000)
        page.asked, page.faults = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.on("console", lambda line: line.type == "error" and page.faults.append(line.text))
        page.on("dialog", lambda dialog: (page.faults.append(dialog.message), dialog.dismiss()))
        page.goto(url)
        return page


def violations(page):
    """What axe finds, by rule. Playwright evaluates past the page's Content-Security-Policy."""
    with open(AXE, encoding="utf-8") as axe:
        page.evaluate(axe.read())
    found = page.evaluate("async () => (await axe.run(document)).violations")
    return {rule["id"]: [node["html"][:200] for node in rule["nodes"]] for rule in found}
