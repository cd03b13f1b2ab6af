"""Builds the site of the documentation, and fails for whatever is not in order.

Run with ``python docs/build.py``; it needs ``pip install ".[docs]"`` and no network. The pages are the Markdown files
as a code host shows them, gathered in one folder, with the links between them turned to where they are there.
"""

from __future__ import annotations

import argparse
import ast
import html.parser
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parents[1]
ELSEWHERE = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "tests/situations/README.md": "situations.md",
    "src/rdexplain/photos/samples/README.md": "samples.md",
}
"""Pages that lie outside of `docs`, and what they are called on the site."""
FENCE = re.compile(r"(```.*?```)", re.DOTALL)
LINK = re.compile(r"`[^`\n]+`|\[([^\[\]]*)\]\(([^)#\s]+)")
"""Code, which keeps what looks like a link, or a link's text and its file."""


def pages() -> dict[Path, str]:
    """The site's pages: their files, and their places on the site."""
    found = {ROOT / source: place for source, place in ELSEWHERE.items()}
    for file in sorted((ROOT / "docs").rglob("*.md")):
        found[file] = file.relative_to(ROOT / "docs").as_posix()
    return found


def gather(folder: Path) -> None:
    """Puts the pages, their pictures and what they link to into a folder, as zensical wants them."""
    places = pages()
    docs = folder / "docs"
    for source, place in places.items():
        target = docs / place
        target.parent.mkdir(parents=True, exist_ok=True)
        parts = FENCE.split(source.read_text(encoding="utf-8"))
        parts[::2] = [_turned(part, source, target, docs, places) for part in parts[::2]]
        target.write_text("".join(parts), encoding="utf-8")
    shutil.copy(ROOT / "docs" / "site.css", docs)
    shutil.copy(ROOT / "zensical.toml", folder)
    (folder / "src").symlink_to(ROOT / "src", target_is_directory=True)


def _turned(text: str, source: Path, target: Path, docs: Path, places: dict[Path, str]) -> str:
    """The text of a page with its links turned; a file that is no page comes along."""

    def turn(link: re.Match[str]) -> str:
        text, address = link[1], link[2]
        if address is None or urlsplit(address).scheme:
            return link[0]
        file = (source.parent / address).resolve()
        if file in places:
            there = docs / places[file]
            text = _title(file) if text == address else text
        else:
            inside = file.is_relative_to(ROOT / "docs")
            there = docs / (file.relative_to(ROOT / "docs") if inside else Path("files") / file.name)
            if not there.suffix:
                there = there.with_suffix(".txt")  # a browser shows it then
            if file.is_file():
                there.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, there)
        return f"[{text}]({Path(os.path.relpath(there, target.parent)).as_posix()}"

    return LINK.sub(turn, text)


def _title(page: Path) -> str:
    """A page's heading, where a link's text is no more than the name of the file."""
    return next(line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("# "))[2:]


def build(folder: Path) -> list[str]:
    """Builds the gathered pages into `folder/site`; what zensical has to say against them."""
    path = os.pathsep.join([str(ROOT / "docs"), str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False
    )
    said = done.stdout + done.stderr
    if done.returncode or re.search(r"warning|error|Traceback", said, re.IGNORECASE):
        return [said.strip() or f"zensical ended with {done.returncode}"]
    return []


def unnamed() -> Iterator[str]:
    """Public names that no page of the reference has, and names that it has twice or that are not public."""
    tree = ast.parse((ROOT / "src" / "rdexplain" / "__init__.py").read_text(encoding="utf-8"))
    public = next(
        set(ast.literal_eval(node.value))
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    ) - {"__version__"}
    listed = [
        name
        for file in sorted((ROOT / "docs" / "reference").glob("*.md"))
        for name in re.findall(r"^::: rdexplain\.(\w+)$", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    ]
    yield from (f"reference: {name} is missing" for name in sorted(public - set(listed)))
    yield from (f"reference: {name} is not public" for name in sorted(set(listed) - public))
    yield from (
        f"reference: {name} is there twice" for name in sorted({one for one in listed if listed.count(one) > 1})
    )


class Page(html.parser.HTMLParser):
    """What a built page refers to, what can be referred to in it, and what a browser would fetch from elsewhere."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.names |= {given[name] for name in ("id", "name") if given.get(name)}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag == "link" and given.get("rel") not in ("canonical", "alternate"):
            self.fetched.append(given.get("href", ""))
        self.fetched += [given[name] for name in ("src", "srcset", "poster", "data") if given.get(name)]


def faults(site: Path) -> Iterator[str]:
    """Links of the built site that lead nowhere, and assets that it would fetch from the network."""
    built = {file.resolve(): Page(file) for file in sorted(site.rglob("*.html"))}
    for file, page in built.items():
        here = file.relative_to(site.resolve())
        if here.name == "404.html":
            continue  # its links are from the root of a server
        for link in page.links + page.fetched:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                if link in page.fetched and parts.scheme != "data":
                    yield f"{here}: fetches {link}"
                continue
            there = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            if there.is_dir():
                there /= "index.html"
            if not there.exists():
                yield f"{here}: no {link}"
            elif parts.fragment and there in built and unquote(parts.fragment) not in built[there].names:
                yield f"{here}: no {link} in that page"
    for file in sorted(site.rglob("*.css")):
        for address in re.findall(
            r"(?:url\(|@import\s)\s*[\"']?((?:https?:)?//[^\"')]+)", file.read_text(encoding="utf-8")
        ):
            yield f"{file.relative_to(site)}: fetches {address}"


def main() -> int:
    """Build the site; 1 if anything is not in order."""
    parser = argparse.ArgumentParser(description="Builds the site of the documentation.")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "site", help="the folder (default build/site)")
    out = parser.parse_args().out
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        gather(folder)
        wrong = [*unnamed(), *build(folder)]
        if not wrong:
            wrong = [*faults(folder / "site")]
        if (folder / "site").is_dir():
            shutil.rmtree(out, ignore_errors=True)
            shutil.copytree(folder / "site", out)
    print("\n".join(wrong) if wrong else f"the site is in {out}")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
