"""Notices as text and as JSON, for notifiers to send."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from rae_auto.api.notifier import Notice
from rae_auto.model.primitives.formatting import format_count, format_elapsed
from rae_auto.model.primitives.names import RunId
from rae_auto.paths import output_path

SAMPLE_RUN = RunId("0" * 26)
"""The id of the run that a sample notice is about, which is not on record."""


def find_output_file(notice: Notice) -> Path | None:
    """Return the file with all that the run printed, which need not exist any more; None if it is about no run."""
    if not (notice.state_directory and notice.run and notice.attempt):
        return None
    return output_path(Path(notice.state_directory), notice.job, notice.run, notice.attempt)


def notice_title(notice: Notice) -> str:
    """Return one line: the host and the text."""
    return f"[{notice.host}] {notice.text}" if notice.host else notice.text


def notice_facts(notice: Notice) -> list[tuple[str, str]]:
    """Return the known facts as pairs of a label and a value, the most important first."""
    facts = [
        ("job", notice.job),
        ("host", notice.host),
        ("finished" if notice.state else "at", _local(notice.at)),
        ("duration", _duration(notice)),
        ("exit code", "" if notice.exit_code is None else str(notice.exit_code)),
        ("attempt", str(notice.attempt) if notice.attempt > 1 else ""),
        ("failures in a row", str(notice.failures) if notice.failures > 1 else ""),
        ("why it ran", notice.cause),
        ("next run", "" if notice.next_at is None else _local(notice.next_at)),
        ("run", notice.run),
        ("look further", _commands(notice)),
        ("left out", format_count(notice.left_out, "earlier notice") if notice.left_out else ""),
    ]
    return [(label, value) for label, value in facts if value]


def notice_body(notice: Notice) -> str:
    """Return the notice as lines of text: what happened, the facts, and the last lines of output."""
    lines = [notice.text, ""]
    if notice.notices:
        lines += [*(f"{_local(one.at)}: {one.text}" for one in notice.notices), ""]
    lines += [f"{label}: {value}" for label, value in notice_facts(notice)]
    if notice.output:
        lines += ["", "last lines of output:", *(f"  {line}" for line in notice.output.splitlines())]
    return "\n".join(lines) + "\n"


def notice_record(notice: Notice) -> dict[str, Any]:
    """Return the notice as a JSON object: instants in ISO 8601 with offset, durations in seconds."""
    return {
        "id": notice.id,
        "kind": notice.kind.value,
        "job": notice.job,
        "run_id": notice.run,
        "state": notice.state and notice.state.value,
        "at": notice.at.isoformat(),
        "text": notice.text,
        "host": notice.host,
        "cause": notice.cause,
        "exit_code": notice.exit_code,
        "attempt": notice.attempt,
        "failures": notice.failures,
        "duration": _seconds(notice.duration),
        "usual_duration": _seconds(notice.usual_duration),
        "next_at": None if notice.next_at is None else notice.next_at.isoformat(),
        "output": notice.output,
        "left_out": notice.left_out,
        "notices": [notice_record(one) for one in notice.notices],
    }


def _commands(notice: Notice) -> str:
    if notice.run == SAMPLE_RUN:
        return ""
    if notice.run:
        return f"rae-auto output {notice.run}; rae-auto why {notice.job} --run {notice.run}"
    return f"rae-auto why {notice.job}" if notice.job else "rae-auto status"


def _duration(notice: Notice) -> str:
    if notice.duration is None:
        return ""
    usual = "" if notice.usual_duration is None else f" (usually {format_elapsed(notice.usual_duration)})"
    return f"{format_elapsed(notice.duration)}{usual}"


def _local(instant: datetime) -> str:
    return instant.strftime("%a %Y-%m-%d %H:%M:%S %Z").rstrip()


def _seconds(duration: timedelta | None) -> float | None:
    return None if duration is None else duration.total_seconds()
