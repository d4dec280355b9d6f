"""Delays after events, as the commands show them: in a daemon, without one, in a simulation, in a check."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rae_auto.api import Put
from rae_auto.model import documents
from rae_auto.model.primitives.instants import Moment
from rae_auto.model.reasons import Fired
from rae_auto.model.run import Run
from rae_auto.views.times import dated_time
from rae_plugins.stores.sqlite import SqliteStore

CONFIG = """
timezone = "UTC"
[jobs.tidy]
command = ["true"]
trigger = { type = "system", on = ["boot"], delay = "2h" }
"""


@pytest.fixture
def until(tmp_path: Path) -> datetime:
    """The end of the delay of a run that the last daemon left."""
    begin = datetime.now(UTC).replace(microsecond=0)
    end = begin + timedelta(hours=2)
    run = Run(
        id="01M8HTH16Q1BHDRF4E6XJQV1NZ",
        job="tidy",
        trigger="system",
        key="boot:1",
        scheduled_for=begin,
        queued_at=begin,
        cause=Fired(),
        not_before=end,
        clocks=Moment(begin, 0.0),
    )
    (tmp_path / "state").mkdir(mode=0o700)
    with closing(SqliteStore()) as store:
        store.open(tmp_path / "state")
        store.commit([Put(documents.RUN, run.id, documents.dump(run))])
    return end


@pytest.mark.usefixtures("config")
def test_next_shows_the_end_of_a_delay_without_a_daemon(offline, until: datetime) -> None:
    assert offline("next", "tidy").out == f"{until.isoformat()}\n"
    assert dated_time(until.isoformat(), None) in offline("list").out
    assert f'"delayed_until": "{until.isoformat()}"' in offline("show", "tidy", "--json").out


@pytest.mark.usefixtures("config", "until")
def test_next_names_the_delay_on_a_terminal(offline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rae_auto.cli.planning.on_terminal", lambda: True)
    assert offline("next", "tidy").out.endswith("(the end of the delay after an event)\n")


@pytest.mark.usefixtures("config")
def test_next_without_an_event_foretells_nothing(offline) -> None:
    assert "starts when its trigger reports an event" in offline("next", "tidy").err


@pytest.mark.usefixtures("config")
def test_simulation_waits_for_the_delay_of_a_scripted_event(offline, tmp_path: Path) -> None:
    line = '{"at": "2026-11-29T08:00:00Z", "job": "tidy", "trigger": "system", "event": {"event": "boot"}}'
    (tmp_path / "events.jsonl").write_text(line)
    said = offline("simulate", "--from", "2026-11-29", "--days", "1", "--events", "events.jsonl")
    assert "2026-11-29T10:00:00+00:00  start  tidy" in said.table


def test_check_refuses_a_delay_inside_of_combine(offline, config: Path) -> None:
    part = '{ type = "system", on = ["boot"], delay = "2h" }'
    config.write_text(f'[jobs.a]\ncommand = ["true"]\ntrigger = {{ type = "combine", any = [{part}, "manual"] }}\n')
    said = offline("check")
    assert said.code == 2
    assert "system: 'delay' is for a trigger that starts a job, not for one of several; remove it" in said.out
