"""A test that is skipped for a reason nobody listed fails CI."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = {
    "needs a GPU": 0,
    "could not import 'ray'": 1,
}


@pytest.mark.parametrize("reason", TESTS)
@pytest.mark.parametrize("whole", [False, True])
def test_the_status(tmp_path, reason, whole):
    skip = f"pytest.skip({reason!r}{', allow_module_level=True' if whole else ''})"
    body = f"{skip}\n" if whole else f"def test_two():\n    {skip}\n"
    (tmp_path / "test_it.py").write_text(f"import pytest\n\n{body}")
    (tmp_path / "test_other.py").write_text("def test_one():\n    pass\n")
    command = [sys.executable, "-m", "pytest", "-p", "tests.skips", "--rootdir", str(tmp_path), str(tmp_path)]
    for every in ("1", "0"):
        environment = os.environ | {"RDEXPLAIN_EVERY_TEST": every, "PYTHONPATH": str(Path(__file__).parents[1])}
        environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        found = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
        assert found.returncode == (TESTS[reason] if every == "1" else 0), found.stdout
        assert ("without a reason" in found.stdout) == (every == "1" and TESTS[reason] == 1)
