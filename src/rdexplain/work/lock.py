"""Lock files: one process at a time writes a run, or results of one kind into a folder."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rdexplain.errors import RDExplainError

try:
    import fcntl
except ImportError:  # Windows has no flock
    fcntl = None  # type: ignore[assignment]


_UNSUPPORTED = (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK)
"""Errors of a file system without locks, as a cluster's may be: there, as on Windows, the file's text is the lock."""


class LockedError(RDExplainError):
    """Another process works on the run, or in the folder."""


@contextlib.contextmanager
def locked(path: Path, *, keep: bool = True) -> Iterator[None]:
    """Hold a lock file that names its holder: pid, host, start of the process. Afterwards it is empty, or removed.

    The system releases its own lock when a process dies in any way: a file that names a process of this machine is
    stale if that lock is free, and is taken over. A file that names another machine is not, since its lock may not be
    visible here.

    Args:
        path: the file.
        keep: whether the empty file stays.

    Raises:
        LockedError: another process holds it.
        OSError: the file cannot be made.
    """
    handle = _taken(path)
    try:
        holder = _read(handle)
        if holder and _may_live(holder):
            raise LockedError(
                f"{path.parent} is being worked on by {_named(holder)}: if that is gone, remove {path} and start again"
            )
        _write(handle, json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "started": _started(os.getpid())}))
        try:
            yield
        finally:
            _write(handle, "")
            if not keep:
                with contextlib.suppress(OSError):  # the folder may be gone
                    path.unlink()
    finally:
        os.close(handle)


def _taken(path: Path) -> int:
    """The file, open, with the system's lock on it."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if fcntl is None:
                return handle
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno in _UNSUPPORTED:
                    return handle
                raise
            # The last holder may have removed the file since it was opened, and others may hold a new one.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(handle), os.stat(path)):
                    return handle
        except BlockingIOError:
            who = _named(_read(handle))
            held = LockedError(
                f"{path.parent} is being worked on by {who}: wait until it ends, or choose another folder"
            )
            os.close(handle)
            raise held from None
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def holder(path: Path) -> str | None:
    """The process that holds the lock file, in words; None if there is none."""
    try:
        found = json.loads(path.read_text() or "null")
    except (OSError, ValueError):
        return None
    return _named(found) if found and _may_live(found) else None


def _may_live(holder: dict[str, Any]) -> bool:
    """Whether the holder may be alive; not if it is a process of this machine that is gone, or whose pid is reused."""
    if holder.get("host") != socket.gethostname():
        return True
    started = _started(holder["pid"])
    return started is not None and started == holder.get("started") and holder["pid"] != os.getpid()


def _started(pid: int) -> float | None:
    """When a process of this machine started, in the system's unit; None if there is no such process."""
    try:
        # The name, the second field, may hold blanks and parentheses.
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if state == "Z" else float(fields[18])
    except (OSError, IndexError, ValueError):
        if Path("/proc/self/stat").exists():
            return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return 0.0  # the process exists, but not its start time


def _named(holder: dict[str, Any] | None) -> str:
    if not holder:
        return "another process"
    return f"process {holder.get('pid')} on {holder.get('host')}"


def _read(handle: int) -> dict[str, Any] | None:
    try:
        found = json.loads(os.pread(handle, 4096, 0) or b"null")
    except ValueError:  # cut off by a kill
        return None
    return found if isinstance(found, dict) else None


def _write(handle: int, text: str) -> None:
    os.ftruncate(handle, 0)
    os.pwrite(handle, text.encode(), 0)
    os.fsync(handle)
