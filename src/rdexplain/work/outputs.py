"""Writes results: unique file names, no file replaced unless asked, all files of an explanation or none.

One process at a time writes results of a method for the same photos into a folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from rdexplain.errors import OutputError, describe
from rdexplain.photos.images import SAMPLE
from rdexplain.work.lock import locked
from rdexplain.work.targets import Targets

SUFFIXES = (".safetensors", ".png", ".json")
_LONGEST = 120  # bytes of a photo's name; file systems allow 255 for all of a file's name


def stems(sources: Sequence[str]) -> dict[str, str]:
    """The stem of each photo's files: its own name, with a short hash of its path where two would be equal."""
    names = {source: _name(source) for source in sources}
    # Some file systems take Cat.jpg and cat.jpg for one.
    count = Counter(name.casefold() for name in names.values())
    return {
        source: name
        if count[name.casefold()] == 1 and len(os.fsencode(name)) <= _LONGEST
        else f"{_shortened(name)}-{_hash(source)}"
        for source, name in names.items()
    }


def check_free(folder: Path, names: Iterable[str], overwrite: bool) -> None:
    """Raises OutputError if one of some files is in a folder already, unless it may be replaced."""
    taken = [folder / name for name in names if (folder / name).exists()]
    if taken and not overwrite:
        raise OutputError(f"{taken[0]} exists already: replace with `overwrite`, or choose another `out`")


class Outputs:
    """The folder for the results of a job.

    Args:
        folder: created, if it is not there, when the block of `open` begins.
        method: part of each file's name.
        extras: suffixes beside `SUFFIXES`.
        names: what the results are of. Processes may write at the same time for other names.
    """

    def __init__(self, folder: Path, method: str, extras: Iterable[str] = (), names: Iterable[str] = ()) -> None:
        self.folder = folder
        self.method = method
        self.suffixes = (*SUFFIXES, *extras)
        these = "\n".join(sorted(names))
        which = f".{hashlib.sha256(os.fsencode(these)).hexdigest()[:8]}" if these else ""
        self.lock, self.staging = folder / f"{method}{which}.lock", folder / f".{method}"

    def base(self, stem: str, slug: str | None = None) -> str:
        """An explanation's file name without suffix."""
        return ".".join(filter(None, (stem, slug, self.method)))

    def check(self, names: dict[str, str], targets: Targets, overwrite: bool) -> None:
        """Check that the results of photos (with the stems `names`) replace nothing.

        Where only the model can tell the classes, there must be no results for any class.

        Raises:
            OutputError: there are results already and `overwrite` is not set, or a photo would be replaced.
        """
        try:
            present = set(os.listdir(self.folder))
        except OSError:
            return  # there is no such folder yet, or `open` says why not
        wanted = targets.names
        bases = {self.base(stem, slug) for stem in names.values() for slug in wanted or ()}
        known = set(names.values())

        def taken(file: str) -> bool:
            base = next((file.removesuffix(suffix) for suffix in self._longest_first() if file.endswith(suffix)), None)
            if base is None or wanted is not None:
                return base in bases
            stem, _, slug = base.removesuffix(f".{self.method}").rpartition(".")
            return base.endswith(f".{self.method}") and stem in known and targets.slugs.is_one(slug)

        files = sorted(file for file in present if taken(file))
        photos = {os.path.realpath(source) for source in names if not source.startswith(SAMPLE)}
        for file in files:
            if os.path.realpath(self.folder / file) in photos:
                raise OutputError(f"the results would replace the photo {self.folder / file}: choose another `out`")
        if files and not overwrite:
            more = f" (and {len(files) - 1} more of these results)" if len(files) > 1 else ""
            raise OutputError(
                f"{self.folder / files[0]} exists already{more}: replace with `overwrite`, or choose another `out`"
            )

    def _longest_first(self) -> list[str]:
        return sorted(self.suffixes, key=len, reverse=True)

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        """Create the folder, check that it is writable, and keep other processes from writing the same results.

        At the end the lock is removed, and the folder if it is empty.

        Raises:
            OutputError: it cannot be created, is no folder, or is not writable.
            LockedError: another process writes them.
        """
        made = [folder for folder in (self.folder, *self.folder.parents) if not folder.exists()]
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.folder) as probe:
                probe.write(b"rdexplain")
                probe.flush()
        except OSError as error:
            _remove_empty(made)
            reason = "it is no folder" if isinstance(error, FileExistsError) else error.strerror or str(error)
            raise OutputError(f"cannot write to `out` {self.folder}: {reason}") from error
        try:
            with locked(self.lock, keep=False):
                yield
        finally:
            _remove_empty(made)

    @contextlib.contextmanager
    def staged(self) -> Iterator[Path]:
        """`open`, with an empty folder inside for files that are moved when all are complete; it is removed at the end.

        Raises:
            OutputError, LockedError: as `open`.
        """
        with self.open():
            shutil.rmtree(self.staging, ignore_errors=True)  # of a process that was killed
            try:
                self.staging.mkdir()
                yield self.staging
            finally:
                shutil.rmtree(self.staging, ignore_errors=True)

    def others(self) -> list[Path]:
        """What is in the folder, except for what a process that was killed has left there."""
        with contextlib.suppress(OSError):  # there is no such folder yet, or `open` says why not
            return [file for file in self.folder.iterdir() if file not in (self.lock, self.staging)]
        return []

    def write(self, base: str, writers: dict[str, Callable[[Path], object]], replaces: Iterable[str] = ()) -> Path:
        """Write an explanation's files, all or none.

        Args:
            writers: for each suffix a function that writes the file; that of the empty suffix gets a path without one.
            replaces: names of files that belong to the same results; those that are not written now are removed, since
                they are of earlier results.

        Returns:
            the picture's path.

        Raises:
            OutputError: the folder is full, or gone.
        """
        # Files are made in a folder inside it, so that they are renamed and not copied when all are there.
        suffix, staging = "", None
        try:
            staging = Path(tempfile.mkdtemp(prefix=".rdexplain-", dir=self.folder))
            try:
                for suffix, writer in writers.items():
                    writer(staging / f"{base}{suffix}")
                suffix = ""
                files = sorted(staging.iterdir())
                for file in files:
                    file.replace(self.folder / file.name)
                for name in set(replaces) - {file.name for file in files}:
                    (self.folder / name).unlink(missing_ok=True)
            finally:
                shutil.rmtree(staging, ignore_errors=True)
        except OSError as error:
            file = self._failed(error, staging, base, suffix)
            raise OutputError(f"cannot write {file}: {error.strerror or describe(error)}") from error
        return self.folder / f"{base}.png"

    def _failed(self, error: OSError, staging: Path | None, base: str, suffix: str) -> Path:
        """The final path of the file that could not be written, as far as it is known."""
        if isinstance(error.filename, str | bytes | os.PathLike):
            file = Path(os.fsdecode(error.filename))
            if file.parent == staging:
                return self.folder / file.name
        return self.folder / f"{base}{suffix or '.*'}" if base or suffix else self.folder


def _name(source: str) -> str:
    return source.removeprefix(SAMPLE) if source.startswith(SAMPLE) else Path(source).stem


def _hash(source: str) -> str:
    """A short hash of a photo's path. A link to a photo counts as another photo: the last part is not followed."""
    folder, name = os.path.split(source)
    place = source if source.startswith(SAMPLE) else os.path.join(os.path.realpath(folder), name)
    return hashlib.sha256(os.fsencode(place)).hexdigest()[:8]


def _shortened(name: str) -> str:
    return os.fsencode(name)[:_LONGEST].decode(errors="ignore")


def _remove_empty(folders: Iterable[Path]) -> None:
    """Remove empty folders, the innermost first."""
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()
