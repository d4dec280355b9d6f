"""A job that changes the files that it watches, in a real scheduler."""

from contextlib import aclosing

import pytest
from tests.support.control_peer import in_time

from rae_auto import Job, Scheduler, TriggerRef
from rae_auto.api.store import LogQuery
from rae_auto.engine.runs import loop_detection
from rae_auto.model.reasons import FeedbackLoop


@pytest.mark.requirement("R36")
def test_file_loop_is_stopped_and_loses_no_change(tmp_path):
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    watching = TriggerRef("file", {"paths": [str(inbox)], "quiet": "10ms", "initial": True})
    job = Job(id="loop", shell=f"echo again >> {inbox}/log", schedule=watching, overlap="queue")

    async def run_scene():
        async with Scheduler(directory=tmp_path / "state", jobs=[job]) as scheduler:
            async with aclosing(scheduler.events()) as events:
                (inbox / "log").write_text("begin\n")
                while not (
                    refused := await scheduler.runtime.decisions(LogQuery(job="loop", states=("feedback_loop",)))
                ):
                    await anext(events)
            return refused[0], await scheduler.history("loop", limit=1000)

    refused, runs = in_time(run_scene)
    assert isinstance(refused.reason, FeedbackLoop)
    assert loop_detection.MAX_REPEATS <= len(runs) <= 3 * loop_detection.MAX_REPEATS
    # What was refused is kept by the trigger, and will be offered again.
    assert "loop" in {run.job for run in runs}
