"""Notifications of the ends of runs: their recipients, and that delivery delays nothing."""

import asyncio
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest
from attrs import frozen
from tests.support.control_peer import in_time
from tests.support.log_lines import captured_log

from rae_auto import Job, RetryPolicy, RunState, Scheduler
from rae_auto.api import Notice, Notifier
from rae_auto.api.plugin import Kind, Plugin
from rae_auto.engine.events import DeliveryEnded
from rae_auto.engine.notices import deliveries
from rae_auto.model.notices.outbox import OutboxNotice
from rae_auto.model.plugin_ref import PluginRef
from rae_auto.model.policies import NotifyOn, NotifyPolicy
from rae_auto.model.primitives.formatting import describe_error
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.run import Run
from rae_auto.registry import Registry
from rae_auto.runtime.reporting import notifications
from rae_auto.runtime.reporting.notices import make_notice, sum_up
from rae_auto.runtime.reporting.notifications import Notifications

NOW = datetime(2026, 1, 31, 18, tzinfo=UTC)

ERRORS = {
    "no network": OSError("no network\nhere"),
    "nothing to say": ValueError(),
    "mistake": KeyError("to"),
    "exit": SystemExit(3),
}

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
    with captured_log("{level} {extra} {message}", "DEBUG") as lines:
        yield lines


def decided(notifier: str = "mail", **changes: Any) -> OutboxNotice:
    """A notice as the engine decides it."""
    known: dict[str, Any] = {
        "id": "run-1.failure",
        "kind": NotifyOn.FAILURE,
        "job": JobId("backup"),
        "run": RunId("run-1"),
        "state": RunState.FAILED,
        "at": NOW,
        "decided_at": NOW,
        "text": "backup failed: exit code 3",
        "exit_code": 3,
        "attempt": 1,
        "cause": "it was triggered by hand",
    }
    return OutboxNotice(notifier=notifier, **known | changes)


def send(notifiers: Mapping[str, Notifier], *notices: OutboxNotice) -> dict[str, str | None]:
    """Deliver them all, and return how that ended, by the notifiers' names."""
    reports: list[DeliveryEnded] = []

    async def work() -> None:
        sending = Notifications(notifiers, reports.append)
        for notice in notices:
            sending.deliver([notice])
        await sending.close()

    in_time(work)
    return {key.partition("/")[2]: report.error for report in reports for key in report.keys}


# What arrives


def test_notice_has_the_data_of_its_run():
    assert make_notice(decided(attempt=2, failures=4, left_out=1)) == Notice(
        id="run-1.failure",
        kind=NotifyOn.FAILURE,
        job=JobId("backup"),
        run=RunId("run-1"),
        state=RunState.FAILED,
        at=NOW,
        text="backup failed: exit code 3",
        exit_code=3,
        attempt=2,
        failures=4,
        left_out=1,
        host=socket.gethostname(),
        cause="it was triggered by hand",
    )


def test_notices_that_were_held_are_summed_up():
    good = decided(kind=NotifyOn.RECOVERY, text="backup succeeded again", at=NOW + timedelta(hours=1))
    notices = [make_notice(notice) for notice in (good, decided(left_out=2), decided(id="run-2.failure"))]
    summed = sum_up(notices, "batch-1")
    assert (summed.id, summed.kind, summed.job, summed.left_out) == ("batch-1", NotifyOn.FAILURE, "backup", 2)
    assert summed.text == "3 notices about backup: 1 recovery, 2 failure"
    assert (summed.at, summed.notices) == (NOW + timedelta(hours=1), tuple(notices))
    others = sum_up([notices[0], attrs.evolve(notices[1], job=JobId("sync"))], "batch-2")
    assert (others.job, others.text) == ("", "2 notices about 2 jobs: 1 recovery, 1 failure")


def test_delivery_is_answered_with_its_end():
    assert send({"mail": Noting("mail")}, decided()) == {"mail": None}
    assert delivered == [("mail", make_notice(decided()))]


# What goes wrong


def test_unknown_notifier_is_an_error_and_the_others_deliver():
    ends = send({"mail": Noting("mail")}, decided("chat"), decided("mail"))
    assert [name for name, _ in delivered] == ["mail"]
    assert ends == {"mail": None, "chat": "it isn't configured; add [notifiers.chat]"}


@pytest.mark.requirement("R35")
@pytest.mark.parametrize("error", ["no network", "nothing to say"])
def test_failing_notifier_is_an_error_and_others_deliver(error):
    ends = send({"bad": Failing(error), "good": Noting("good")}, decided("bad"), decided("good"))
    assert [name for name, _ in delivered] == ["good"]
    assert ends == {"good": None, "bad": describe_error(ERRORS[error])}


@pytest.mark.parametrize(("error", "shown"), [("mistake", "KeyError('to')"), ("exit", "SystemExit(3)")])
def test_mistake_of_a_notifier_names_plugin_line_and_hint(error, shown):
    ends = send({"bad": Failing(error), "good": Noting("good")}, decided("bad"), decided("good"))
    assert [name for name, _ in delivered] == ["good"]
    assert ends["bad"] is not None
    assert ends["bad"].startswith(f'notifier "failing" of unknown failed: {shown} ({__file__}:')
    assert ends["bad"].endswith("; for its author: raise ValueError or OSError with one line for the user")


@pytest.mark.requirement("R35")
def test_hanging_notifier_is_given_up_and_others_deliver(monkeypatch):
    monkeypatch.setattr(notifications, "NOTIFY_TIMEOUT_SECONDS", 0.05)
    ends = send({"bad": Hanging(), "good": Noting("good")}, decided("bad"), decided("good"))
    assert [name for name, _ in delivered] == ["good"]
    assert ends.pop("good", "") is None
    bad = ends.pop("bad")
    assert bad.startswith("notifier \"hanging\" of unknown failed: TimeoutError('it has not returned within 0.05 s') (")
    assert bad.endswith("; for its author: limit the time of the delivery, and let it be cancelled")


def test_notifier_that_ignores_its_cancellation_is_an_error(monkeypatch):
    monkeypatch.setattr(notifications, "NOTIFY_TIMEOUT_SECONDS", 0.05)
    go, reports = asyncio.Event(), []

    @frozen
    class Deaf(Notifier):
        type = "deaf"

        async def notify(self, notice):
            while not go.is_set():
                with suppress(asyncio.CancelledError):
                    await go.wait()

    async def work():
        sending = Notifications({"deaf": Deaf()}, reports.append)
        sending.deliver([decided("deaf")])
        await sending.close()
        go.set()

    in_time(work)
    (report,) = reports
    assert report.error.endswith("for its author: limit the time of the delivery, and let it be cancelled")


def test_quarantined_notifier_is_not_called():
    reports: list[DeliveryEnded] = []

    async def work():
        sending = Notifications({"bad": Failing("nothing to say")}, reports.append)
        for number in range(30):
            sending.deliver([decided("bad", id=f"run-{number}")])
            await sending._tasks.wait(5)

    in_time(work)
    assert reports[0].error == describe_error(ERRORS["nothing to say"])
    assert reports[-1].error == "it is quarantined after too many failures"


def test_delivery_of_a_notice_delays_nothing():
    async def work():
        sending = Notifications({"slow": Hanging(), "good": Noting("good")}, lambda _: None)
        sending.deliver([decided("slow")])
        sending.deliver([decided("good")])
        assert delivered == []
        # A few turns of the loop begin all deliveries.
        for _ in range(3):
            await asyncio.sleep(0)

    in_time(work)
    assert [name for name, _ in delivered] == ["good"]


@pytest.mark.requirement("R35")
def test_close_lets_deliveries_finish_and_begins_no_others():
    go, reports = asyncio.Event(), []

    @frozen
    class Waiting(Notifier):
        type = "waiting"

        async def notify(self, notice: Notice) -> None:
            await go.wait()
            delivered.append(("waiting", notice))

    async def work():
        sending = Notifications({"waiting": Waiting()}, reports.append)
        sending.deliver([decided("waiting")])
        closing = asyncio.ensure_future(sending.close())
        await asyncio.sleep(0)
        sending.deliver([decided("waiting", id="late")])
        before = closing.done(), list(delivered)
        go.set()
        await closing
        await sending.close()
        return before

    assert in_time(work) == (False, [])
    assert [notice.id for _, notice in delivered] == ["run-1.failure"]
    assert len(reports) == 1


# Which ends of runs are notified


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
def test_bad_notifiers_hold_up_neither_runs_nor_the_end(tmp_path, monkeypatch, log):
    monkeypatch.setattr(notifications, "NOTIFY_TIMEOUT_SECONDS", 0.05)
    jobs = [Job(name="a", python="time:time", notify=every_end())]

    async def work(scheduler):
        assert {(await run(scheduler, "a")).state for _ in range(3)} == {RunState.SUCCEEDED}

    bad = {"stuck": PluginRef("hanging"), "broken": PluginRef("failing")}
    assert after(jobs, work, tmp_path, mail=noting("mail"), **bad) == [("mail", "success", "a", 1)] * 3
    broken = [line for line in log if 'notifier "broken" failed: OSError: no network here; not delivered yet' in line]
    assert len(broken) == 3


# What a restart finds


def test_notice_that_could_not_be_delivered_is_delivered_by_the_next(tmp_path, monkeypatch):
    jobs = [Job(name="a", command="false", notify=NotifyPolicy(on=("failure",)))]
    after(jobs, lambda scheduler: run(scheduler, "a"), tmp_path, mail=PluginRef("failing"))

    async def wait_for_delivery(_):
        arrived = asyncio.Event()
        note = Noting.notify

        async def note_and_set(noting, notice):
            await note(noting, notice)
            arrived.set()

        monkeypatch.setattr(Noting, "notify", note_and_set)
        async with asyncio.timeout(20):
            await arrived.wait()

    monkeypatch.setattr(deliveries, "FIRST_DELAY", timedelta(milliseconds=50))
    assert after(jobs, wait_for_delivery, tmp_path, mail=noting("mail")) == [("mail", "failure", "a", 1)]
    # And what is delivered is gone.
    assert after(jobs, lambda _: asyncio.sleep(0), tmp_path, mail=noting("mail")) == [("mail", "failure", "a", 1)]


def test_notice_under_way_at_a_stop_is_delivered_once(tmp_path):
    jobs = [Job(name="a", command="false", notify=NotifyPolicy(on=("failure",)))]

    async def work(scheduler):
        await run(scheduler, "a")

    for _ in range(2):
        after(jobs, work, tmp_path, mail=noting("mail"))
    assert [notice.failures for _, notice in delivered] == [1, 2]
