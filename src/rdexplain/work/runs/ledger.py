"""The ledger of a run: the state of each pair of a photo and a method. One writer, any number of readers."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from rdexplain.errors import RDExplainError
from rdexplain.work.runs.entries import Entry

STATES = ("pending", "running", "done", "failed")
_TABLES = """
CREATE TABLE IF NOT EXISTS photos (
    number INTEGER PRIMARY KEY,
    photo TEXT NOT NULL UNIQUE,
    place TEXT NOT NULL,
    label TEXT,
    target TEXT
);
CREATE TABLE IF NOT EXISTS units (
    number INTEGER NOT NULL REFERENCES photos,
    method TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'running', 'done', 'failed')),
    attempts INTEGER NOT NULL DEFAULT 0,
    error TEXT,
    seconds REAL,
    shard INTEGER,
    first INTEGER,
    rows INTEGER,
    PRIMARY KEY (number, method),
    CHECK ((state = 'done') = (shard IS NOT NULL)),
    CHECK ((state = 'failed') = (error IS NOT NULL))
);
CREATE INDEX IF NOT EXISTS by_state ON units (state);
"""


class LedgerError(RDExplainError):
    """A ledger that cannot be read or written, or a step that its states do not allow."""


@dataclass(frozen=True)
class Unit:
    """A photo of a run, as a worker needs it: `Entry` with its number."""

    number: int
    entry: Entry


@dataclass(frozen=True)
class Done:
    """A unit with a durable result: rows `first` to `first + rows` of a shard."""

    number: int
    method: str
    seconds: float
    shard: int
    first: int
    rows: int


@dataclass(frozen=True)
class Failed:
    """A unit that has an error in place of a result."""

    number: int
    method: str
    error: str


class Ledger:
    """A SQLite file. Changes are atomic, and durable when the method returns.

    A unit is a (photo, method). Its states: pending -> running -> done or failed; `recover` makes running ones pending
    again, `retry` failed ones. done is final.

    Args:
        path: the file; created if it does not exist.
        read_only: for other processes than the writer.

    Raises:
        LedgerError: it is no ledger, or cannot be read or made.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        with self._clear():
            self._database = _reader(path) if read_only else _writer(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._database.close()

    def add(self, entries: Sequence[Entry], methods: Sequence[str]) -> int:
        """Add the photos that are new, each with all methods; returns their number."""
        with self._transaction() as database:
            before = database.execute("SELECT count(*), coalesce(max(number), -1) FROM photos").fetchone()
            known = {photo for (photo,) in database.execute("SELECT photo FROM photos")}
            new = [entry for entry in entries if entry.photo not in known]
            rows = [
                (number, one.photo, json.dumps(one.place), _json(one.label), _json(one.target))
                for number, one in enumerate(new, before[1] + 1)
            ]
            database.executemany("INSERT INTO photos VALUES (?, ?, ?, ?, ?)", rows)
            database.executemany(
                "INSERT INTO units (number, method) VALUES (?, ?)",
                [(number, method) for number, *_ in rows for method in methods],
            )
        return len(new)

    def start(self, numbers: Iterable[int], method: str) -> None:
        """pending -> running, with one more attempt."""
        with self._transaction():
            for number in numbers:
                self._change(number, method, "pending", "state = 'running', attempts = attempts + 1")

    def commit(self, done: Iterable[Done], failed: Iterable[Failed] = ()) -> None:
        """running -> done and running -> failed, together."""
        with self._transaction():
            for one in done:
                values = (one.seconds, one.shard, one.first, one.rows)
                setting = "state = 'done', seconds = ?, shard = ?, first = ?, rows = ?"
                self._change(one.number, one.method, "running", setting, values)
            for bad in failed:
                self._change(bad.number, bad.method, "running", "state = 'failed', error = ?", (bad.error,))

    def move(self, done: Iterable[Done]) -> None:
        """Change the shard and first row of results, in one transaction."""
        with self._transaction():
            for one in done:
                self._change(one.number, one.method, "done", "shard = ?, first = ?", (one.shard, one.first))

    def recover(self) -> int:
        """running -> pending, for the units of a process that died. The caller must hold the run's lock."""
        with self._transaction() as database:
            return database.execute("UPDATE units SET state = 'pending' WHERE state = 'running'").rowcount

    def retry(self, units: Iterable[tuple[int, str]] | None = None) -> int:
        """failed -> pending, for all units or some (number, method); returns how many."""
        forget = "UPDATE units SET state = 'pending', error = NULL WHERE state = 'failed'"
        with self._transaction() as database:
            if units is None:
                return database.execute(forget).rowcount
            return sum(database.execute(f"{forget} AND number = ? AND method = ?", one).rowcount for one in units)

    def counts(self) -> dict[str, int]:
        """How many units are in each state."""
        with self._clear():
            found = dict(self._database.execute("SELECT state, count(*) FROM units GROUP BY state").fetchall())
        return {state: found.get(state, 0) for state in STATES}

    def pending(self, method: str) -> list[Unit]:
        """The photos that the method has yet to explain, in order."""
        return [
            Unit(number, Entry(photo, json.loads(place), _parsed(label), _parsed(target)))
            for number, photo, place, label, target in self._select(
                "SELECT number, photo, place, label, target FROM photos JOIN units USING (number)"
                " WHERE method = ? AND state = 'pending' ORDER BY number",
                (method,),
            )
        ]

    def finished(self) -> list[Done]:
        """The units with results, in the order of the photos."""
        columns = "number, method, seconds, shard, first, rows"
        found = self._select(f"SELECT {columns} FROM units WHERE state = 'done' ORDER BY number, rowid")
        return [Done(*row) for row in found]

    def failed(self) -> list[Failed]:
        """The failed units, in the order of the photos."""
        found = self._select("SELECT number, method, error FROM units WHERE state = 'failed' ORDER BY number, rowid")
        return [Failed(*row) for row in found]

    def failures(self) -> list[tuple[str, str, str, int]]:
        """(photo, method, error, attempts) of the failed units, in the order of the photos."""
        return self._select(
            "SELECT photo, method, error, attempts FROM units JOIN photos USING (number)"
            " WHERE state = 'failed' ORDER BY number, method"
        )

    def entries(self) -> dict[int, Entry]:
        """All photos by number."""
        return {
            number: Entry(photo, json.loads(place), _parsed(label), _parsed(target))
            for number, photo, place, label, target in self._select("SELECT * FROM photos ORDER BY number")
        }

    def shards(self) -> set[int]:
        """The numbers of the shards that hold results."""
        return {shard for (shard,) in self._select("SELECT DISTINCT shard FROM units WHERE shard IS NOT NULL")}

    def seconds(self) -> float:
        """Total seconds of work for the results."""
        return float(self._select("SELECT coalesce(sum(seconds), 0) FROM units")[0][0])

    def _select(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        with self._clear():
            return self._database.execute(query, values).fetchall()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._clear():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
                self._database.execute("COMMIT")
            except BaseException:
                # After an error such as a full disk, SQLite has rolled back already.
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _clear(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise LedgerError(f"cannot use the ledger {self.path}: {error}") from error

    def _change(self, number: int, method: str, state: str, setting: str, values: Sequence[Any] = ()) -> None:
        """Set columns of a unit, which must be in the given state."""
        where = "number = ? AND method = ? AND state = ?"
        changed = self._database.execute(f"UPDATE units SET {setting} WHERE {where}", (*values, number, method, state))
        if changed.rowcount != 1:
            raise LedgerError(f"photo {number} with {method} is not {state} in {self.path}")


def _writer(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=30, isolation_level=None)
    try:
        # A rollback journal, not a write-ahead log: readers need no write access, and network file systems will do.
        database.execute("PRAGMA journal_mode = DELETE")
        database.execute("PRAGMA synchronous = EXTRA")
        database.execute("PRAGMA foreign_keys = ON")
        database.executescript(_TABLES)
    except BaseException:
        database.close()
        raise
    return database


def _reader(path: Path) -> sqlite3.Connection:
    """Read-only if possible; only a connection that may write can roll back a transaction that a kill interrupted."""
    for mode in ("ro", "rw"):
        database = sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=30)
        try:
            database.execute("PRAGMA query_only = ON")
            database.execute("SELECT count(*) FROM units")
            return database
        except sqlite3.Error:
            database.close()
            if mode == "rw":
                raise
    raise AssertionError("unreachable")


def _json(value: Any) -> str | None:
    return None if value is None else json.dumps(value)


def _parsed(text: str | None) -> Any:
    return None if text is None else json.loads(text)
