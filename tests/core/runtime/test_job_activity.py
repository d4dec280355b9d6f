"""The activity of jobs at rest: done where no schedule has a next instant, and a pause that changes nothing says so."""

import asyncio
from datetime import UTC, datetime, timedelta

from rae_auto import Job, Scheduler
from rae_auto.model.plugin_ref import TriggerRef

PAST = (datetime.now(UTC) - timedelta(days=400)).isoformat()
JOBS = (
    Job(id="past", command="true", schedule=[TriggerRef("once", {"at": PAST})], catch_up="none"),
    Job(id="off", command="true", schedule=[TriggerRef("once", {"at": PAST})], enabled=False),
    Job(id="daily", command="true", schedule="0 4 * * *"),
    Job(id="by-hand", command="true"),
)


def test_jobs_are_done_when_their_schedules_have_ended(tmp_path):
    async def read():
        async with Scheduler(directory=tmp_path, jobs=JOBS, store="json") as scheduler:
            return {info.id: info.status.activity.value for info in await scheduler.list_jobs()}

    assert asyncio.run(read()) == {"past": "done", "off": "disabled", "daily": "idle", "by-hand": "idle"}


def test_pause_and_resume_return_whether_they_changed_anything(tmp_path):
    async def act():
        async with Scheduler(directory=tmp_path, jobs=JOBS, store="json") as scheduler:
            calls = (scheduler.resume, scheduler.pause, scheduler.pause, scheduler.resume)
            return [await call("daily") for call in calls]

    assert asyncio.run(act()) == [False, True, False, True]
