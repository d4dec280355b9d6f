"""Why a job ran, didn't run or waits: one sentence, and the tree of all checks."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from attrs import frozen

from rae_auto.explain.check_node import CheckNode, node_of
from rae_auto.views.explanations import list_further_facts
from rae_auto.views.screens.parts.base import Fact, ScreenBase
from rae_auto.views.screens.parts.record_source import RecordSource


@frozen(kw_only=True)
class WhyPage(ScreenBase):
    """The answer to "why", for a job now, for a time, or for a run."""

    now: datetime
    zone: str
    job: str
    at: str | None
    """The time in question, as it was given."""
    run_id: str | None
    answer: str
    reason: str | None
    checks: tuple[CheckNode, ...]
    """The checks in the order in which the engine makes them."""
    facts: tuple[Fact, ...]
    """All facts behind the answer, as a flat list."""


async def load_why_page(source: RecordSource, job: str, at: str | None = None, run: str | None = None) -> WhyPage:
    """Read the answer to a question. Errors: JobNotFound, RunNotFound, BadRequest."""
    record = await source.why(job, at=at, run=run)
    return build_why_page(record, job=job, at=at, now=source.now(), zone=source.zone.key)


def build_why_page(record: Mapping[str, Any], *, job: str, at: str | None, now: datetime, zone: str) -> WhyPage:
    """Return the page of an answer, the record of `rae-auto why --json`."""
    return WhyPage(
        now=now,
        zone=zone,
        job=job,
        at=at,
        run_id=record["run_id"],
        answer=record["answer"],
        reason=record["reason"],
        checks=tuple(map(node_of, record.get("checks", ()))),
        facts=tuple(Fact(subject, text) for subject, text in list_further_facts(record)),
    )
