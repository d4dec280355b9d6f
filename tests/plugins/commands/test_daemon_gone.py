"""A run of a daemon that was killed, in each view while none runs: it was running, until a daemon saw it last."""

import json
import re
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from attrs import frozen
from tests.plugins.commands.one_history import run_command
from tests.plugins.commands.ui.conftest import Page, start_page, stop
from tests.support.daemons import Daemons
from tests.support.runs import RUN_ID, make_run

from rae_auto.api.store import Put
from rae_auto.model import documents
from rae_auto.model.job_info import JobActivity
from rae_auto.model.run import RunState
from rae_auto.records.presence_log import note_presence, note_start
from rae_auto.records.state_directory import claim_state_directory
from rae_auto.views.charts.svg import STATE_CLASSES
from rae_auto.views.runs import SHOWN_STATES, shown_state
from rae_plugins.commands.top.cells import MARKS
from rae_plugins.commands.ui.rendering import GLYPHS
from rae_plugins.stores.sqlite import SqliteStore

JOBS = """
timezone = "UTC"
state = "{home}/state"
[jobs.long]
command = ["sleep", "600"]
"""
HOURS = 2
"""For how long the run had been running when the daemon was killed, as long ago."""


@frozen
class Scene:
    """A state directory whose daemon was killed, and a page that reads it."""

    daemons: Daemons
    page: Page
    started_at: datetime
    """When the run was queued and started."""
    seen_until: datetime
    """When the daemon was killed."""

    def read(self, path: str) -> Any:
        return json.loads(self.page.ask(path).text)

    def page_of(self, path: str) -> str:
        return unescape(self.page.ask(path).text)

    def say(self, *words: str) -> str:
        return run_command(self.daemons, *words, codes=(0, 1))


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Leave a store behind as a daemon that was killed leaves it, and show a page of it."""
    daemons = Daemons(tmp_path_factory.mktemp("gone"), JOBS)
    claim_state_directory(daemons.state)
    now = datetime.now(UTC).replace(microsecond=0)
    seen_until = now - timedelta(hours=HOURS)
    at = seen_until - timedelta(hours=HOURS)
    active: dict[str, Any] = {"state": RunState.RUNNING, "attempt": 1, "started_at": at, "attempt_started_at": at}
    note_start(daemons.state, at)
    note_presence(daemons.state, seen_until)
    with closing(SqliteStore()) as store:
        store.open(daemons.state)
        store.commit([Put(documents.RUN, RUN_ID, documents.dump(make_run("long", at=at, **active)))])
    page = start_page(daemons)
    yield Scene(daemons, page, at, seen_until)
    stop(page.process)


def test_history_says_so_and_its_json_has_the_state_on_record(scene: Scene) -> None:
    assert re.search(rf"{RUN_ID} +long +was running\b", scene.say("history"))
    [run] = json.loads(scene.say("history", "--json"))
    assert (run["state"], datetime.fromisoformat(run["seen_until"])) == ("running", scene.seen_until)


def test_list_and_show_say_so(scene: Scene) -> None:
    assert re.search(r"\blong +was running\b", scene.say("list"))
    assert re.search(rf"open run +{RUN_ID} was running\n", scene.say("show", "long"))


def test_page_of_the_run_says_so(scene: Scene) -> None:
    run, page = scene.read(f"/api/runs/{RUN_ID}"), scene.page_of(f"/runs/{RUN_ID}")
    assert re.search(r"<h1>.*▷</i>was running</span></h1>", page)
    assert (run["state"], run["attempts"][0]["state"], run["output"]["state"]) == ("was_running",) * 3
    phases = {phase["kind"]: phase for phase in run["phases"]}
    assert phases["attempt"]["text"] == "attempt 1: was running"
    assert datetime.fromisoformat(phases["attempt"]["until"]) == scene.seen_until
    assert (phases["unknown"]["since"], phases["unknown"]["until"]) == (phases["attempt"]["until"], None)
    assert "still running" not in page


def test_page_of_the_job_says_so(scene: Scene) -> None:
    [mark] = [mark for mark in scene.read("/api/jobs/long")["history"] if mark["run_id"] == RUN_ID]
    assert mark["state"] == "was_running"
    assert len(re.findall("was running", scene.page_of("/jobs/long"))) >= 2


def test_bar_of_the_timeline_ends_when_it_was_seen_last(scene: Scene) -> None:
    timeline = scene.read("/api/timeline?span=24h&all=1")
    [bar] = [bar for row in timeline["rows"] for bar in row["bars"] if bar["run_id"] == RUN_ID]
    [attempt] = bar["attempts"]
    assert (bar["state"], bar["text"], attempt["state"]) == ("was_running", "was running", "was_running")
    assert datetime.fromisoformat(bar["ended_at"]) == datetime.fromisoformat(attempt["ended_at"]) == scene.seen_until
    assert attempt["unknown_until"] == timeline["now"]
    active = {step["active"]: datetime.fromisoformat(step["at"]) for step in timeline["concurrency"]}
    assert active == {1: scene.started_at, 0: scene.seen_until}, "nor does it count as one at once since then"


def test_top_shows_it_among_the_last_ten(scene: Scene) -> None:
    said = scene.say("top", "--once")
    assert said.count("running when the daemon was last seen") == said.count("rae-auto run") == 1
    [row] = [line for line in said.splitlines() if line.startswith(" ▷ long")]
    assert row.count("▷") == 2
    assert "▶" not in row


def test_digest_says_so(scene: Scene) -> None:
    verdict, _, rest = scene.say("digest").partition("\n")
    assert "(0 runs of 1 job, 1 was running when the daemon was last seen, at " in verdict
    assert "long has been running" not in rest


def test_words_are_the_same_everywhere() -> None:
    assert list(SHOWN_STATES) == [state for state in RunState if state.active]
    assert shown_state(RunState.RUNNING, datetime.now(UTC)) == JobActivity.WAS_RUNNING
    for shown in SHOWN_STATES.values():
        assert GLYPHS[shown] == (STATE_CLASSES[shown], MARKS[shown].text)
        assert MARKS[shown].role == "waiting"


def test_shapes_of_states_differ() -> None:
    shapes = [mark.text for mark in MARKS.values()]
    assert len(set(shapes)) == len(shapes)
