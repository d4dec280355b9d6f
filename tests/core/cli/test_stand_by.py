"""Commands on a machine whose daemon stands by, or is gone while another one leads: the shared store is current."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.support.led_store import have_leader
from tests.support.runs import make_run

from rae_auto.api import Put
from rae_auto.model import documents
from rae_auto.model.run import RunState
from rae_auto.reading.store_records import StoreRecords
from rae_auto.records.state_directory import claim_state_directory
from rae_auto.toolkit.files import DirectoryLock
from rae_plugins.stores.sqlite import SqliteStore

CONFIG = 'timezone = "Europe/Berlin"\n[jobs.l]\ncommand = ["sleep", "600"]\n'
AT = datetime(2026, 6, 1, 13, tzinfo=UTC)
RUN = make_run("l", at=AT, state=RunState.RUNNING, attempt=1, node="nas-1", started_at=AT, handle={"pid": 1})
STANDS_BY = "this daemon stands by; process 4711 on nas leads"
ABSENT = "no daemon answers here; process 4711 on nas leads"


@pytest.fixture(autouse=True)
def _store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep a run that the leader has started."""
    (tmp_path / "rae.toml").write_text(CONFIG)
    (tmp_path / "rae.toml").chmod(0o600)
    claim_state_directory(tmp_path / "state")
    with closing(SqliteStore()) as store:
        store.open(tmp_path / "state")
        store.commit([Put(documents.RUN, RUN.id, documents.dump(RUN))])
    have_leader(monkeypatch)


@pytest.fixture(params=[STANDS_BY, ABSENT])
def text(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """Give what is said of both daemons; the one of this machine stands by, or is gone."""
    lock = DirectoryLock(tmp_path / "state") if request.param == STANDS_BY else None
    yield request.param
    if lock is not None:
        lock.release()


def test_run_of_the_leader_is_running(offline, text):
    said = offline("list")
    assert said.err == f"rae-auto: {text}\n"
    assert "running" in said.out and "was running" not in said.out


def test_why_says_who_leads(offline, text):
    said = offline("why", "l").out
    assert 'has been running on node "nas-1" since' in said
    assert text in said
    assert "no daemon is running" not in said


def test_screens_say_who_leads_and_read_what_it_does(offline):
    top, digest = offline("top", "--once"), offline("digest")
    verdict = " ".join(top.out.partition("\n\n")[0].split())
    assert "No daemon answers here: process 4711 on nas has been leading since 2026-06-01 14:00:00 CEST" in verdict
    assert "1 running" in verdict
    assert "was running" not in top.out + digest.out
    # That it leads is no reason to do nothing: this machine was meant to take over from it.
    assert top.code == 1
    for said in (top.out, digest.out):
        assert "so this machine doesn't take over if the leader ends" in " ".join(said.split())
    assert "no daemon has been running" not in digest.out


def test_run_on_another_machine_has_no_process_here(offline, tmp_path):
    status = asyncio.run(StoreRecords.load(tmp_path / "rae.toml").status())
    assert (status["state"], status["running"][0]["pid"]) == ("standby", None)


def test_without_a_leader_runs_are_past(offline, monkeypatch):
    have_leader(monkeypatch, None)
    said = offline("list")
    assert "no daemon is running" in said.err
    assert "was running" in said.out


@pytest.mark.parametrize("command", [("event", "delete", "--all"), ("prune",), ("remove", "l")])
def test_refused_change_names_the_leader(offline, tmp_path, command):
    lock = DirectoryLock(tmp_path / "state")
    said = offline(*command)
    lock.release()
    assert (said.code, said.err) == (1, f"rae-auto: {STANDS_BY}, so ask there\n")
