"""A headless browser for tests of the page, and checks that apply to every page."""

import functools
import shutil
import subprocess
import tarfile
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = (
    "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync "
    "--no-first-run"
).split()
WIDTHS = (390, 1440)  # a phone, a desktop


AXE = "axe-core@4.11.0"  # the accessibility checker, from npm: a tool of the tests, which nothing else needs


@functools.cache
def axe() -> str:
    """Return the source of axe-core; skip the test where there is no npm or no registry."""
    if shutil.which("npm") is None:
        pytest.skip("no npm on this machine (Debian: apt-get install npm)")
    with tempfile.TemporaryDirectory() as folder:
        run = subprocess.run(["npm", "pack", AXE, "--silent"], cwd=folder, capture_output=True, text=True, timeout=120)
        if run.returncode != 0:
            pytest.skip(f"npm could not fetch {AXE}: {run.stderr[-300:]}")
        with tarfile.open(next(Path(folder).glob("*.tgz"))) as archive:
            return archive.extractfile("package/axe.min.js").read().decode()


def violations(browser, path: Path, scheme: str = "light") -> list[str]:
    """Return axe's findings on the page at ``path``, with all its parts opened."""
    with opened(browser, path) as (page, _, _):
        page.emulate_media(color_scheme=scheme)
        drawn(page)
        page.evaluate("for (const details of document.querySelectorAll('details')) details.open = true")
        page.evaluate(axe())
        result = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{rule['id']} ({rule['impact']}): {node['target']} {node['failureSummary'][:300]}"
        for rule in result["violations"]
        for node in rule["nodes"][:3]
    ]


@contextmanager
def chromium():
    """Return a headless Chromium with an empty profile; skip the test where there is none."""
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine (Debian: apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@contextmanager
def opened(browser, path: Path, width: int = WIDTHS[1], script: bool = True):
    """Return (the page at ``path`` opened from disk, its console errors, its network requests)."""
    context = browser.new_context(viewport={"width": width, "height": 900}, java_script_enabled=script)
    page, complaints, requests = context.new_page(), [], []
    page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
    page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}") or dialog.dismiss())
    page.on("request", lambda request: requests.append(request.url))
    page.goto(path.resolve().as_uri())
    yield page, complaints, requests
    context.close()


def drawn(page) -> int:
    """Return the number of figures on the page that its script has drawn, after scrolling to each."""
    from playwright.sync_api import expect

    figures = page.locator("figure.chart")
    for figure in figures.all():
        figure.scroll_into_view_if_needed()
    expect(page.locator("figure.chart:not([data-live])")).to_have_count(0, timeout=60_000)
    return figures.count()


FIGURE = """figure => ({
    id: figure.id,
    caption: figure.querySelector('figcaption').textContent.trim(),
    label: figure.querySelector('[aria-roledescription=visualization]').getAttribute('aria-label'),
    axes: [...figure.querySelectorAll('.role-axis-title text')].map(text => text.textContent.trim()),
})"""


def check(browser, path: Path, figures: int = 8) -> None:
    """Check that the page has no errors, no requests, no sideways scrolling, and figures with named axes and a text."""
    for width in WIDTHS:
        with opened(browser, path, width) as (page, complaints, requests):
            assert drawn(page) >= figures
            wide = "document.documentElement.scrollWidth > innerWidth"
            assert not page.evaluate(wide), f"{path} is wider than {width} px"
            page.evaluate("for (const details of document.querySelectorAll('details')) details.open = true")
            assert not page.evaluate(wide), f"{path}, all opened, is wider than {width} px"
            for figure in page.locator("figure.chart").all():
                result = figure.evaluate(FIGURE)
                assert len(result["caption"]) > 20, result["id"]
                assert len(result["label"]) > 20, result["id"]
                assert len(result["axes"]) >= 2, result["id"]
                assert all(result["axes"]), result["id"]
            assert not complaints
            assert all(url.startswith(("file:", "data:")) for url in requests), requests
    with opened(browser, path, script=False) as (page, complaints, requests):
        images = page.locator("figure.chart img").all()
        assert len(images) == page.locator("figure.chart").count() > 0
        for image in images:
            assert len(image.get_attribute("alt")) > 20
            assert image.get_attribute("src").startswith("data:image/svg+xml;base64,")
            assert image.bounding_box()["height"] > 60
        assert not complaints
        assert len(requests) == 1 + len(images) or all(url.startswith(("file:", "data:")) for url in requests)
