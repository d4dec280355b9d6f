"""Every command of the control socket, asked of a real scheduler: results, refusals, and the stream of events."""

import asyncio
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.control_peer import Refused
from tests.support.served_commands import JOBS, NEW, run_with_daemon

from rae_auto import Job
from rae_auto._version import __version__
from rae_auto.daemon.answers import problem_times
from rae_auto.model import documents

RUN_KEYS = [
    *("run_id", "job", "trigger", "scheduled_for", "queued_at", "started_at", "finished_at", "state"),
    *(
        "seen_until",
        "attempt",
        "exit_code",
        "reason",
        "reason_text",
        "remark",
        "value",
        "given",
        "triggered_by",
        "duration",
        "overran_at",
        "attempts",
    ),
]


def test_ping_says_which_daemon_it_is(tmp_path):
    answer = run_with_daemon(tmp_path, lambda _, peer: peer.ask("ping"))
    assert answer == {
        "pid": os.getpid(),
        "version": __version__,
        "config": str(tmp_path / "rae.toml"),
        "timezone": "UTC",
        "max_parallel": 8,
    }


def test_status_of_an_idle_daemon(tmp_path):
    status = run_with_daemon(tmp_path, lambda _, peer: peer.ask("status"))
    assert datetime.fromisoformat(status.pop("started_at")) <= datetime.now(UTC)
    (due,) = status.pop("next")
    assert due["job"] == "quick"
    assert datetime.fromisoformat(due["at"]).hour == 4
    assert status == {
        "pid": os.getpid(),
        "version": __version__,
        "state_directory": str(tmp_path),
        "config": str(tmp_path / "rae.toml"),
        "state": "running",
        "enabled": True,
        "disabled_by": None,
        "jobs": 4,
        **{name: [] for name in ("paused", "disabled", "failed", "overdue", "running", "waiting", "skips", "problems")},
        "pauses": {},
        "names": {},
        "problem_times": {},
        "quarantined": [],
        "store": "json",
        "loggers": [],
        "notifiers": {},
    }


def test_status_lists_running_and_waiting_runs_and_problems(tmp_path):
    async def work(daemon, peer):
        runs = [(await peer.ask("trigger", job="slow"))["run_id"] for _ in range(2)]
        daemon.problems.append("the configuration is bad")
        return runs, await peer.ask("status")

    (first, second), status = run_with_daemon(tmp_path, work)
    (running,), (waiting,) = status["running"], status["waiting"]
    assert (list(running), running["run_id"]) == ([*RUN_KEYS, "pid"], first)
    assert (list(waiting), waiting["run_id"]) == ([*RUN_KEYS, "waiting_since", "not_before", "waiting_for"], second)
    assert first in waiting["waiting_for"]
    assert status["problems"] == ["the configuration is bad"]
    assert list(status["problem_times"]) == status["problems"]


def test_problem_is_dated_before_anything_asks_for_it(tmp_path, monkeypatch):
    monkeypatch.setattr(problem_times, "MIN_NOTING_SECONDS", 0)

    async def work(daemon, peer):
        daemon.problems.append("the configuration is bad")
        for check in daemon.scheduler.runtime.engine_loop.on_clock_check:
            check()
        asked_at = datetime.now(UTC)
        return asked_at, (await peer.ask("status"))["problem_times"]

    asked_at, times = run_with_daemon(tmp_path, work)
    assert datetime.fromisoformat(times["the configuration is bad"]) <= asked_at


def test_list_returns_all_jobs_and_show_one_in_full(tmp_path):
    async def work(daemon, peer):
        await peer.ask("add", definition=NEW)
        await daemon.run(peer, "bad")
        run = (await peer.ask("trigger", job="slow"))["run_id"]
        return run, await peer.ask("list"), await peer.ask("show", job="slow")

    run, listed, shown = run_with_daemon(tmp_path, work)
    by_id = {job["id"]: job for job in listed}
    assert list(by_id) == ["quick", "bad", "slow", "single", "new"]
    assert {
        *("id", "name", "origin", "enabled", "paused", "schedule", "next_at"),
        *("last_state", "last_finished_at", "open", "priority"),
    } <= by_id["quick"].keys()
    assert [job["origin"] for job in listed] == ["config"] * 4 + ["store"]
    assert by_id["quick"]["schedule"]
    assert datetime.fromisoformat(by_id["quick"]["next_at"]).hour == 4
    assert (by_id["bad"]["last_state"], by_id["bad"]["open"]) == ("failed", [])
    assert by_id["slow"] == {**shown["info"], "open": [run]}
    assert shown.keys() == {"definition", "info", "last", "open"}
    assert (shown["definition"]["id"], shown["definition"]["overlap"]) == ("slow", "queue")
    assert [list(record) for record in shown["open"]] == [RUN_KEYS]


def test_add_replaces_only_on_request_and_remove_removes(tmp_path):
    async def work(_, peer):
        added = await peer.ask("add", definition=NEW, replace=False)
        again = (await peer.refusal("add", definition=NEW)).kind
        replaced = await peer.ask("add", definition={**NEW, "priority": "high"}, replace=True)
        shown = await peer.ask("show", job="new")
        await peer.ask("remove", job="new")
        return added, again, replaced, shown["info"]["priority"], (await peer.refusal("show", job="new")).kind

    added = {"job": "new", "next_at": None, "is_triggered": False, "warnings": []}
    assert run_with_daemon(tmp_path, work) == (added, "DuplicateJob", added, "high", "JobNotFound")


def test_definition_from_show_can_be_added(tmp_path):
    async def work(_, peer):
        definition = (await peer.ask("show", job="quick"))["definition"]
        await peer.ask("add", definition={**definition, "id": "copy"})
        return definition, (await peer.ask("show", job="copy"))["definition"]

    first, second = run_with_daemon(tmp_path, work)
    assert {**first, "id": "copy"} == second


@pytest.mark.requirement("R3")
def test_repeated_request_leads_to_one_run(tmp_path):
    async def work(_, peer):
        return [
            (await peer.ask("trigger", job="slow", request=request, event=event))["run_id"]
            for request, event in [("a", {"file": "x"}), ("a", None), (None, None)]
        ]

    first, again, another = run_with_daemon(tmp_path, work)
    assert first == again != another


def test_cancel_ends_a_run_or_all_of_a_job(tmp_path):
    async def work(daemon, peer):
        runs = [(await peer.ask("trigger", job="slow"))["run_id"] for _ in range(2)]
        one = await peer.ask("cancel", run=runs[1])
        runs.append((await peer.ask("trigger", job="slow"))["run_id"])
        rest = await peer.ask("cancel", job="slow")
        ends = [(await daemon.scheduler.wait(run)).state.value for run in runs]
        return runs, one, rest, ends, await peer.ask("cancel", job="slow")

    runs, one, rest, ends, nothing = run_with_daemon(tmp_path, work)
    assert one == {"cancelled": [runs[1]]}
    assert sorted(rest["cancelled"]) == sorted([runs[0], runs[2]])
    assert (ends, nothing) == (["cancelled"] * 3, {"cancelled": []})


def test_pause_and_resume(tmp_path):
    async def work(_, peer):
        commands = ("pause", "pause", "resume", "resume")
        return [(await peer.ask(name, job="quick"), (await peer.ask("list"))[0]["paused"]) for name in commands]

    new, old = {"changed": ["quick"], "jobs": ["quick"]}, {"changed": [], "jobs": ["quick"]}
    assert run_with_daemon(tmp_path, work) == [(new, True), (old, True), (new, False), (old, False)]


@pytest.mark.parametrize("ago", [timedelta(minutes=2), -timedelta(minutes=2)])
def test_time_without_a_day_ends_a_pause_in_the_future(tmp_path, ago):
    async def work(_, peer):
        now = datetime.now(UTC)
        await peer.ask("pause", job="quick", until=f"{now - ago:%H:%M}")
        until = (await peer.ask("list"))[0]["paused_until"]
        return datetime.fromisoformat(until) - now

    assert timedelta(0) < run_with_daemon(tmp_path, work) <= timedelta(days=1)


def test_pauses_of_several_jobs_have_an_end_and_a_note(tmp_path):
    async def work(_, peer):
        until = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
        paused = await peer.ask("pause", jobs="all", until=until, note="holiday")
        status = await peer.ask("status")
        resumed = await peer.ask("resume", jobs=["quick", "bad"])
        return until, paused, status, resumed

    until, paused, status, resumed = run_with_daemon(tmp_path, work)
    assert paused["changed"] == paused["jobs"] == status["paused"]
    pause = status["pauses"]["quick"]
    assert (pause["until"], pause["note"]) == (until, "holiday")
    assert pause["since"] < until
    assert resumed["changed"] == ["quick", "bad"]


def test_pause_of_several_jobs_changes_none_if_one_is_unknown(tmp_path):
    async def work(_, peer):
        with pytest.raises(Refused, match="nobody"):
            await peer.ask("pause", jobs=["quick", "nobody"])
        return (await peer.ask("status"))["paused"]

    assert run_with_daemon(tmp_path, work) == []


def test_history_is_filtered_and_the_newest_comes_first(tmp_path):
    async def work(daemon, peer):
        runs = [await daemon.run(peer, job) for job in ("quick", "bad", "quick")]
        everything = await peer.ask("history")
        since, until = everything[0]["queued_at"], everything[2]["queued_at"]
        asking = [
            {"job": "quick"},
            {"run": runs[1]},
            {"states": ["failed", "lost"]},
            {"since": since},
            {"until": until},
            {"limit": 2},
            {"job": None, "run": None, "states": None, "since": None, "until": None},
            {"job": "quick", "states": ["failed"]},
        ]
        answers = [[runs.index(run["run_id"]) for run in await peer.ask("history", **query)] for query in asking]
        return everything, answers

    everything, answers = run_with_daemon(tmp_path, work)
    assert [(list(run), run["state"], run["exit_code"]) for run in everything] == [
        (RUN_KEYS, "succeeded", 0),
        (RUN_KEYS, "failed", 3),
        (RUN_KEYS, "succeeded", 0),
    ]
    assert answers == [[2, 0], [1], [1], [2], [0], [2, 1], [2, 1, 0], []]


def test_output_returns_its_path(tmp_path):
    async def work(daemon, peer):
        run = await daemon.run(peer, "quick")
        return run, await peer.ask("output", run=run)

    run, answers = run_with_daemon(tmp_path, work)
    assert answers == {"path": str(tmp_path / "output" / "quick" / f"{run}.1.log"), "state": "succeeded", "attempt": 1}
    assert Path(answers["path"]).read_text() == "hello\n"


@pytest.mark.requirement("R38")
def test_reload_returns_the_changes_or_all_errors(tmp_path):
    async def work(daemon, peer):
        daemon.problems.extend(["rae.toml:1: one", "rae.toml:2: two"])
        bad = await peer.refusal("reload")
        daemon.problems.clear()
        return bad, await peer.ask("reload")

    bad, changes = run_with_daemon(tmp_path, work)
    assert (bad.kind, bad.message) == ("ConfigError", "rae.toml:1: one\nrae.toml:2: two")
    assert changes == {"added": ["fresh"], "changed": ["bad"], "removed": ["quick"]}


WAITS = {"waits_for": ["slow"], "keeps": [], "grace_seconds": 30.0}


def test_stop_waits_for_runs_and_a_second_stop_ends_them(tmp_path):
    async def work(daemon, peer):
        run = (await peer.ask("trigger", job="slow"))["run_id"]
        first = await peer.ask("stop", now=False)
        status = await peer.ask("status")
        refused = await peer.refusal("trigger", job="quick")
        second = await peer.ask("stop", now=True)
        await daemon.scheduler.wait_stopped()
        return first, second, status["state"], len(status["running"]), refused.kind, await peer.ask("history", run=run)

    *answers, (run,) = run_with_daemon(tmp_path, work)
    assert answers == [WAITS, {**WAITS, "grace_seconds": 0.0}, "stopping", 1, "SchedulerClosed"]
    assert run["state"] == "interrupted"


def test_stop_can_leave_commands_to_the_next_daemon(tmp_path):
    async def first(daemon, peer):
        listener = await daemon.connect()
        await listener.ask("events")
        run = (await peer.ask("trigger", job="slow"))["run_id"]
        while (await listener.receive())["event"].get("run", {}).get("state") != "running":
            pass
        await peer.ask("stop", leave_running=True)
        await daemon.scheduler.wait_stopped()
        return run

    async def second(_, peer):
        return [run["run_id"] for run in (await peer.ask("status"))["running"]]

    run = run_with_daemon(tmp_path, first)
    assert run_with_daemon(tmp_path, second) == [run]


def test_event_stream_contains_jobs_runs_and_decisions(tmp_path):
    async def work(daemon, peer):
        listener = await daemon.connect()
        await listener.ask("events")
        await peer.ask("add", definition=NEW)
        await peer.ask("add", definition={**NEW, "priority": "low"}, replace=True)
        await peer.ask("pause", job="new")
        await peer.ask("resume", job="new")
        run = (await peer.ask("trigger", job="new"))["run_id"]
        events: list[Any] = []
        while not events or events[-1].get("run", {}).get("state") != "succeeded":
            line = await listener.receive()
            assert list(line) == ["event"]
            events.append(line["event"])
        await peer.ask("remove", job="new")
        return run, events, await listener.receive()

    run, events, last = run_with_daemon(tmp_path, work)
    jobs = [event for event in events if event["kind"] == "job"]
    runs = [event["run"] for event in events if event["kind"] == "run"]
    (decision,) = [event for event in events if event["kind"] == "decision"]
    assert jobs == [
        {"kind": "job", "job": "new", "change": change} for change in ("added", "changed", "paused", "resumed")
    ]
    assert all(list(record) == RUN_KEYS and record["run_id"] == run for record in runs)
    assert (runs[0]["state"], runs[-1]["state"]) == ("queued", "succeeded")
    assert decision.keys() == {"kind", "job", "trigger", "at", "outcome", "reason", "text", "run_id"}
    assert (decision["job"], decision["outcome"], decision["run_id"]) == ("new", "run", run)
    assert last == {"event": {"kind": "job", "job": "new", "change": "removed"}}


def test_listener_can_send_requests(tmp_path):
    async def work(_, peer):
        return await peer.ask("events"), await peer.ask("ping"), await peer.ask("events")

    first, ping, again = run_with_daemon(tmp_path, work)
    assert (first, ping["pid"], again) == ({}, os.getpid(), {})


def test_concurrent_clients_are_all_answered_in_full(tmp_path):
    async def client(daemon, number):
        peer = await daemon.connect()
        job = f"job-{number}"
        await peer.ask("add", definition={**NEW, "name": job})
        runs = [await daemon.run(peer, job) for _ in range(3)]
        history = [run["run_id"] for run in await peer.ask("history", job=job)]
        await peer.ask("remove", job=job)
        return history == runs[::-1]

    async def work(daemon, peer):
        return await asyncio.gather(*(client(daemon, n) for n in range(20))), len(await peer.ask("list"))

    assert run_with_daemon(tmp_path, work) == ([True] * 20, len(JOBS))


@pytest.mark.parametrize(("hour", "job"), [(4, "quick"), (16, "later")])
def test_first_start_of_a_later_span_is_of_the_job_that_is_due_in_it(tmp_path, hour, job):
    begin = datetime.now(UTC).replace(hour=hour, minute=0, second=0, microsecond=0) + timedelta(days=3)
    span = {"since": (begin - timedelta(minutes=1)).isoformat(), "until": (begin + timedelta(minutes=1)).isoformat()}

    async def work(_, peer):
        later = Job(name="later", command=["true"], schedule="0 16 * * *")
        await peer.ask("add", definition=documents.dump(later))
        return await peer.ask("starts", **span, limit=1)

    found = run_with_daemon(tmp_path, work)
    assert [(one["job"], one["due_at"]) for one in found] == [(job, begin.isoformat())]


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ({"step": 1}, '"count_steps" needs "since", "until" and "step"'),
        ({"until": "2026-01-02T00:00:00Z"}, '"count_steps" needs "since", "until" and "step"'),
        ({"until": "2025-12-31T00:00:00Z", "step": 1}, '"count_steps" counts from 1 to 10,000 steps'),
        ({"until": "2026-01-08T00:00:00Z", "step": 1}, '"count_steps" counts from 1 to 10,000 steps'),
    ],
)
def test_steps_are_counted_of_a_bounded_span(tmp_path, asked, problem):
    since = "2026-01-01T00:00:00Z"
    refused = run_with_daemon(tmp_path, lambda _, peer: peer.refusal("count_steps", log="runs", since=since, **asked))
    assert problem in str(refused)
