"""Runs that are started through the control socket, with who asked for them."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.daemons import Daemons
from tests.support.forgers import daemon_with_forger
from tests.support.waiting import eventually

from rae_auto.errors import BadRequest


@pytest.fixture(scope="module")
def daemons(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemons]:
    """One daemon for all tests."""
    jobs = '[jobs.plain]\ncommand = ["true"]'
    with daemon_with_forger(tmp_path_factory.mktemp("triggered"), "trigger", {"job": "plain"}, jobs) as daemons:
        yield daemons


def _finished(daemons: Daemons, run: str) -> dict[str, Any]:
    """Return the record of a run, once it has ended."""
    eventually(lambda: daemons.ask("history", run=run)[0]["finished_at"] is not None)
    [record] = daemons.ask("history", run=run)
    return dict(record)


def _why(daemons: Daemons, run: str) -> str:
    return str(daemons.ask("why", job="plain", run=run)["answer"])


def test_runs_that_an_agent_starts_say_so(daemons: Daemons):
    run = daemons.ask("trigger", job="plain", via="mcp", client="an-agent 1.0")["run_id"]
    by = _finished(daemons, run)["triggered_by"]
    assert (by["via"], by["client"], by["run_id"]) == ("mcp", "an-agent 1.0", None)
    assert by["text"].startswith('"an-agent 1.0" through rae-auto mcp, as user ')
    assert f"it was triggered by {by['text']}" in _why(daemons, run)


def test_runs_that_a_person_starts_say_by_hand(daemons: Daemons):
    run = daemons.ask("trigger", job="plain", via="command_line")["run_id"]
    by = _finished(daemons, run)["triggered_by"]
    assert (by["via"], by["client"], by["run_id"]) == ("command_line", "", None)
    assert "it was triggered by hand" in _why(daemons, run)


def test_jobs_can_not_hide_that_they_started_a_run(daemons: Daemons):
    known = {record["run_id"] for record in daemons.ask("history", job="plain")}
    forger = daemons.ask("trigger", job="forger")["run_id"]
    eventually(lambda: {record["run_id"] for record in daemons.ask("history", job="plain")} - known)
    [run] = {record["run_id"] for record in daemons.ask("history", job="plain")} - known
    by = _finished(daemons, run)["triggered_by"]
    assert (by["run_id"], by["job"]) == (forger, "forger")
    assert by["text"] == f'run {forger} of job "forger", through the command line'
    assert f"it was triggered by {by['text']}" in _why(daemons, run)
    daemons.ask("cancel", job="forger")


def test_requesters_outlive_a_restart(daemons: Daemons):
    run = daemons.ask("trigger", job="plain", via="python", client="a program")["run_id"]
    before = _finished(daemons, run)["triggered_by"]
    daemons.stop()
    daemons.serve()
    assert daemons.ask("history", run=run)[0]["triggered_by"] == before


@pytest.mark.parametrize("given", [{"via": "config"}, {"client": "a\nb"}, {"client": "x" * 65}])
def test_trigger_refuses_an_unknown_origin(daemons: Daemons, given: dict[str, object]):
    with pytest.raises(BadRequest, match=next(iter(given))):
        daemons.ask("trigger", job="plain", **given)
