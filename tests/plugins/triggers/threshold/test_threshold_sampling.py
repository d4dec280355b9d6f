"""Thresholds of the real machine, and readings that hang."""

import asyncio
import contextlib
import json
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.waiting import eventually

from rae_auto import Job, RunState, Scheduler, TriggerRef
from rae_auto.model.primitives.instants import Moment
from rae_auto.testing.sources import WAIT_TIMEOUT_SECONDS, Listener, RealTimer
from rae_plugins.triggers.threshold import ThresholdTrigger
from rae_plugins.triggers.threshold.readers import Unavailable
from rae_plugins.triggers.threshold.sampling import make_thread_sampler


def real(source: ThresholdTrigger, directory: Path) -> Any:
    """Run a source that samples the real machine, and return its occurrences."""

    async def main() -> Any:
        listener = Listener(directory, Quick())
        async with listener.watching(source):
            return (await listener.wait_for(1))[0].event

    return asyncio.run(main())


class Quick(RealTimer):
    """Real clocks that run a hundred times faster."""

    def now(self) -> Moment:
        moment = super().now()
        return Moment(moment.wall, moment.mono * 100)

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds / 100)


@pytest.mark.parametrize(
    "options",
    [
        {"metric": "cpu", "above": 0.0},
        {"metric": "memory", "above": 1},
        {"metric": "disk-free", "of": "/", "above": "1KB"},
        {"metric": "network-in", "of": "*", "below": "1000GB"},
        {"metric": "process-count", "of": "*", "above": 1},
        {"metric": "process-cpu", "of": "*", "below": 1e9},
        {"command": ["echo", "12"], "above": 11},
    ],
    ids=str,
)
def test_threshold_fires_on_the_real_machine(tmp_path: Path, options: Any) -> None:
    event = real(ThresholdTrigger(at_start=True, every="1s", **options), tmp_path)
    level = event.get("above", event.get("below"))
    assert event["value"] > level if "above" in event else event["value"] < level


def test_command_reading_a_file_crosses_with_the_file(tmp_path: Path) -> None:
    number = tmp_path / "number"
    number.write_text("1")

    async def main() -> Any:
        listener = Listener(tmp_path / "state", Quick())
        source = ThresholdTrigger(command=["cat", str(number)], above=10, every="1s")
        async with listener.watching(source):
            await asyncio.to_thread(eventually, (tmp_path / "state" / "threshold.json").exists)
            number.write_text("11")
            return (await listener.wait_for(1))[0].event

    event = asyncio.run(main())
    assert (event["metric"], event["value"], event["unit"]) == ("command", 11, "number")


def test_hanging_reading_is_unavailable_and_not_repeated() -> None:
    may_end, read = threading.Event(), []

    def hang() -> float:
        read.append(1)
        assert may_end.wait(WAIT_TIMEOUT_SECONDS)
        return 5.0

    async def main() -> None:
        sample = make_thread_sampler(hang, timedelta(milliseconds=10))
        for _ in range(2):
            with pytest.raises(Unavailable, match="took longer than 10ms"):
                await sample()
        assert len(read) == 1
        may_end.set()
        while True:
            with contextlib.suppress(Unavailable):
                assert await sample() == 5
                return

    asyncio.run(main())


def test_hanging_reading_does_not_delay_shutdown() -> None:
    may_end, threads = threading.Event(), []

    def hang() -> float:
        threads.append(threading.current_thread())
        assert may_end.wait(WAIT_TIMEOUT_SECONDS)
        return 5.0

    async def main() -> None:
        with pytest.raises(Unavailable):
            await make_thread_sampler(hang, timedelta(milliseconds=10))()

    asyncio.run(main())
    assert threads[0].is_alive()
    assert threads[0].daemon
    may_end.set()
    threads[0].join(WAIT_TIMEOUT_SECONDS)
    assert not threads[0].is_alive()


def test_sampler_raises_errors_of_the_reader() -> None:
    def fail() -> float:
        raise PermissionError("not yours")

    with pytest.raises(PermissionError, match="not yours"):
        asyncio.run(make_thread_sampler(fail, timedelta(seconds=WAIT_TIMEOUT_SECONDS))())


# With all of the rest


def test_threshold_starts_its_job_once_despite_a_restart(tmp_path: Path) -> None:
    number = tmp_path / "number"
    number.write_text("11")
    options = {"command": ["cat", str(number)], "above": 10, "every": "1s", "at_start": True}
    job = Job(id="a", python="time:time", schedule=TriggerRef("threshold", options))
    kept = tmp_path / "state" / "triggers" / "a" / "threshold" / "threshold.json"

    def has(phase: str) -> bool:
        found = json.loads(kept.read_text()) if kept.exists() else None
        return found is not None and found["undelivered"] is None and found["state"]["phase"] == phase

    async def ran_when(phase: str) -> list[Any]:
        async with Scheduler(directory=tmp_path / "state", store="json", jobs=[job]) as scheduler:
            await asyncio.to_thread(eventually, lambda: has(phase))
            return [await scheduler.wait(run.id) for run in await scheduler.history()]

    (run,) = asyncio.run(ran_when("fired"))
    assert (run.state, run.event["value"], run.key) == (RunState.SUCCEEDED, 11, run.event["since"])
    number.write_text("5")
    assert len(asyncio.run(ran_when("armed"))) == 1
