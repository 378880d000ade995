"""A real browser: Debian's chromium, or Chrome, through playwright. Where there is none, its tests are skipped."""

import os
import shutil

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="package")
def browser():
    """One browser for this folder's tests.

    Not for the whole session: while playwright's sync API lives, an event loop runs in this thread, and no later test
    could start one of its own.
    """
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("no browser: install chromium (Debian: apt-get install chromium) to run this test")
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install playwright to run this")
    root = hasattr(os, "geteuid") and os.geteuid() == 0  # whom chromium's own sandbox refuses
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=path, args=["--no-sandbox"] if root else [])
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser):
    """A fresh page with nothing remembered: no cookies, no storage, nothing shared with another test's."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    context.set_default_timeout(60_000)  # milliseconds; a machine may be busy
    yield context.new_page()
    context.close()
