"""``rdexplain app``: a page for a browser on this machine."""

from __future__ import annotations

import webbrowser

from rdexplain.cli.command import Command
from rdexplain.cli.guard import FINE
from rdexplain.cli.report import Report
from rdexplain.text.bar import Bar
from rdexplain.work.options import Option
from rdexplain.work.requests import App

NO_BROWSER = Option("say the address, and open no browser")
_EXAMPLES = """\
  rdexplain app
  rdexplain app --model resnet50 --size 224
  rdexplain app --model deeplabv3_resnet50 --port 0 --no-browser"""


class _Opened(Report):
    """Prints the address of the page, and opens it in a browser.

    Attributes:
        browser: whether to open it.
    """

    browser = True

    def done(self, result: str) -> None:
        self.stage("")
        with self.bar.paused():
            print(f"the page is at {result} (Ctrl-C ends it)", flush=True)
        if self.browser:
            webbrowser.open(result)


def _run(options: App, bar: Bar, extras: dict[str, bool]) -> int:
    from rdexplain.work.app import app

    report = _Opened(COMMAND, bar)
    report.browser = not extras["no_browser"]
    app.of(options, report)
    return FINE


COMMAND = Command("app", App, _run, {"no_browser": ("page", NO_BROWSER)}, _EXAMPLES)
