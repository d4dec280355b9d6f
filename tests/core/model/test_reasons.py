"""Reasons: a closed union whose values have a code, a sentence and a document."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import attrs
import pytest
from hypothesis import given

from rae_auto.model import documents
from rae_auto.model.decision import Decision, Outcome
from rae_auto.model.policies import CatchUp
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.reasons import (
    REASONS,
    AttemptError,
    Due,
    FeedbackLoop,
    MaxOverlap,
    MaxParallel,
    Missed,
    MissedCause,
    NeedFailed,
    Overlapping,
    QueueLimit,
    Reason,
    ReasonBase,
    ResourceBusy,
)
from rae_auto.model.reasons.base import TimedReason
from rae_auto.model.reasons.capacity import HandedOver
from rae_auto.testing.harness.strategies import reasons

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def test_reasons_have_codes_of_their_own() -> None:
    assert len(REASONS) == len(get_args(Reason))


def test_union_is_closed() -> None:
    assert all_subclasses(ReasonBase) - {TimedReason, HandedOver} == set(REASONS.values())


def all_subclasses(cls: type) -> set[type]:
    return {*cls.__subclasses__(), *(below for one in cls.__subclasses__() for below in all_subclasses(one))}


@given(reasons(Reason))
def test_reason_text_is_one_clause(reason: Any) -> None:
    if not isinstance(reason, AttemptError):
        assert reason.text
        assert not reason.text.endswith(".")
        assert " since it" not in reason.text


def decision(reason: Any) -> Decision:
    return Decision(JobId("a"), "t", "k", NOON, Outcome.SKIP, reason, NOON)


@given(reasons(Reason))
def test_stored_reason_round_trips(reason: Any) -> None:
    document = json.loads(json.dumps(documents.dump(decision(reason))))
    assert documents.reason_code(document["reason"]) == reason.code
    assert documents.load(Decision, document).reason == reason


def test_reason_without_facts_is_stored_as_its_code() -> None:
    assert documents.dump(decision(Due()))["reason"] == "due"
    assert documents.dump(decision(NeedFailed(JobId("b"))))["reason"] == {"code": "need_failed", "job": "b"}


def test_unknown_reason_is_refused() -> None:
    document = {**documents.dump(decision(Due())), "reason": "asked"}
    with pytest.raises(Exception, match=r"."):
        documents.load(Decision, document)


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        (
            Overlapping(RunId("R"), NOON),
            "run R of the same job has been open since 2026-03-02T12:00:00+00:00 (overlap)",
        ),
        (QueueLimit(1), "1 run is waiting already, counting all jobs (max_queue)"),
        (QueueLimit(2), "2 runs are waiting already, counting all jobs (max_queue)"),
        (MaxOverlap(1), "1 run of the same job is open already (overlap_max)"),
        (MaxParallel(1), "the only slot is in use (max_parallel)"),
        (MaxParallel(8), "all 8 slots are in use (max_parallel)"),
        (ResourceBusy("db", 1, 1), '1 of 1 unit of resource "db" is in use'),
        (ResourceBusy("db", 2, 3), '2 of 3 units of resource "db" are in use'),
        (
            Missed(MissedCause.SLEPT, NOON, NOON, 1, False, CatchUp.NONE),
            "it was missed: the machine slept (due at 2026-03-02T12:00:00+00:00; catch_up = none)",
        ),
        (
            Missed(MissedCause.SLEPT, NOON, NOON + timedelta(hours=2), 12, False, CatchUp.LATEST),
            "it was missed: the machine slept (due 12 times from 2026-03-02T12:00:00+00:00 "
            "until 2026-03-02T14:00:00+00:00; catch_up = latest)",
        ),
        (
            Missed(MissedCause.DOWN, NOON, NOON + timedelta(hours=20), 99, True, CatchUp.LATEST),
            "it was missed: the daemon was down (due more than 99 times after 2026-03-02T12:00:00+00:00, "
            "until 2026-03-03T08:00:00+00:00; catch_up = latest)",
        ),
        (
            FeedbackLoop(20, timedelta(minutes=1)),
            "its trigger fired 20 times within 1m, each time during a run of the job or right after it; "
            "check whether the job changes what its trigger watches",
        ),
    ],
)
def test_reason_text_reads_as_english(reason: Any, text: str) -> None:
    assert reason.text == text


@pytest.mark.parametrize("reason", REASONS.values(), ids=lambda reason: reason.code)
def test_reason_is_frozen_and_documented(reason: type[ReasonBase]) -> None:
    assert attrs.has(reason)
    assert reason.meaning
    assert reason.__doc__
