"""How long a reader waits for the page that trains, in headless Chromium.

    python benchmarks/page.py

Seconds from the press of Train to 100,000 steps, and of each of the seven experiments
from the guess to the verdict: what was meant, and what it took. Needs Playwright
(requirements/browser.txt) and a Chromium on the PATH, or named by CHROMIUM.
"""

import os
import shutil
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

PAGE = Path(__file__).resolve().parent.parent / "docs" / "explorer.html"
TRAINING, VERDICT = 8, 10  # seconds meant
NAMES = "chromium", "chromium-browser", "google-chrome"
CARD = "document.querySelector('[data-experiment={}]').dataset"


def wait(page, condition):
    while not page.evaluate(condition):
        page.wait_for_timeout(20)


def main():
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(PAGE.as_uri())
        start = time.perf_counter()
        page.click("#train")
        wait(page, "Number(document.getElementById('status').dataset.envSteps) >= 100000")
        print(f"100,000 steps: {time.perf_counter() - start:.1f} s of {TRAINING}", flush=True)
        cards = page.locator("[data-experiment]").evaluate_all(
            "(all) => all.map((card) => card.dataset.experiment)"
        )
        for name in cards:
            page.click(f"[data-experiment={name}] [data-guess=learns]")
            wait(page, CARD.format(name) + ".seconds")
            card = page.evaluate(f"({{ ...{CARD.format(name)} }})")
            print(f"{name}: {card['seconds']} s of {VERDICT}, {card['outcome']}", flush=True)
        browser.close()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
