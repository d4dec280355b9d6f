"""Each trigger says in a few words what it waits for."""

from datetime import timedelta
from typing import Any

import pytest
from attrs import frozen

from rae_auto.api import ScheduleTrigger
from rae_auto.engine.plan import JobOrigin
from rae_auto.model.job import Job
from rae_auto.model.plugin_ref import TriggerRef
from rae_auto.model.primitives.names import JobId
from rae_auto.registry import Registry
from rae_auto.registry.factory import PluginFactory

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("type", "options", "text"),
    [
        ("cron", {"expression": "0 18 * * *"}, "cron 0 18 * * *"),
        ("cron", {"expression": "0 18 * * *", "timezone": "Asia/Tokyo"}, "cron 0 18 * * * Asia/Tokyo"),
        ("cron", {"expression": "0 18 * * *", "timezone": "UTC"}, "cron 0 18 * * *"),
        ("once", {"at": "2030-01-31T18:00"}, "once 2030-01-31 18:00"),
        ("once", {"at": "2030-01-31T18:00:05+01:00"}, "once 2030-01-31 17:00:05+00:00"),
        ("interval", {"every": 90}, "every 1m30s"),
        ("manual", {}, "manual"),
        ("file", {"paths": ["/inbox", "/srv"]}, "file /inbox, /srv"),
        ("threshold", {"metric": "disk-free", "of": "/", "below": "5%"}, "threshold disk-free of / below 5%"),
        ("threshold", {"command": ["load"], "above": 9, "every": "1s"}, "threshold load above 9"),
        ("combine", {"any": [{"type": "job", "jobs": ["a"]}, {"type": "manual"}]}, "combine any job, manual"),
        ("system", {"on": ["resume"]}, "system resume"),
        ("system", {"on": ["process-exited"], "process": "x*"}, "system process-exited process x*"),
        ("job", {"jobs": ["a", "b"], "on": "failure"}, "job a, b on failure"),
        ("usage", {"pattern": "count", "of": {"type": "manual"}, "count": 2, "within": "1h"}, "usage count of manual"),
        ("usage", {"pattern": "absence", "of": "tea", "for": HOUR}, "usage absence of tea for 1h"),
        ("file", {"paths": [f"/very/long/{n}" for n in range(20)]}, None),
    ],
)
def test_summary_names_the_type_and_main_options(type: str, options: dict[str, Any], text: str | None) -> None:
    job = Job(id=JobId("j"), command="true", schedule=TriggerRef(type, options, "t"))
    (summary,) = PluginFactory(Registry(), "UTC").plan(job, JobOrigin.CONFIG).plan.summaries
    assert summary == text if text else len(summary) == 80 and summary.endswith("…")


def test_summary_that_raises_is_the_type() -> None:
    @frozen
    class Broken(ScheduleTrigger):
        type = "broken"

        def next_after(self, instant: Any) -> None:
            return None

        def summary(self) -> str:
            raise ZeroDivisionError

    class Source:
        def names(self, kind: Any) -> tuple[str, ...]:
            return ("broken", "process")

        def get(self, kind: Any, name: str) -> type:
            return Broken if name == "broken" else Registry().get(kind, name)

    job = Job(id=JobId("j"), command="true", schedule=TriggerRef("broken", {}, "t"))
    assert PluginFactory(Source(), "UTC").plan(job, JobOrigin.CONFIG).plan.summaries == ("broken",)


def test_once_is_shown_in_the_configured_zone():
    job = Job(id=JobId("j"), command="true", schedule=TriggerRef("once", {"at": "2030-01-31T23:00+00:00"}, "t"))
    plan = PluginFactory(Registry(), "Asia/Kolkata").plan(job, JobOrigin.CONFIG).plan
    assert plan.summaries == ("once 2030-02-01 04:30+05:30",)
