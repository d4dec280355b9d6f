"""Guards and executors say in a few words what they look at and run with, in lists and in `why`."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.support.why import answer_at, world

from rae_auto.engine.plan import JobOrigin, Plan
from rae_auto.model.job import Job
from rae_auto.model.plugin_ref import GuardRef, PluginRef
from rae_auto.offline.job_queries import list_jobs
from rae_auto.offline.project import Project
from rae_auto.reading.store_records import StoreRecords
from rae_auto.registry import Registry
from rae_auto.registry.factory import PluginFactory

JOB = Job(
    id="a",
    command="work",
    guards=[GuardRef("load", {"below": 2}, "calm"), GuardRef("power"), GuardRef("weekday", {"days": ["mon"]})],
    executor=PluginRef("process", {"orphans": "allow"}),
)


@pytest.fixture(scope="module")
def plan() -> Plan:
    return PluginFactory(Registry(), "UTC").plan(JOB, JobOrigin.CONFIG).plan


def test_guards_and_executor_have_summaries(plan: Plan) -> None:
    assert plan.guard_summaries == {"calm": "load below 2", "power": "power", "weekday": "weekday days mon"}
    assert plan.executor_summary == "process orphans allow"


def test_why_says_what_a_guard_looks_at(plan: Plan) -> None:
    w = world(plan)
    checks = answer_at(w, w.now.wall).checks
    found = {node.name: [fact.text for fact in node.facts] for check in checks for node in _walk(check)}
    assert (found["calm"], found["power"]) == (["load below 2"], [])


def _walk(node: Any) -> Any:
    yield node
    for child in node.children:
        yield from _walk(child)


def test_list_as_json_has_the_summaries(tmp_path: Path) -> None:
    path = tmp_path / "rae.toml"
    path.write_text(
        '[jobs.a]\ncommand = ["true"]\nguards = [{ type = "load", below = 2 }]\n'
        'executor = { type = "process", orphans = "allow" }\n[jobs.b]\ncommand = ["true"]\n'
    )
    path.chmod(0o600)
    one, other = list_jobs(Project.load(path))
    assert (one["guards"], one["executor"]) == (["load below 2"], "process orphans allow")
    assert (other["guards"], other["executor"]) == ([], "process")


def test_status_has_the_summaries_of_notifiers_without_their_secrets(tmp_path: Path) -> None:
    path = tmp_path / "rae.toml"
    path.write_text(
        '[notifiers.ops]\ntype = "email"\nto = "ops@example.org"\nhost = "mail"\nuser = "me"\n'
        'password = "${env:MAIL}"\n[notifiers.chat]\ntype = "webhook"\nurl = "https://example.org/token"\n'
    )
    path.chmod(0o600)
    records = StoreRecords(Project.load(path))
    status = asyncio.run(records.status())
    assert status["notifiers"] == {"ops": "email to ops@example.org host mail user me", "chat": "webhook"}
