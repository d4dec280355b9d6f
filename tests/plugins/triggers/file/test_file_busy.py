"""Changes while the job is busy stay pending: a skipped file would never be looked at again."""

from collections.abc import Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.support import file_watching
from tests.support.control_peer import in_time
from tests.support.file_watching import FileListener, advance, event_of, run_scene, trigger

from rae_auto import Job, Scheduler, TriggerRef
from rae_auto.api import EmitResult
from rae_auto.model.primitives.names import RunId
from rae_auto.model.reasons import MaxOverlap, Overlapping, QueueFull, QueueLimit, Reason, Repeated
from rae_auto.testing.sources import VirtualTimer
from rae_plugins.triggers.file.provenance import Provenance

# Fixtures.
top = file_watching.top

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
OVERLAP = Overlapping(RunId("r"), EPOCH)


@pytest.mark.parametrize("overlap", ["skip", "queue", "allow"])
@pytest.mark.parametrize("batch", ["all", "each"])
def test_file_trigger_gives_every_file_a_run_with_any_overlap(tmp_path: Path, overlap: str, batch: str) -> None:
    inbox, done = tmp_path / "inbox", tmp_path / "done"
    inbox.mkdir()
    done.touch()
    watching = TriggerRef("file", {"paths": [str(inbox)], "quiet": "10ms", "batch": batch, "initial": True})
    job = Job(
        id="import", shell=f'echo "$RAE_EVENT" >> {done}; sleep 0.05', schedule=watching, overlap=overlap, overlap_max=3
    )
    names = [f"{number}.csv" for number in range(12)]

    async def work() -> None:
        async with (
            Scheduler(directory=tmp_path / "state", jobs=[job]) as scheduler,
            aclosing(scheduler.events()) as events,
        ):
            for name in names:
                (inbox / name).write_text("x")
            while not all(f'/{name}"' in done.read_text() for name in names):
                await anext(events)

    in_time(work)


@pytest.mark.parametrize("batch", ["all", "each"])
@pytest.mark.parametrize("reason", [OVERLAP, QueueFull(RunId("r")), QueueLimit(10), MaxOverlap(1), Repeated(EPOCH)])
def test_delivery_offers_to_a_busy_job_again_with_a_new_key(
    top: Path, tmp_path: Path, log: list[str], reason: Reason, batch: str
) -> None:
    timer = VirtualTimer()
    keys: list[str] = []

    def answer(key: str) -> EmitResult:
        keys.append(key)
        return EmitResult(reason=reason) if len(keys) <= 5 else EmitResult()

    async def scene(listener: FileListener) -> None:
        listener.answer = answer
        async with listener.running(trigger(top, batch=batch)):
            (top / "a").write_text("x")
            await advance(timer, lambda: len(keys) == 6)

    listener = run_scene(tmp_path, scene, timer)
    assert len(set(keys)) == 6
    assert event_of(listener.occurrences[-1])["paths"] == [str(top / "a")]
    assert len([line for line in log if "the job is busy" in line]) == 1


def test_delivery_to_a_busy_job_loses_none_of_many_files(top: Path, tmp_path: Path) -> None:
    timer = VirtualTimer()
    names = [f"{number:02}" for number in range(60)]
    asked: list[str] = []
    taken: list[str] = []

    def answer(key: str) -> EmitResult:
        # Every other one finds the job busy; the same key again would be decided already.
        assert key not in asked
        asked.append(key)
        if len(asked) % 2:
            return EmitResult(reason=OVERLAP)
        taken.append(key)
        return EmitResult()

    async def scene(listener: FileListener) -> None:
        listener.answer = answer
        async with listener.running(trigger(top, batch="each")):
            for name in names:
                (top / name).write_text("x")
            await advance(timer, lambda: len(taken) == len(names))

    run_scene(tmp_path, scene, timer)


@pytest.mark.parametrize(
    ("scene", "own"),
    [
        # Whether the last pending path may be the output of a run.
        (["pending a"], True),
        (["pending a b", "accept a"], False),
        (["pending a", "accept a", "pending b"], True),
        (["pending a b", "accept a", "pending b c"], True),
        (["pending a b c", "accept a", "pending b c", "accept b", "pending c"], False),
    ],
)
def test_provenance_excludes_files_pending_before_the_run(scene: Sequence[str], own: bool) -> None:
    provenance = Provenance()
    for line in scene:
        verb, *paths = line.split()
        if verb == "pending":
            provenance.set_pending(paths)
            last = paths[-1]
        else:
            provenance.accept(paths[0])
    assert provenance.may_be_own_output(last) is own


def test_file_loop_through_new_files_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rae_auto.api.store import LogQuery
    from rae_auto.engine.runs import loop_detection

    monkeypatch.setattr(loop_detection, "MAX_CHAIN_LENGTH", 5)
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    watching = TriggerRef("file", {"paths": [str(inbox)], "quiet": "10ms", "batch": "each", "initial": True})
    job = Job(id="loop", shell=f"echo x > {inbox}/$RAE_RUN_ID", schedule=watching)

    async def work() -> int:
        async with Scheduler(directory=tmp_path / "state", jobs=[job]) as scheduler:
            async with aclosing(scheduler.events()) as events:
                (inbox / "start").write_text("x")
                while not await scheduler.runtime.decisions(LogQuery(job="loop", states=("feedback_loop",))):
                    await anext(events)
            return len(await scheduler.history("loop", limit=1000))

    assert 5 <= in_time(work) <= 15
