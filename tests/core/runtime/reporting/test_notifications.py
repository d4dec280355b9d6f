"""Notifications of the ends of runs: their recipients, and that delivery delays nothing."""

import asyncio
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen
from loguru import logger
from tests.support.control_peer import in_time

from rae_auto import Job, RetryPolicy, RunState, Scheduler
from rae_auto.api import Notice, Notifier
from rae_auto.api.plugin import Kind, Plugin
from rae_auto.engine.effects import Notify
from rae_auto.model.decision import MANUAL
from rae_auto.model.plugin_ref import PluginRef
from rae_auto.model.policies import NotifyOn, NotifyPolicy
from rae_auto.model.primitives.formatting import describe_error
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.reasons import AttemptError, Cancelled, Manual
from rae_auto.model.run import Run
from rae_auto.registry import Registry
from rae_auto.runtime import silence_library
from rae_auto.runtime.reporting import notifications
from rae_auto.runtime.reporting.notifications import Notifications, notice_of

NOW = datetime(2026, 1, 31, 18, tzinfo=UTC)

ERRORS = {"no network": OSError("no network\nhere"), "nothing to say": ValueError(), "exit": SystemExit(3)}

delivered: list[tuple[str, Notice]] = []
"""Messages that the notifiers of a test received, with the name of the notifier."""


@pytest.fixture(autouse=True)
def _clear_delivered() -> None:
    delivered.clear()


@frozen
class Noting(Notifier):
    """Notes what it is told."""

    type = "noting"
    name: str = ""

    async def notify(self, notice: Notice) -> None:
        delivered.append((self.name, notice))


@frozen
class Failing(Notifier):
    """Fails as it is told to."""

    type = "failing"
    error: str = "no network"

    async def notify(self, notice: Notice) -> None:
        raise ERRORS[self.error]


@frozen
class Hanging(Notifier):
    """Never comes to an end by itself."""

    type = "hanging"

    async def notify(self, notice: Notice) -> None:
        await asyncio.Event().wait()


@pytest.fixture
def log() -> Iterator[list[str]]:
    lines: list[str] = []
    number = logger.add(lambda message: lines.append(str(message)), format="{level} {extra} {message}")
    logger.enable("rae_auto")
    yield lines
    silence_library()
    logger.remove(number)


def ended(state: RunState = RunState.FAILED, **fields: Any) -> Run:
    """A run that is over."""
    known = {"exit_code": 0 if state is RunState.SUCCEEDED else 3, "attempt": 1, **fields}
    return Run(
        id=RunId("run-1"),
        job=JobId("backup"),
        trigger=MANUAL,
        key="k",
        scheduled_for=NOW,
        queued_at=NOW,
        finished_at=NOW,
        cause=Manual(),
        state=state,
        **known,
    )


def wish(*via: str, kind: NotifyOn = NotifyOn.FAILURE, run: Run | None = None) -> Notify:
    job = Job(name="backup", command="true", notify=NotifyPolicy(on=(kind,), via=via))
    return Notify(kind, job, run or ended())


def send(notifiers: Mapping[str, Notifier], *wishes: Notify) -> None:
    """Send them all, and let them end."""

    async def work() -> None:
        sending = Notifications(notifiers)
        for each in wishes:
            sending.send(each)
        await sending.close()

    in_time(work)


# What is told


@pytest.mark.parametrize(
    ("kind", "run", "text"),
    [
        (NotifyOn.FAILURE, ended(), "backup failed: exit code 3"),
        (NotifyOn.FAILURE, ended(reason=AttemptError("no such program")), "backup failed: no such program"),
        (NotifyOn.FAILURE, ended(RunState.LOST, exit_code=None), "backup lost"),
        (NotifyOn.FAILURE, ended(RunState.TIMED_OUT, exit_code=None), "backup timed out"),
        (NotifyOn.SUCCESS, ended(RunState.SUCCEEDED), "backup succeeded"),
        (NotifyOn.SUCCESS, ended(RunState.SUCCEEDED, reason=Cancelled()), "backup succeeded"),
        (NotifyOn.RECOVERY, ended(RunState.SUCCEEDED), "backup succeeded again"),
    ],
)
def test_the_text_is_one_line_for_a_person(kind, run, text):
    assert notice_of(wish(kind=kind, run=run)).text == text


def test_notice_has_the_data_of_its_run():
    run = ended(attempt=2)
    assert notice_of(wish(run=run)) == Notice(
        kind=NotifyOn.FAILURE,
        job=run.job,
        run=run.id,
        state=RunState.FAILED,
        at=NOW,
        text="backup failed: exit code 3",
        exit_code=3,
        attempt=2,
        host=socket.gethostname(),
        cause="it was triggered by hand",
    )


# Who is told


@pytest.mark.parametrize(
    ("via", "names"), [([], ["mail", "chat"]), (["chat"], ["chat"]), (["chat", "mail"], ["chat", "mail"])]
)
def test_notice_goes_to_the_named_notifiers_or_to_all(via, names):
    send({name: Noting(name) for name in ("mail", "chat")}, wish(*via))
    assert sorted(name for name, _ in delivered) == sorted(names)
    assert all(notice == notice_of(wish()) for _, notice in delivered)


def test_notice_without_notifiers_is_dropped_silently(log):
    send({}, wish())
    assert (delivered, log) == ([], [])


def test_unknown_notifier_is_logged_and_the_others_deliver(log):
    send({"mail": Noting("mail")}, wish("chat", "mail"))
    assert [name for name, _ in delivered] == ["mail"]
    (line,) = log
    assert line.startswith("ERROR {'job': 'backup', 'run': 'run-1'}")
    assert 'notifier "chat" isn\'t configured, so this notice was not delivered: backup failed: exit code 3' in line


# What goes wrong


@pytest.mark.requirement("R35")
@pytest.mark.parametrize("error", ERRORS)
def test_failing_notifier_is_logged_in_one_line_and_others_deliver(log, error):
    send({"bad": Failing(error), "good": Noting("good")}, wish(), wish())
    assert [name for name, _ in delivered] == ["good", "good"]
    assert [line.count("\n") for line in log] == [1, 1]
    assert all(
        f'notifier "bad" failed: {describe_error(ERRORS[error])}; not delivered: backup failed: exit code 3' in line
        for line in log
    )


@pytest.mark.requirement("R35")
def test_hanging_notifier_is_given_up_and_others_deliver(log, monkeypatch):
    monkeypatch.setattr(notifications, "NOTIFY_TIMEOUT_SECONDS", 0.05)
    send({"bad": Hanging(), "good": Noting("good")}, wish())
    assert [name for name, _ in delivered] == ["good"]
    (line,) = log
    assert 'notifier "bad" failed: it took too long; not delivered: backup failed: exit code 3' in line


def test_notifier_that_ignores_its_cancellation_is_reported(log, monkeypatch):
    monkeypatch.setattr(notifications, "NOTIFY_TIMEOUT_SECONDS", 0.05)
    go = asyncio.Event()

    @frozen
    class Deaf(Notifier):
        type = "deaf"

        async def notify(self, notice):
            while not go.is_set():
                with suppress(asyncio.CancelledError):
                    await go.wait()

    async def work():
        sending = Notifications({"deaf": Deaf()})
        sending.send(wish())
        await sending.close()
        go.set()

    in_time(work)
    (line,) = log
    assert 'notifier "deaf" failed: it took too long; not delivered' in line


def test_delivery_of_a_notice_delays_nothing():
    async def work():
        sending = Notifications({"slow": Hanging(), "good": Noting("good")})
        sending.send(wish())
        assert delivered == []
        # One turn of the loop begins all deliveries.
        await asyncio.sleep(0)

    in_time(work)
    assert [name for name, _ in delivered] == ["good"]


@pytest.mark.requirement("R35")
def test_close_lets_deliveries_finish():
    go = asyncio.Event()

    @frozen
    class Waiting(Notifier):
        type = "waiting"

        async def notify(self, notice: Notice) -> None:
            await go.wait()
            delivered.append(("waiting", notice))

    async def work():
        sending = Notifications({"waiting": Waiting()})
        sending.send(wish())
        closing = asyncio.ensure_future(sending.close())
        await asyncio.sleep(0)
        before = closing.done(), list(delivered)
        go.set()
        await closing
        await sending.close()
        return before

    assert in_time(work) == (False, [])
    assert [name for name, _ in delivered] == ["waiting"]


# Which ends of runs are told


class WithNoting:
    """The installed plugins, and the notifiers of this page."""

    def __init__(self) -> None:
        self._installed = Registry()

    def names(self, kind: Kind) -> Any:
        return [*self._installed.names(kind), *({"noting", "failing", "hanging"} if kind is Kind.NOTIFIER else ())]

    def get(self, kind: Kind, name: str) -> type[Plugin]:
        own = {plugin.type: plugin for plugin in (Noting, Failing, Hanging)}
        return own[name] if kind is Kind.NOTIFIER and name in own else self._installed.get(kind, name)


def after(jobs: list[Job], work: Callable[[Scheduler], Any], directory: Path, **notifiers: PluginRef) -> Any:
    """Return what was `delivered` by a scheduler with these jobs: notifier, kind, job and attempt, sorted."""

    async def main() -> None:
        options: dict[str, Any] = {"plugins": WithNoting(), "notifiers": notifiers, "store": "json"}
        async with Scheduler(directory=directory, jobs=jobs, **options) as scheduler:
            await work(scheduler)
            await scheduler.stop(timedelta(0))

    in_time(main)
    return sorted((name, str(notice.kind), notice.job, notice.attempt) for name, notice in delivered)


def noting(name: str) -> PluginRef:
    return PluginRef("noting", {"name": name})


async def run(scheduler: Scheduler, job: str) -> Run:
    return await scheduler.wait(await scheduler.trigger(job))


def every_end(via: tuple[str, ...] = ()) -> NotifyPolicy:
    return NotifyPolicy(on=("failure", "recovery", "success"), via=via)


def test_ends_that_a_job_selects_are_notified(tmp_path):
    flag = tmp_path / "flag"
    jobs = [
        Job(name="all", shell=f"test -e {flag}", notify=every_end()),
        Job(name="none", shell=f"test -e {flag}"),
        Job(name="back", shell=f"test -e {flag}", notify=NotifyPolicy(on=("recovery",))),
    ]

    async def work(scheduler):
        for _ in range(2):
            for job in jobs:
                await run(scheduler, job.id)
            flag.touch()

    assert after(jobs, work, tmp_path, mail=noting("mail")) == [
        ("mail", "failure", "all", 1),
        ("mail", "recovery", "all", 1),
        ("mail", "recovery", "back", 1),
        ("mail", "success", "all", 1),
    ]


def test_notice_has_output_duration_failures_and_next_run(tmp_path, monkeypatch):
    monkeypatch.setenv("DISK_TOKEN", "hunter2-hunter2")
    flag = tmp_path / "flag"
    job = Job(
        name="bad",
        shell=f"test -e {flag} && exit; seq 30; echo $TOKEN disk full; exit 3",
        env={"TOKEN": "${env:DISK_TOKEN}"},
        schedule="0 4 1 1 *",
        notify=NotifyPolicy(on=("failure",)),
    )

    async def succeed_and_fail_twice(scheduler):
        flag.touch()
        await run(scheduler, "bad")
        flag.unlink()
        for _ in range(2):
            await run(scheduler, "bad")

    after([job], succeed_and_fail_twice, tmp_path, mail=noting("mail"))
    first, second = (notice for _, notice in delivered)
    assert (first.failures, second.failures) == (1, 2)
    assert first.output.splitlines() == [*map(str, range(12, 31)), "*** disk full"]
    assert first.duration is not None
    assert first.usual_duration is not None
    assert first.next_at is not None
    assert (first.next_at.month, first.next_at.day, first.next_at.hour) == (1, 1, 4)


def test_failure_is_notified_once_after_the_last_attempt(tmp_path):
    retries = RetryPolicy(attempts=3, delay="1ms")
    job = Job(name="bad", command="false", notify=every_end(), retry_policy=retries)
    assert after([job], lambda s: run(s, "bad"), tmp_path, mail=noting("mail")) == [("mail", "failure", "bad", 3)]


def test_run_cancelled_by_a_person_is_not_notified(tmp_path):
    async def work(scheduler):
        asked = await scheduler.trigger("slow")
        await scheduler.cancel(asked)
        await scheduler.wait(asked)

    job = Job(name="slow", command=["sleep", "600"], notify=every_end())
    assert after([job], work, tmp_path, mail=noting("mail")) == []


def test_job_is_notified_through_the_notifiers_that_it_names(tmp_path):
    jobs = [
        Job(name="a", python="time:time", notify=every_end(("chat",))),
        Job(name="b", python="time:time", notify=every_end()),
    ]

    async def work(scheduler):
        for job in jobs:
            await run(scheduler, job.id)

    assert after(jobs, work, tmp_path, mail=noting("mail"), chat=noting("chat")) == [
        ("chat", "success", "a", 1),
        ("chat", "success", "b", 1),
        ("mail", "success", "b", 1),
    ]


@pytest.mark.requirement("R35", "S22")
def test_bad_notifiers_hold_up_neither_runs_nor_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr(notifications, "NOTIFY_TIMEOUT_SECONDS", 0.05)
    jobs = [Job(name="a", python="time:time", notify=every_end())]

    async def work(scheduler):
        assert {(await run(scheduler, "a")).state for _ in range(3)} == {RunState.SUCCEEDED}

    bad = {"stuck": PluginRef("hanging"), "broken": PluginRef("failing")}
    assert after(jobs, work, tmp_path, mail=noting("mail"), **bad) == [("mail", "success", "a", 1)] * 3
