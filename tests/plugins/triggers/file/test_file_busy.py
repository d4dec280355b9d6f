"""What comes while the job is busy isn't skipped for good: a file that nobody looks at again would be lost."""

from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path

import pytest
from tests.support import file_watching
from tests.support.control_peer import in_time
from tests.support.file_watching import EmitResult, advance, event_of, play, trigger

from rae_auto import Job, Scheduler, TriggerRef
from rae_auto.api import EmitResult as Verdict
from rae_auto.model.reasons import Reason
from rae_auto.testing.sources import VirtualTimer
from rae_plugins.triggers.file.provenance import Lineage

# Fixtures.
top = file_watching.top


@pytest.mark.parametrize("overlap", ["skip", "queue", "allow"])
@pytest.mark.parametrize("batch", ["all", "each"])
def test_each_file_gets_its_run_whatever_the_overlap(tmp_path: Path, overlap: str, batch: str) -> None:
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
@pytest.mark.parametrize(
    "reason", [Reason.OVERLAP, Reason.QUEUE_FULL, Reason.QUEUE_LIMIT, Reason.CEILING, Reason.REPEATED]
)
def test_a_busy_job_is_asked_again_under_another_key(
    top: Path, tmp_path: Path, log: list[str], reason: Reason, batch: str
) -> None:
    timer = VirtualTimer()
    keys: list[str] = []

    def answer(key: str) -> Verdict:
        keys.append(key)
        return Verdict(reason=reason) if len(keys) <= 5 else Verdict()

    async def scene(told: EmitResult) -> None:
        told.answer = answer
        async with told.at_work(trigger(top, batch=batch)):
            (top / "a").write_text("x")
            await advance(timer, lambda: len(keys) == 6)

    told = play(tmp_path, scene, timer)
    assert len(set(keys)) == 6
    assert event_of(told.occurrences[-1])["paths"] == [str(top / "a")]
    assert len([line for line in log if "the job is busy" in line]) == 1


def test_of_many_files_a_busy_job_takes_one_after_the_other_and_none_is_lost(top: Path, tmp_path: Path) -> None:
    timer = VirtualTimer()
    names = [f"{number:02}" for number in range(60)]
    asked: list[str] = []
    taken: list[str] = []

    def answer(key: str) -> Verdict:
        # Every other one finds the job busy; the same key again would be decided already.
        assert key not in asked
        asked.append(key)
        if len(asked) % 2:
            return Verdict(reason=Reason.OVERLAP)
        taken.append(key)
        return Verdict()

    async def scene(told: EmitResult) -> None:
        told.answer = answer
        async with told.at_work(trigger(top, batch="each")):
            for name in names:
                (top / name).write_text("x")
            await advance(timer, lambda: len(taken) == len(names))

    play(tmp_path, scene, timer)


@pytest.mark.parametrize(
    ("scene", "own"),
    [
        # Whether what is first seen last may be a run's doing.
        (["see a"], True),
        (["see a b", "take a"], False),
        (["see a", "take a", "see b"], True),
        (["see a b", "take a", "see b c"], True),
        (["see a b c", "take a", "see b c", "take b", "see c"], False),
    ],
)
def test_what_was_there_before_the_run_is_not_its_doing(scene: Sequence[str], own: bool) -> None:
    lineage = Lineage()
    for line in scene:
        verb, *paths = line.split()
        if verb == "see":
            lineage.seen(paths)
            last = paths[-1]
        else:
            lineage.taken(paths[0])
    assert lineage.may_be_own(last) is own


def test_a_job_that_writes_a_new_file_for_each_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rae_auto.api.store import LogQuery
    from rae_auto.engine.runs import loop_detection

    monkeypatch.setattr(loop_detection, "LONGEST_CHAIN", 5)
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    watching = TriggerRef("file", {"paths": [str(inbox)], "quiet": "10ms", "batch": "each", "initial": True})
    job = Job(id="loop", shell=f"echo x > {inbox}/$RAE_RUN_ID", schedule=watching)

    async def work() -> int:
        async with Scheduler(directory=tmp_path / "state", jobs=[job]) as scheduler:
            async with aclosing(scheduler.events()) as events:
                (inbox / "start").write_text("x")
                while not await scheduler.decisions(LogQuery(job="loop", states=("rate",))):
                    await anext(events)
            return len(await scheduler.history("loop", limit=1000))

    assert 5 <= in_time(work) <= 15
