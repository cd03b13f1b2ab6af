"""The ledger's states, against a dictionary that knows the rules."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from rdexplain.work.runs.entries import Entry
from rdexplain.work.runs.ledger import STATES, Done, Failed, Ledger, LedgerError

METHODS = ("a", "b")
units = st.tuples(st.integers(0, 4), st.sampled_from(METHODS))


class Machine(RuleBasedStateMachine):
    """A writer that is now and then killed and opened anew, with a reader beside it."""

    @initialize()
    def begin(self):
        self.folder = Path(tempfile.mkdtemp())
        self.path = self.folder / "ledger.sqlite"
        self.ledger = Ledger(self.path)
        self.photos = 0
        self.model = {}
        self.attempts = {}
        self.shards = 0

    def teardown(self):
        if hasattr(self, "ledger"):
            self.ledger.close()
            shutil.rmtree(self.folder)

    @rule(count=st.integers(1, 5))
    def add(self, count):
        entries = [Entry(f"photo {number}", {"file": str(number)}) for number in range(count)]
        assert self.ledger.add(entries, METHODS) == max(count - self.photos, 0)
        for number in range(self.photos, count):
            self.model |= {(number, method): "pending" for method in METHODS}
            self.attempts |= {(number, method): 0 for method in METHODS}
        self.photos = max(self.photos, count)

    @rule(unit=units)
    def start(self, unit):
        if self.model.get(unit) == "pending":
            self.ledger.start([unit[0]], unit[1])
            self.model[unit] = "running"
            self.attempts[unit] += 1
        else:
            with pytest.raises(LedgerError):
                self.ledger.start([unit[0]], unit[1])

    @rule(good=st.lists(units, unique=True, max_size=3), bad=st.lists(units, unique=True, max_size=2))
    def commit(self, good, bad):
        """All of it or nothing, if one of them is not running."""
        bad = [unit for unit in bad if unit not in good]
        self.shards += 1
        done = [Done(*unit, 1.5, self.shards, 0, 1) for unit in good]
        failed = [Failed(*unit, "why") for unit in bad]
        if all(self.model.get(unit) == "running" for unit in (*good, *bad)):
            self.ledger.commit(done, failed)
            self.model |= dict.fromkeys(good, "done") | dict.fromkeys(bad, "failed")
        else:
            with pytest.raises(LedgerError):
                self.ledger.commit(done, failed)

    @rule()
    def recover(self):
        self.ledger.close()
        self.ledger = Ledger(self.path)
        running = [unit for unit, state in self.model.items() if state == "running"]
        assert self.ledger.recover() == len(running)
        self.model |= dict.fromkeys(running, "pending")

    @rule(some=st.none() | st.lists(units, unique=True, max_size=3))
    def retry(self, some):
        failed = [unit for unit, state in self.model.items() if state == "failed" and (some is None or unit in some)]
        assert self.ledger.retry(some) == len(failed)
        self.model |= dict.fromkeys(failed, "pending")

    @invariant()
    def the_reader_sees_it(self):
        with Ledger(self.path, read_only=True) as reader:
            states = list(self.model.values())
            assert reader.counts() == {state: states.count(state) for state in STATES}
            assert [(one.number, one.method) for one in reader.finished()] == sorted(
                unit for unit, state in self.model.items() if state == "done"
            )
            assert {(int(photo.split()[1]), method): tries for photo, method, _, tries in reader.failures()} == {
                unit: self.attempts[unit] for unit, state in self.model.items() if state == "failed"
            }
            for method in METHODS:
                assert [unit.number for unit in reader.pending(method)] == sorted(
                    number for (number, of), state in self.model.items() if of == method and state == "pending"
                )
            with pytest.raises(sqlite3.OperationalError):
                reader._database.execute("UPDATE units SET state = 'pending'")


TestLedger = Machine.TestCase
TestLedger.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)


def test_what_is_no_ledger(tmp_path):
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"this is no database" * 100)
    for read_only in (True, False):
        with pytest.raises(LedgerError, match="cannot use the ledger"):
            Ledger(path, read_only=read_only)
