"""Several processes of one machine: the same results, whatever dies."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest
from tests.work.runs.watching import counts, until

pytestmark = pytest.mark.workers

SLOW = "--model run_test_nets:Slow --steps 20 --photos-per-batch 2"
TWO = "--workers 2 --photos-per-batch 2"


def children(pid):
    """The workers among the children of a process; the others help it to start them."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == pid and b"spawn_main" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except (OSError, ValueError, IndexError):
            continue
    return found


def working(process):
    """The two workers of a run, when both have work and there is more to do."""
    until(lambda: Path("a/log.txt").exists() and counts()["running"] >= 6)
    found = children(process.pid)
    assert len(found) == 2
    return found


def test_two_workers_give_what_one_gives(command, equal):
    methods = "--method pixel_rde,random_pixel --photos-per-batch 2"
    assert command("run", "--out one", methods).status == 0
    done = command("run", "--out two", methods, "--workers 2")
    assert (done.status, done.err) == (0, [])
    assert equal("one", "two")
    # Nothing is left to do, and nobody is started for it.
    assert command("run", "two", small=False).status == 0


@pytest.mark.slow
def test_workers_that_cannot_start_end_the_run(command, place):
    nets = place / "run_test_nets.py"
    # The network of this process is loaded, that of the workers is not.
    nets.write_text(f"{nets.read_text()}\nif os.getpid() != {os.getpid()}:\n    os._exit(9)\n")
    failed = command("run", "--out a", TWO)
    assert failed.status == 2
    assert len(failed.err) == 1
    assert "3 workers died while they loaded the model" in failed.err[0]
    assert counts()["done"] == 0


def test_an_error_in_a_worker_is_one_line(command, place):
    nets = place / "run_test_nets.py"
    nets.write_text(f"{nets.read_text()}\nif os.getpid() != {os.getpid()}:\n    del Mean\n")
    failed = command("run", "--out a", TWO)
    assert failed.status == 2
    assert len(failed.err) == 1
    assert "unknown factory of run_test_nets 'Mean'" in failed.err[0]
    # A bug, too; its traceback is for --debug.
    nets.write_text(f"{nets.read_text()}\n    def Mean():\n        return 1 / 0\n")
    failed = command("run", "--out b", TWO)
    assert failed.status == 2
    assert len(failed.err) == 1
    assert "run_test_nets:Mean failed: ZeroDivisionError" in failed.err[0]


def test_warnings_of_workers_are_said_as_those_of_one(command):
    options = "--model run_test_nets:Hungry --noise zero --photos-per-batch 4 --no-accelerate --no-batch-invariant"
    done = command("run", "--out a", options, "--workers 2")
    assert done.status == 0
    assert all(re.match(r"rdexplain: warning: out of memory: going on with \d+ instead of", line) for line in done.err)
    assert done.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--workers 0", "must be a whole number of at least 1"),
        ("--workers 999999", "--workers 999999 are too many for"),
        ("--workers two", "two"),
        ("--device cpu,cuda:77", "no device 'cuda:77'"),
        ("--worker-cpus 0", "must be a whole number of at least 1"),
    ],
)
def test_bad_workers(command, options, message):
    failed = command("run", "--out a", options)
    assert (failed.status, len(failed.err)) == (2, 1)
    assert message in failed.err[0]
    assert not Path("a").exists()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="children are found in /proc")
@pytest.mark.usefixtures("heeds_control_c")
@pytest.mark.parametrize(
    "number",
    [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow), pytest.param(signal.SIGKILL)],
)
def test_workers_end_with_the_run(process, command, equal, number):
    child = process("--out a", SLOW, "--workers 2", start_new_session=True)
    workers = working(child)
    # A terminal sends Ctrl-C to all of them.
    os.killpg(child.pid, number) if number == signal.SIGINT else child.send_signal(number)
    _, err = child.communicate(timeout=60)
    until(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))
    if number == signal.SIGKILL:
        assert (child.returncode, err) == (-9, "")
    else:
        assert child.returncode == 130, err
        assert "go on with: rdexplain run a" in err
        assert err.count("\n") == 1
    assert command("run", "a", "--workers 1", small=False).status == 0
    assert counts() == {"pending": 0, "running": 0, "done": 10, "failed": 0}
    assert command("run", "--out whole", SLOW).status == 0
    assert equal("a", "whole")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="children are found in /proc")
def test_a_worker_that_is_killed_costs_nothing(process, command, equal):
    child = process("--out a", SLOW, "--workers 2")
    os.kill(working(child)[0], signal.SIGKILL)
    out, err = child.communicate(timeout=120)
    assert (child.returncode, err) == (0, ""), out
    assert command("run", "--out whole", SLOW).status == 0
    assert equal("a", "whole")
