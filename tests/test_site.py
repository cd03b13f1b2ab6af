"""What `docs/build.py` does to pages, and what it finds in a built site; building one is CI's."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def build():
    spec = importlib.util.spec_from_file_location("docs_build", ROOT / "docs" / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_public_name_has_a_reference(build):
    assert list(build.unnamed()) == []


def test_pages_are_gathered_with_their_links_turned(build, tmp_path):
    build.gather(tmp_path)
    start = (tmp_path / "docs" / "index.md").read_text(encoding="utf-8")
    assert "](images/cat.cartoonx.png)" in start
    assert "[Speed](speed.md#stability)" in start  # the text was the name of the file
    assert "[a first explanation](files/first-explanation.ipynb)" in start
    assert (tmp_path / "docs" / "files" / "first-explanation.ipynb").is_file()
    assert "(index.md#what-the-figures-mean)" in (tmp_path / "docs" / "app.md").read_text(encoding="utf-8")
    code = "rdexplain explain photo.jpg --target tabby --against lynx"
    assert code in start
    assert code in (ROOT / "README.md").read_text(encoding="utf-8")


def test_faults_of_a_built_site(build, tmp_path):
    (tmp_path / "good.html").write_text('<h1 id="here">a</h1><a href="good.html#here">b</a><img src="a.png">')
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "away.html").write_text('<a href="https://example.org">a link may lead away</a>')
    assert list(build.faults(tmp_path)) == []
    (tmp_path / "bad.html").write_text(
        '<a href="none.html"></a><a href="good.html#there"></a><script src="https://example.org/a.js"></script>'
        '<link rel="stylesheet" href="//example.org/a.css"><img src="none.png">'
    )
    (tmp_path / "bad.css").write_text("@font-face { src: url(https://example.org/a.woff) }")
    assert sorted(build.faults(tmp_path)) == [
        "bad.css: fetches https://example.org/a.woff",
        "bad.html: fetches //example.org/a.css",
        "bad.html: fetches https://example.org/a.js",
        "bad.html: no good.html#there in that page",
        "bad.html: no none.html",
        "bad.html: no none.png",
    ]
