"""Answers of the JSON API that are no screens, as classes, so that its description has their fields, too."""

from collections.abc import Mapping
from datetime import datetime

from attrs import frozen

from rae_auto.screens import WhatIf


@frozen
class SkippedStartRecord:
    """A start that is skipped by hand."""

    at: datetime
    requested_at: datetime


@frozen
class RequesterRecord:
    """The origin of a job that was added."""

    at: datetime
    via: str
    user: str | None
    client: str | None
    run_id: str | None
    job: str | None
    text: str


@frozen
class JobRecord:
    """A job in the list."""

    id: str
    name: str
    origin: str
    enabled: bool
    paused: bool
    paused_until: datetime | None
    pause_note: str
    paused_at: datetime | None
    skips: tuple[SkippedStartRecord, ...]
    expected_by: datetime | None
    overdue_at: datetime | None
    overrunning: tuple[str, ...]
    activity: str
    schedule: tuple[str, ...]
    guards: tuple[str, ...]
    executor: str
    next_at: datetime | None
    next_blocked: str | None
    delayed_until: datetime | None
    counts_from: Mapping[str, datetime]
    last_state: str | None
    last_run: str | None
    last_finished_at: datetime | None
    failures: int
    open: tuple[str, ...]
    added_by: RequesterRecord | None
    priority: str
    problems: tuple[str, ...]


@frozen
class JobsAnswer:
    """A part of the jobs."""

    jobs: tuple[JobRecord, ...]
    matched: int
    """Number of jobs that the text matches."""
    total: int


@frozen(kw_only=True)
class EditedAnswer(WhatIf):
    """The changes that an edit would make, and the text that was checked."""

    text: str


@frozen
class CodeRecord:
    """The meaning of a code, and what to do."""

    code: str
    set: str
    cause: str
    hint: str
    page: str


@frozen
class CodesAnswer:
    """The meanings of a code, one for each set that has it."""

    codes: tuple[CodeRecord, ...]


@frozen
class DoneAnswer:
    """The change that was made, in one sentence."""

    done: str


@frozen
class DescriptionAnswer:
    """The description of the API."""

    openapi: str
    info: Mapping[str, str]
    paths: Mapping[str, object]
    components: Mapping[str, object]
    security: tuple[Mapping[str, tuple[str, ...]], ...]
