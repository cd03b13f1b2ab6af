"""Fast checks of the documentation: links lead somewhere, code compiles and uses names that exist, commands parse.

Run with ``python docs/check.py``.
"""

from __future__ import annotations

import ast
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import rdexplain
from rdexplain.cli import COMMANDS
from rdexplain.errors import RDExplainError

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")])


def broken_links(page: Path) -> Iterator[str]:
    """Relative links of a page to files that do not exist."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)#\s]+)", text):
        if "://" not in link and not (page.parent / link).exists():
            yield f"broken link {link}"


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a page in a language."""
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), flags=re.DOTALL)


def wrong_python(page: Path) -> Iterator[str]:
    """Python blocks that do not compile, or use names that `rdexplain` does not have."""
    for block in blocks(page, "python"):
        try:
            tree = ast.parse(block)
        except SyntaxError as error:
            yield f"python block does not compile: {error}"
            continue
        for node in ast.walk(tree):
            ours = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "rx"
            if ours and not hasattr(rdexplain, node.attr):
                yield f"rdexplain has no {node.attr}"


def wrong_commands(page: Path) -> Iterator[str]:
    """`rdexplain` commands in shell blocks that the command line would refuse."""
    commands = {command.name: command for command in COMMANDS}
    for block in blocks(page, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            for command in line.split("&&"):
                words = shlex.split(command, comments=True)
                if words[:1] != ["rdexplain"] or words[-1] == "--help":
                    continue
                try:
                    commands[words[1]].parsed(words[2:])
                except (KeyError, RDExplainError) as error:
                    yield f"{command.strip()!r} is refused: {error}"


def main() -> int:
    """Print what is wrong; 1 if anything is."""
    wrong = [
        f"{page.relative_to(ROOT)}: {fault}"
        for page in PAGES
        for check in (broken_links, wrong_python, wrong_commands)
        for fault in check(page)
    ]
    print("\n".join(wrong) if wrong else f"{len(PAGES)} pages are in order")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
