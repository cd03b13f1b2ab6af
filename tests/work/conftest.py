"""A browser, for the page and the report."""

from __future__ import annotations

import shutil

import pytest


@pytest.fixture
def browser():
    """Debian's Chromium."""
    api = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no Chromium here")
    with api.sync_playwright() as play:
        opened = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def faultless():
    """Asserts that axe-core finds nothing serious in a page, light and dark."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()

    def check(page):
        for scheme in ("dark", "light"):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            found = axe.run(page, options={"preload": False}).response  # it would read the style sheets again
            assert len(found["passes"]) > 10
            faults = [one for one in found["violations"] if one["impact"] in ("serious", "critical")]
            assert not faults, [(one["id"], [node["html"] for node in one["nodes"]]) for one in faults]

    return check
