"""Why a test may be skipped: with RDEXPLAIN_EVERY_TEST=1, as in CI, any other reason fails the run.

A test that is skipped wherever it is run finds nothing; a missing package is to be installed instead.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

ALLOWED = (
    "needs glibc's malloc",
    "needs a GPU",
    "needs the weights beside the repository",
    "needs the photos beside the repository",
    "needs the extra quantus",
    "mounting is not allowed here",
    "this file system takes Unicode names only",
    "there is no /dev/full here",
    "children are found in /proc",
)

_found: list[tuple[str, str]] = []


def unlisted(reasons: list[tuple[str, str]]) -> Iterator[str]:
    """A line for each (test, reason) whose reason is not listed."""
    for test, reason in reasons:
        if not any(allowed in reason for allowed in ALLOWED):
            yield f"{test}: {reason}"


def pytest_runtest_logreport(report: Any) -> None:
    if report.skipped and not hasattr(report, "wasxfail"):
        _found.append((report.nodeid, str(report.longrepr[-1])))


def pytest_collectreport(report: Any) -> None:
    """A whole file that is skipped."""
    if report.skipped:
        _found.append((report.nodeid, str(report.longrepr[-1])))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if os.environ.get("RDEXPLAIN_EVERY_TEST") == "1" and list(unlisted(_found)) and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if os.environ.get("RDEXPLAIN_EVERY_TEST") == "1":
        for line in unlisted(_found):
            terminalreporter.write_line(f"skipped without a reason of tests/skips.py: {line}", red=True)
