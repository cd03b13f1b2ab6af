"""Locks that are taken away after use."""

from __future__ import annotations

import errno
import json
import os

import pytest

from rdexplain.work import lock
from rdexplain.work.lock import LockedError, locked

fcntl = pytest.importorskip("fcntl")


def test_a_lock_that_is_not_kept(tmp_path):
    file = tmp_path / "lock"
    for _ in range(2):
        with locked(file, keep=False):
            with pytest.raises(LockedError, match=f"{tmp_path} is being worked on by process"), locked(file):
                pass
            assert file.exists()
        assert not file.exists()


def test_a_lock_that_was_removed_while_it_was_taken(tmp_path, monkeypatch):
    """The one who removed it has let it go: without a second look, others could hold a new file beside it."""
    file, real, calls = tmp_path / "lock", fcntl.flock, []

    def removed_first(handle, operation):
        if not calls:
            file.unlink()
        calls.append(handle)
        real(handle, operation)

    monkeypatch.setattr(lock.fcntl, "flock", removed_first)
    with locked(file):
        assert len(calls) == 2
        with pytest.raises(LockedError), locked(file):
            pass


def test_a_file_system_without_locks(tmp_path, monkeypatch):
    """The text of the file is all that there is: it names a holder on another machine, which may be alive."""

    def unsupported(handle, operation):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(lock.fcntl, "flock", unsupported)
    file = tmp_path / "lock"
    with locked(file, keep=False):
        assert json.loads(file.read_text())["pid"] == os.getpid()
    assert not file.exists()
    file.write_text(json.dumps({"pid": 1, "host": "elsewhere", "started": 0}))
    with pytest.raises(LockedError, match="process 1 on elsewhere"), locked(file):
        pass
