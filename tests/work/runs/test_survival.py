"""What a run survives: kills, a full disk, photos that are none, a second process."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.work.runs.watching import counts, until

from rdexplain.work.runs import open_run, shards
from rdexplain.work.runs.ledger import Ledger

pytestmark = pytest.mark.workers

# One interpreter that imports everything, and then forks, makes twenty kills cheap.
KILLS = """
import os, signal, sys, time
from pathlib import Path
import pyarrow.parquet, yaml
import rdexplain.work.run
from rdexplain.cli import main
from rdexplain.work.runs import execute
execute.COMMIT_SECONDS = 0.0
def shards():
    return len(list(Path("a/shards").glob("*.parquet")))
for number, moment in enumerate(map(float, sys.argv[1].split(","))):
    # Some kills come wherever the run is then, some soon after it has got on: a busy machine is slow.
    wanted = shards() + (number % 5 == 4)
    child = os.fork()
    if child == 0:
        os._exit(main(sys.argv[2:]))
    while shards() < wanted and os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        time.sleep(0.01)
    time.sleep(moment)
    os.kill(child, signal.SIGKILL)
    killed = os.WIFSIGNALED(os.waitpid(child, 0)[1])
    print(killed, shards() if killed else "")
"""


def test_killed_at_twenty_moments_it_equals_one_that_was_not(command, argv, equal):
    options = ("--model run_test_nets:Slow", "--photos-per-batch 2", "--steps 20")
    assert command("run", "--out whole", *options).status == 0
    moments = random.Random(6)
    times = ",".join(f"{moments.uniform(0.0, 0.3):.3f}" for _ in range(20))
    done = subprocess.run(
        [sys.executable, "-c", KILLS, times, *argv("--out a", *options, "--quiet")],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    # They hit the run at different places: before its first result, after some, and in between.
    killed = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("True")}
    assert len(killed) >= 3, done.stdout
    assert command("run", "--out a", *options).status == 0
    assert counts() == {"pending": 0, "running": 0, "done": 10, "failed": 0}
    assert equal("a", "whole")


def test_another_batch_composition_changes_masks_by_rounding_alone(command):
    for size in (1, 4):
        assert command("run", f"--out {size}", f"--photos-per-batch {size}", "--steps 5").status == 0
    one, other = open_run("1"), open_run("4")
    assert all(float((one.mask(row) - other.mask(row)).abs().max()) < 1e-4 for row in range(len(one)))


@pytest.mark.usefixtures("heeds_control_c")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_says_how_to_go_on(process, command, number):
    child = process("--out a", "--model run_test_nets:Slow", "--steps 40", "--photos-per-batch 2")
    until(lambda: Path("a/log.txt").exists() and counts()["running"])
    child.send_signal(number)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 130, err
    assert "go on with: rdexplain run a" in err
    assert err.count("\n") == 1
    assert counts()["running"] + counts()["pending"] > 0
    assert command("run", "a", small=False).status == 0
    assert counts() == {"pending": 0, "running": 0, "done": 10, "failed": 0}


def test_a_full_disk_ends_a_run_with_one_line(command, equal, monkeypatch):
    assert command("run", "--out whole", "--photos-per-batch 2").status == 0
    monkeypatch.setattr("rdexplain.work.runs.execute.COMMIT_SECONDS", 0.0)
    real, written = shards.save_file, []

    def full(tensors, path, metadata):
        written.append(path)
        if len(written) == 3:
            path.write_bytes(b"half of it")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        real(tensors, path, metadata)

    monkeypatch.setattr(shards, "save_file", full)
    failed = command("run", "--out a", "--photos-per-batch 2")
    assert failed.status == 2
    assert len(failed.err) == 1
    assert "No space left" in failed.err[0]
    assert "4 of 10 are done; go on with: rdexplain run a" in failed.err[0]
    monkeypatch.setattr(shards, "save_file", real)
    assert command("run", "a", small=False).status == 0
    assert equal("a", "whole")


def test_a_disk_too_full_to_begin_leaves_no_folder(command, monkeypatch):
    def add(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as full:
        full.setattr(Ledger, "add", add)
        done = command("run", "--out a")
    assert (done.status, len(done.err)) == (2, 1)
    assert not Path("a").exists()
    assert command("run", "--out a").status == 0
    monkeypatch.setattr(Ledger, "add", add)
    assert command("run", "--out a").status == 2
    assert len(open_run("a")) == 10  # what was there stays


def test_a_full_ledger_leaves_no_result_that_it_does_not_know(command, equal, monkeypatch):
    assert command("run", "--out whole").status == 0
    real = Ledger.commit

    def full(self, *results):
        pages = self._database.execute("PRAGMA page_count").fetchone()[0]
        self._database.execute(f"PRAGMA max_page_count = {pages}")
        # A transaction that needs a page more, and then the results.
        with self._transaction() as database:
            database.execute("UPDATE photos SET place = zeroblob(100000)")
        real(self, *results)

    monkeypatch.setattr(Ledger, "commit", full)
    failed = command("run", "--out a")
    assert failed.status == 2
    assert len(failed.err) == 1
    assert "full" in failed.err[0]
    assert counts()["done"] == 0
    assert list(Path("a/shards").iterdir())  # an orphan
    monkeypatch.setattr(Ledger, "commit", real)
    assert command("run", "--out a").status == 0
    assert equal("a", "whole")
    assert len(list(Path("a/shards").iterdir())) == 2


@pytest.fixture
def small_disk(place):
    """A file system of 300 kB, where mounting is allowed."""
    folder = place / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_is_full_or_read_only(command, small_disk):
    filler = small_disk / "filler"
    filler.write_bytes(bytes(270_000))
    failed = command("run", "--out disk/a")
    assert failed.status == 2
    assert len(failed.err) == 1
    assert "full" in failed.err[0] or "No space left" in failed.err[0]
    filler.unlink()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    failed = command("run", "--out disk/a")
    assert failed.status == 2
    assert len(failed.err) == 1
    assert "Read-only" in failed.err[0]
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    assert command("run", "--out disk/a").status == 0
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    shown = command("status", "disk/a")
    assert shown.out[2] == "10 of 10 done, 0 failed"
    assert len(open_run("disk/a").frame()) == 10


def test_a_folder_that_cannot_be_written(command, place):
    (place / "file").write_text("")
    failed = command("run", "--out file/a")
    assert (failed.status, len(failed.err)) == (2, 1)
    (place / "other").mkdir()
    (place / "other" / "thesis.tex").write_text("")
    failed = command("run", "--out other")
    assert (failed.status, len(failed.err)) == (2, 1)
    assert "not empty" in failed.err[0]
    assert [path.name for path in (place / "other").iterdir()] == ["thesis.tex"]
    # What a kill in the first moment leaves is in nobody's way.
    (place / "new").mkdir()
    (place / "new" / "lock").write_text("")
    (place / "new" / ".config.yaml.abc.yaml").write_text("half")
    assert command("run", "--out new").status == 0
    assert not (place / "new" / ".config.yaml.abc.yaml").exists()


def bad_photo(kind, path):
    whole = Path("photos/00.png").read_bytes()
    if kind == "zero bytes":
        path.write_bytes(b"")
    elif kind == "cut off":
        path.write_bytes(whole[: len(whole) // 2])
    elif kind == "corrupt":
        path.write_bytes(whole[:40] + bytes(60) + whole[100:])
    elif kind == "text":
        path.write_text("this is no photo")
    elif kind == "giant":
        # 60000 x 60000 pixels, says the header, whose checksum is right.
        import struct
        import zlib

        header = b"IHDR" + struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
        path.write_bytes(
            whole[:8] + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header)) + whole[33:]
        )


def test_a_hundred_bad_files_among_good_ones(command, equal):
    assert command("run", "--out good").status == 0
    kinds = ("zero bytes", "cut off", "corrupt", "text", "giant")
    for number in range(100):
        bad_photo(kinds[number % 5], Path(f"photos/{number % 10:02}-bad-{number:03}.png"))
    Image.open("photos/03.png").save("photos/misnamed.jpg", "PNG")  # its content says what it is
    done = command("run", "--out a", "--photos-per-batch 3")
    assert done.status == 1
    assert done.err[-1] == "rdexplain: explained 11 of 111, 100 failed, in a"
    assert counts() == {"pending": 0, "running": 0, "done": 11, "failed": 100}
    run = open_run("a")
    assert all("-bad-" in photo and "-bad-" in error for photo, _, error, _ in run.failures)
    assert sorted(run.frame()["photo"]) == [*(f"{number:02}.png" for number in range(10)), "misnamed.jpg"]
    # They are tried again when that is asked for, and only then.
    assert command("run", "--out a", "--photos-per-batch 3").status == 1
    assert {attempts for *_, attempts in open_run("a").failures} == {1}
    Path("photos/00-bad-000.png").write_bytes(Path("photos/00.png").read_bytes())
    assert command("run", "--out a", "--photos-per-batch 3", "--retry-failed").status == 1
    assert counts() == {"pending": 0, "running": 0, "done": 12, "failed": 99}
    assert {attempts for *_, attempts in open_run("a").failures} == {2}


def test_a_photo_that_the_solver_cannot_explain_leaves_the_others_alone(command):
    for number in (2, 5):
        pixels = np.full((12, 12, 3), 120, dtype=np.uint8)
        pixels[:6, :6] = 0
        Image.fromarray(pixels).save(f"photos/{number:02}.png")
    done = command("run", "--out a", "--model run_test_nets:Fragile", "--noise zero", "--photos-per-batch 4")
    assert done.status == 1
    assert [photo for photo, *_ in open_run("a").failures] == ["02.png", "05.png"]
    assert all("not finite" in error for _, _, error, _ in open_run("a").failures)
    assert counts()["done"] == 8


def test_out_of_memory_halves_the_batch_and_spares_the_others(command):
    Image.fromarray(np.full((12, 12, 3), 255, dtype=np.uint8)).save("photos/04.png")
    options = ("--noise zero", "--photos-per-batch 4", "--no-accelerate")
    assert command("run", "--out whole", *options).status == 0
    done = command("run", "--out a --model run_test_nets:Hungry", *options)
    assert done.status == 1
    assert any("going on with 2 instead of" in line for line in done.err)
    assert [photo for photo, *_ in open_run("a").failures] == ["04.png"]
    assert "out of memory with a single image" in open_run("a").failures[0][2]
    whole, run = open_run("whole"), open_run("a")
    places = [place for place, photo in enumerate(whole.frame()["photo"]) if photo != "04.png"]
    assert len(run) == len(places) == 9
    assert all(float((run.mask(row) - whole.mask(at)).abs().max()) < 1e-4 for row, at in enumerate(places))


def test_two_processes_on_one_run(process, command):
    child = process("--out a", "--model run_test_nets:Slow", "--steps 40", "--photos-per-batch 2")
    until(lambda: Path("a/log.txt").exists() and counts()["running"])
    second = command("run", "--out a", "--model run_test_nets:Slow", "--steps 40")
    assert second.status == 2
    held = f"a is being worked on by process {child.pid} on {os.uname().nodename}"
    assert second.err == [f"rdexplain: error: {held}: wait until it ends, or choose another folder"]
    shown = command("status", "a")
    assert shown.out[0] == f"a: worked on by process {child.pid} on {os.uname().nodename}"
    child.kill()
    child.communicate()
    assert json.loads(Path("a/lock").read_text())["pid"] == child.pid
    assert command("status", "a").out[0].startswith("a: stopped: go on with rdexplain run a")
    assert command("run", "a", small=False).status == 0  # its lock is stale


def test_a_lock_of_another_machine_is_not_taken_over(command):
    assert command("run", "--out a").status == 0
    Path("a/lock").write_text(json.dumps({"pid": 1, "host": "elsewhere", "started": 1.0}))
    second = command("run", "--out a")
    assert second.status == 2
    assert "process 1 on elsewhere: if that is gone, remove a/lock" in second.err[0]
    # A process of this machine with that number, but another one.
    Path("a/lock").write_text(json.dumps({"pid": os.getppid(), "host": os.uname().nodename, "started": 1.0}))
    assert command("run", "--out a").status == 0
