"""Hypothesis strategies for the model: values as they may occur, well-formed, odd in every other way."""

import string
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import attrs
from hypothesis import strategies as st

from rae_auto.model.decision import Decision, Occurrence, Outcome, run_id_of
from rae_auto.model.expectations import Expectation, ExpectPolicy
from rae_auto.model.guard import GuardResult, Verdict
from rae_auto.model.job import Job
from rae_auto.model.job_state import Cursor, FormerInvocation, JobState, RunTotal, SeenOccurrence, SkippedStart
from rae_auto.model.notices.downtime import Downtime, DowntimeCause
from rae_auto.model.notices.outbox import Hold, NoticeCounts, OutboxNotice
from rae_auto.model.plugin_ref import PluginRef, TriggerRef
from rae_auto.model.policies import (
    Backoff,
    CatchUp,
    FailOn,
    Limits,
    NoticeLimit,
    NotifyOn,
    NotifyPolicy,
    OnCrash,
    Overlap,
    Priority,
    RetryOn,
    RetryPolicy,
)
from rae_auto.model.primitives.instants import Moment
from rae_auto.model.primitives.names import NO_RUN, JobId, RunId
from rae_auto.model.primitives.units import Size
from rae_auto.model.reasons import Block, Cause, End, FeedbackLoop, GuardBlocked, MissedCause, Skip
from rae_auto.model.reasons.requesters import UNKNOWN_RUN, Requester, RequestWay
from rae_auto.model.run import (
    Attempt,
    AttemptTerms,
    GuardWait,
    Result,
    Run,
    RunState,
    StartConditions,
    Stopping,
    TreeEnd,
)
from rae_auto.model.run_inputs import INVOCATION_PARTS

_NAME_LETTERS = string.ascii_letters + string.digits + "-_"
_JSON_INTEGERS = st.integers(-(1 << 63), (1 << 63) - 1)

names = st.text(_NAME_LETTERS, min_size=1, max_size=64)
job_ids = names.map(JobId)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
lines = st.text(st.characters(exclude_categories=["C", "Zl", "Zp", "Zs"]), max_size=40)
instants = st.datetimes(
    datetime(1990, 1, 1),  # noqa: DTZ001 - Hypothesis adds the zone
    datetime(2099, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
durations = st.timedeltas(timedelta(0), timedelta(days=3650))
sizes = st.integers(0, 1 << 50).map(Size)

json_values: st.SearchStrategy[Any] = st.recursive(
    st.booleans() | _JSON_INTEGERS | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
json_objects: st.SearchStrategy[Mapping[str, Any]] = st.dictionaries(texts, json_values, max_size=3)

_options = st.dictionaries(names.filter(lambda name: name not in ("type", "id")), json_values, max_size=3)
plugin_refs = st.builds(PluginRef, type=names, options=_options)
trigger_refs = st.builds(TriggerRef, type=names, options=_options, id=names)

retry_policies = st.builds(
    RetryPolicy,
    attempts=st.integers(1, 1000),
    delay=durations,
    backoff=st.sampled_from(Backoff),
    max_delay=durations,
    jitter=st.floats(0, 1),
    on=st.lists(st.sampled_from(RetryOn), unique=True),
    exit_codes=st.none() | st.lists(st.integers(50, 255), max_size=3),
)
limits = st.builds(
    Limits,
    memory=st.none() | sizes,
    cpu_time=st.none() | durations,
    processes=st.none() | st.integers(1, 1000),
    open_files=st.none() | st.integers(3, 1000),
    file_size=st.none() | sizes,
    output=sizes,
    nice=st.none() | st.integers(-20, 19),
    ionice=st.none() | st.integers(0, 7) | st.just("idle"),
    best_effort=st.booleans(),
)
# None of those that are retried.
success_codes = st.lists(st.integers(0, 49), min_size=1, max_size=3).map(tuple)
fail_on = st.lists(st.sampled_from(FailOn), unique=True).map(tuple)
notify_policies = st.builds(
    NotifyPolicy,
    on=st.lists(st.sampled_from(NotifyOn), unique=True),
    via=st.lists(names, max_size=2),
    after=st.integers(1, 9),
    every=st.integers(1, 9),
    skips=st.integers(1, 9),
    quiet_hours=st.lists(st.sampled_from(["22:00-07:00", "Sat,Sun 00:00-24:00"]), max_size=2),
    digest=st.none() | durations.filter(bool),
    limit=st.builds(NoticeLimit, notices=st.integers(1, 99), per=durations.filter(bool)),
)
notice_counts = st.builds(
    NoticeCounts,
    failures=st.integers(0, 99),
    skips=st.integers(0, 99),
    sent=st.integers(0, 99),
    sent_since=st.none() | instants,
    gathers_until=st.none() | instants,
)
expect_policies = st.builds(
    ExpectPolicy,
    every=st.none() | durations.filter(bool),
    grace=st.none() | durations,
    max_runtime=st.none() | durations.filter(bool),
)


@st.composite
def jobs(draw: st.DrawFn, ids: st.SearchStrategy[JobId] = job_ids) -> Job:
    """Draw a job of any kind, with any policies."""
    id = draw(ids)
    words = st.lists(texts, min_size=1, max_size=3).filter(lambda given: bool(given[0].strip()))
    work: dict[str, Any] = draw(
        st.fixed_dictionaries(
            {
                "command": words,
                "args": st.lists(texts, max_size=2),
            }
        )
        | st.fixed_dictionaries({"shell": texts.filter(bool)})
        | st.fixed_dictionaries(
            {
                "python": st.just("package.module:function"),
                "args": st.lists(json_values, max_size=2),
                "kwargs": json_objects,
            }
        )
    )
    return Job(
        id=id,
        name=draw(lines),
        schedule=draw(st.lists(trigger_refs, max_size=3, unique_by=lambda ref: ref.id)),
        cwd=draw(st.none() | texts.map("/".__add__)),
        env=draw(st.dictionaries(names, texts, max_size=2)),
        stdin=draw(st.none() | texts),
        secret_files=draw(st.dictionaries(st.from_regex("FILE_[A-Z]{1,9}", fullmatch=True), texts, max_size=2)),
        executor=draw(st.none() | plugin_refs),
        priority=draw(st.sampled_from(Priority)),
        enabled=draw(st.booleans()),
        success_codes=draw(success_codes),
        fail_on=draw(fail_on),
        timeout=draw(st.none() | st.timedeltas(timedelta(microseconds=1), timedelta(days=3650))),
        kill_after=draw(durations),
        overlap=draw(st.sampled_from(Overlap)),
        overlap_max=draw(st.integers(1, 100)),
        catch_up=draw(st.sampled_from(CatchUp)),
        catch_up_window=draw(durations),
        on_crash=draw(st.none() | st.sampled_from(OnCrash)),
        retry_policy=draw(retry_policies),
        limits=draw(limits),
        needs=draw(st.lists(names.filter(lambda name: name != id), max_size=2)),
        notify=draw(notify_policies),
        expect=draw(expect_policies),
        **work,
    )


occurrences = st.builds(Occurrence, job=job_ids, trigger=names, key=texts, at=instants, event=st.none() | json_objects)
run_ids: st.SearchStrategy[RunId] = st.builds(run_id_of, occurrences, st.builds(Moment, instants, st.floats(0, 1e9)))
results = st.builds(
    Result,
    exit_code=st.none() | st.integers(0, 255),
    signal=st.none() | st.integers(1, 64),
    error=st.none() | texts,
    value=json_values,
    cpu_time=st.none() | durations,
    max_memory=st.none() | sizes,
    remark=st.none() | texts,
    stderr=st.none() | texts,
    tree=st.none()
    | st.builds(
        TreeEnd,
        exited=st.none() | durations,
        requested=st.none() | durations,
        killed=st.none() | durations,
        is_gone=st.booleans(),
    ),
)
attempts = st.builds(
    Attempt,
    number=st.integers(1, 1000),
    started_at=instants,
    finished_at=instants,
    state=st.sampled_from(RunState),
    result=st.none() | results,
)
requesters = st.builds(
    Requester,
    at=instants,
    via=st.sampled_from(RequestWay),
    user=texts,
    client=texts,
    run=st.none() | st.just(UNKNOWN_RUN) | run_ids,
    job=st.none() | job_ids,
)
_facts: dict[Any, st.SearchStrategy[Any]] = {
    str: texts,
    int: st.integers(0, 1000),
    tuple[int, ...]: success_codes,
    bool: st.booleans(),
    datetime: instants,
    datetime | None: st.none() | instants,
    timedelta: durations,
    timedelta | None: st.none() | durations,
    RunId: run_ids,
    JobId: job_ids,
    Verdict: st.sampled_from(Verdict),
    CatchUp: st.sampled_from(CatchUp),
    MissedCause: st.sampled_from(MissedCause),
    Requester | None: st.none() | requesters,
}


def reasons(union: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for the reasons of a union."""
    classes = get_args(union) or (union,)
    return st.one_of(
        *(st.builds(cls, **{field.name: _facts[field.type] for field in attrs.fields(cls)}) for cls in classes)
    )


moments = st.builds(Moment, instants, st.floats(0, 1e9), st.floats(0, 1e9), names)
guard_results = st.builds(GuardResult, verdict=st.sampled_from(Verdict), reason=texts)
runs = st.builds(
    Run,
    id=run_ids,
    job=job_ids,
    trigger=names,
    key=texts,
    scheduled_for=instants,
    queued_at=instants,
    cause=reasons(Cause),
    event=st.none() | json_objects,
    state=st.sampled_from(RunState),
    not_before=st.none() | instants,
    started_at=st.none() | instants,
    attempt_started_at=st.none() | instants,
    finished_at=st.none() | instants,
    attempt=st.integers(0, 1000),
    exit_code=st.none() | st.integers(0, 255),
    reason=st.none() | reasons(End),
    handle=st.none() | json_objects,
    attempts=st.lists(attempts, max_size=3).map(tuple),
    stopping=st.none() | st.builds(Stopping, state=st.sampled_from(RunState), reason=st.none() | reasons(End)),
    conditions=st.builds(
        StartConditions,
        overlap=st.sampled_from(Overlap),
        other_runs=st.integers(0, 9),
        needs=st.lists(job_ids, max_size=2).map(tuple),
        resources=st.dictionaries(names, st.integers(1, 9), max_size=2),
        guards=st.dictionaries(names, guard_results, max_size=2),
    ),
    guard_wait=st.none() | st.builds(GuardWait, since=moments, by=reasons(GuardBlocked)),
    waited_for=st.lists(reasons(Block), max_size=3).map(tuple),
    clocks=st.none() | moments,
    terms=st.builds(
        AttemptTerms, executor=st.builds(PluginRef, names, json_objects), success_codes=success_codes, fail_on=fail_on
    ),
)
job_states = st.builds(
    JobState,
    job=job_ids,
    paused=st.booleans(),
    paused_until=st.none() | instants,
    pause_note=texts,
    paused_at=st.none() | instants,
    former_invocations=st.lists(
        st.builds(
            FormerInvocation,
            until=instants,
            changed=st.lists(st.sampled_from(INVOCATION_PARTS), unique=True).map(tuple),
        ),
        max_size=2,
    ).map(tuple),
    skips=st.lists(st.builds(SkippedStart, at=instants, requested_at=instants), max_size=2).map(tuple),
    cursors=st.dictionaries(names, st.builds(Cursor, at=instants, schedule=names, since=instants), max_size=2),
    last_state=st.none() | st.sampled_from(RunState),
    last_run=st.none() | run_ids,
    last_finished_at=st.none() | instants,
    failures=st.integers(0, 1000),
    notice_counts=notice_counts,
    expectation=st.none()
    | st.builds(Expectation, since=moments, extended_by=durations, overdue_at=st.none() | instants),
    totals=st.dictionaries(
        st.sampled_from([state.value for state in RunState if state.final]),
        st.builds(
            RunTotal,
            count=st.integers(0, 1000),
            seconds=st.floats(0, 1e9),
            attempts=st.integers(0, 1000),
            last_at=st.none() | instants,
        ),
        max_size=2,
    ),
)
downtimes = st.builds(
    Downtime,
    since=instants,
    until=instants,
    cause=st.sampled_from(DowntimeCause),
    late=st.dictionaries(job_ids, st.integers(1, 99), max_size=3),
    skipped=st.dictionaries(job_ids, st.integers(1, 99), max_size=3),
    other_late=st.integers(0, 9),
    other_skipped=st.integers(0, 9),
    has_more=st.booleans(),
    is_reported=st.booleans(),
)
outbox_notices = st.builds(
    OutboxNotice,
    id=names,
    notifier=names,
    kind=st.sampled_from(NotifyOn),
    job=job_ids,
    at=instants,
    text=texts,
    decided_at=instants,
    run=st.just(NO_RUN) | run_ids,
    state=st.none() | st.sampled_from(RunState),
    cause=texts,
    exit_code=st.none() | st.integers(0, 255),
    attempt=st.integers(0, 9),
    failures=st.integers(0, 99),
    duration=st.none() | durations,
    left_out=st.integers(0, 99),
    hold=st.none() | st.sampled_from(Hold),
    held_until=st.none() | instants,
    batch=names,
    tries=st.integers(0, 33),
    error=texts,
    next_try_at=st.none() | instants,
    given_up_at=st.none() | instants,
)
seen = st.builds(
    SeenOccurrence,
    job=job_ids,
    trigger=names,
    key=texts,
    at=instants,
    run=st.none() | run_ids,
    repeats=st.integers(0, 9),
    repeated_at=st.none() | instants,
    refused=st.none() | reasons(FeedbackLoop),
)
decisions = st.builds(
    Decision,
    job=job_ids,
    trigger=names,
    key=texts,
    at=instants,
    outcome=st.sampled_from(Outcome),
    reason=reasons(Cause | Skip),
    decided_at=instants,
    run=st.none() | run_ids,
)
