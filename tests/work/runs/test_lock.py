"""Locks that are taken away after use."""

from __future__ import annotations

import pytest

from rdexplain.work.runs import lock
from rdexplain.work.runs.lock import LockedError, locked

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
