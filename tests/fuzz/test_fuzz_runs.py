"""The engine keeps its promises in random worlds, with crashes and a failing disk, on every kind of store."""

import json
import subprocess
import sys
from collections.abc import Sequence

import pytest
from tests.fuzz.fuzz_run import FuzzRun, failures

from rae_auto.api.store import Store
from rae_auto.engine import due_instants
from rae_auto.engine.effects import Change
from rae_auto.model import documents
from rae_auto.model.job import Job
from rae_auto.model.job_state import JobState, SeenOccurrence
from rae_auto.model.notices.downtime import Downtime
from rae_auto.model.notices.outbox import OutboxNotice
from rae_auto.model.run import Run
from rae_auto.runtime.repository import encode
from rae_plugins.stores.json import JsonStore
from rae_plugins.stores.sqlite import SqliteStore

KINDS = {Job: documents.JOB, JobState: documents.STATE, Run: documents.RUN, SeenOccurrence: documents.SEEN}
KINDS |= {OutboxNotice: documents.NOTICE, Downtime: documents.DOWNTIME}

# Where every line is counted they take twice as long; each of these lines has tests of its own that count.
pytestmark = pytest.mark.timeout(300)  # seconds of CPU, on a machine with other things to do

FOUND_SOMETHING_ONCE = [54, 112, 158, 226, 256]
"""Seeds that broke a promise before it was mended; what they found is in the history of the engine."""


class StoreMemory:
    """A real store, reached by the real way from values to documents, opened again after each crash."""

    def __init__(self, make, directory):
        self._make, self._directory = make, directory
        self._store: Store = make()
        self._store.open(directory)

    def commit(self, changes: Sequence[Change]) -> None:
        self._store.commit(encode(changes))

    def load(self, cls):
        return tuple(documents.load(cls, json.loads(json.dumps(body))) for _, body in self._store.load(KINDS[cls]))

    def reopen(self) -> None:
        self.close()
        self._store = self._make()
        self._store.open(self._directory)

    def close(self) -> None:
        self._store.close()


@pytest.mark.requirement("R2")
@pytest.mark.parametrize("first", range(0, 200, 25))
def test_fuzzer_finds_nothing_in_two_hundred_seeds(first):
    assert [str(failure) for failure in failures(range(first, first + 25))] == []


@pytest.mark.parametrize("first", [200, 225])
def test_fuzzer_finds_nothing_where_each_turn_decides_one_job(first, monkeypatch):
    monkeypatch.setattr(due_instants, "MAX_INSTANTS_A_TURN", 1)
    assert [str(failure) for failure in failures(range(first, first + 25))] == []


@pytest.mark.parametrize("seed", FOUND_SOMETHING_ONCE)
def test_seeds_that_failed_once_pass(seed):
    assert FuzzRun(seed).play() is None


@pytest.mark.parametrize("seed", [1000, 1001, 1002])
@pytest.mark.parametrize("make", [JsonStore, SqliteStore])
def test_fuzzer_finds_nothing_on_real_stores(tmp_path, make, seed):
    store = StoreMemory(make, tmp_path)
    try:
        assert FuzzRun(seed, store).play(60) is None
    finally:
        store.close()


def test_fuzz_run_is_reproducible():
    tellings: list[list[str]] = [[], []]
    for output in tellings:
        FuzzRun(7, log=output.append).play(40)
    assert tellings[0] == tellings[1]
    assert len(tellings[0]) > 30


@pytest.mark.parametrize(
    ("words", "code", "output"),
    [(["3"], 0, "0 seeds failed"), (["3-4"], 0, "0 seeds failed"), ([], 2, "usage"), (["x"], 2, "usage")],
)
def test_fuzz_command_plays_seeds(words, code, output):
    command = [sys.executable, "-m", "tests.fuzz", *words]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == code
    assert output in done.stdout + done.stderr
