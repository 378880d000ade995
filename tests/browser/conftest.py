"""A real browser: Debian's chromium, or Chrome, through playwright; without one, the summary says so in red."""

import os
import shutil

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
MISSING = "no browser, so the pages were not looked at: install chromium (apt-get install chromium)"


def pytest_terminal_summary(terminalreporter):
    if any(MISSING in str(report.longrepr) for report in terminalreporter.stats.get("skipped", [])):
        terminalreporter.write_line(f"SKIPPED: {MISSING}", red=True, bold=True)


@pytest.fixture(scope="package")
def browser():
    """One browser for this folder's tests; for the whole session, its event loop would forbid tests another."""
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip(MISSING)
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install playwright to run this")
    root = hasattr(os, "geteuid") and os.geteuid() == 0  # whom chromium's own sandbox refuses
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=path, args=["--no-sandbox"] if root else [])
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser):
    """A page without cookies and storage of another test's."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(60_000)  # milliseconds; a machine may be busy
    yield context.new_page()
    context.close()
