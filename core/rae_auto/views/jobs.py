"""Jobs, as `rae-auto list` and `rae-auto show` show them."""

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta, tzinfo
from typing import Any

from rae_auto.model.primitives.escaping import escape_json
from rae_auto.model.primitives.formatting import quote
from rae_auto.views.runs import state_of_record
from rae_auto.views.tables import instant

JOB_HEADERS = ("job", "now", "last", "next", "schedule", "origin")
OPTIONAL_JOB_HEADERS = ("last", "origin")

DONE_SHOWN_FOR = timedelta(days=1)
"""The time for which a job that is done stays in the list after its last run; `--all` shows it for good."""


def has_text(text: str, job: str, name: str) -> bool:
    """Return whether the id of a job contains a text, or its name for people, in which case doesn't matter."""
    return text in job or text.casefold() in name.casefold()


def split_done(
    jobs: Iterable[Mapping[str, Any]], now: datetime
) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
    """Return the jobs to list, and those that were done too long ago to be listed."""
    shown: list[Mapping[str, Any]] = []
    done: list[Mapping[str, Any]] = []
    for job in jobs:
        (done if _is_long_done(job, now) else shown).append(job)
    return shown, done


def _is_long_done(job: Mapping[str, Any], now: datetime) -> bool:
    finished_at = job["last_finished_at"]
    if job["activity"] != "done" or finished_at is None:
        return False
    return now - datetime.fromisoformat(finished_at) > DONE_SHOWN_FOR


def job_rows(jobs: Iterable[Mapping[str, Any]], zone: tzinfo | None) -> list[tuple[Any, ...]]:
    """Return a row for each job, with times in `zone`."""
    return [
        (
            job["id"],
            _activity(job, zone),
            job["last_state"],
            _next_start(job, zone),
            ", ".join(job["schedule"]),
            "added" if job["origin"] == "store" else "",
        )
        for job in jobs
    ]


def job_problem_lines(jobs: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a line for each problem of jobs."""
    for job in jobs:
        for problem in job["problems"]:
            yield f"job {quote(job['id'])}: {problem}"


def _activity(job: Mapping[str, Any], zone: tzinfo | None) -> str:
    activity = str(job["activity"]).replace("_", " ")
    until = job["paused_until"]
    if activity == "paused" and until:
        activity = f"paused until {instant(until, zone)}"
    return ", ".join(
        [
            activity,
            *(["overdue"] if job["overdue_at"] else []),
            *(["too long"] if job["overrunning"] else []),
            *(["problem"] if job["problems"] else []),
        ]
    )


def _next_start(job: Mapping[str, Any], zone: tzinfo | None) -> str:
    skips = ", ".join(instant(skip["at"], zone) for skip in job["skips"])
    next_at = instant(job["next_at"], zone)
    blocked = " (will be skipped)" if job.get("next_blocked") else ""
    return f"{next_at}{blocked}, not {skips}" if skips else f"{next_at}{blocked}"


def job_details(details: Mapping[str, Any], zone: tzinfo | None) -> list[tuple[str, str]]:
    """Return the definition of a job with the keys of a configuration, its state, its last run and its open runs."""
    info, last = details["info"], details["last"]
    return [
        *_definition_rows(details["definition"]),
        *_origin_rows(info["added_by"], zone),
        ("now", _activity(info, zone)),
        *([("note", info["pause_note"])] if info["pause_note"] else []),
        *(("problem", problem) for problem in info["problems"]),
        ("next", instant(info["next_at"], zone)),
        *([("will be skipped", info["next_blocked"])] if info.get("next_blocked") else []),
        *([("expected by", instant(info["expected_by"], zone))] if info["expected_by"] else []),
        *(("skipped", instant(skip["at"], zone)) for skip in info["skips"]),
        ("last", f"{info['last_state']} {instant(info['last_finished_at'], zone)}" if info["last_state"] else "-"),
        *([("returned", escape_json(last["value"]))] if last and last["value"] is not None else []),
        *(("open run", f"{run['run_id']} {state_of_record(run)}{_describe_given(run)}") for run in details["open"]),
    ]


def _origin_rows(added_by: Mapping[str, Any] | None, zone: tzinfo | None) -> list[tuple[str, str]]:
    return [] if added_by is None else [("added by", f"{added_by['text']}, at {instant(added_by['at'], zone)}")]


def _definition_rows(definition: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield a row for each key; triggers and guards have a row each."""
    from rae_auto.config.job_text import job_table  # lazy: start-up

    yield "job", definition["id"]
    for key, value in job_table(definition).items():
        if key in ("triggers", "guards"):
            yield from ((key, _to_toml(one)) for one in value)
        else:
            yield key, value if isinstance(value, str) else _to_toml(value)
    if "directory" in definition:
        yield "directory", definition["directory"]


def _to_toml(value: object) -> str:
    """Return a JSON value in the notation of a configuration, in one line."""
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{_toml_key(key)} = {_to_toml(inner)}" for key, inner in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(_to_toml, value))}]"
    return json.dumps(value, ensure_ascii=False)


def _toml_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key, ensure_ascii=False)


def _describe_given(run: Mapping[str, Any]) -> str:
    """Return the inputs that a run got by hand, as text after its state; of variables only the names."""
    given = run["given"]
    if given is None:
        return ""
    parts = [
        f"variables {', '.join(given['env'])}" if given["env"] else "",
        f"arguments {shlex.join(given['args'])}" if given["args"] else "",
        f"event {json.dumps(given['event'], ensure_ascii=False)}" if given["event"] else "",
    ]
    return f", with {'; '.join(filter(None, parts))}"
