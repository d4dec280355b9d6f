"""A result that is valid here: what this machine can't do is a remark, a job that a check refuses a comment."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import evolve

from rae_auto.model.primitives.formatting import quote
from rae_auto.model.primitives.references import find_references
from rae_auto.toolkit.wake_alarm import find_wake_obstacle
from rae_plugins.commands.importing.imported import Import, ImportedJob, Leftover
from rae_plugins.commands.importing.toml_text import format_job, format_value
from rae_plugins.triggers.system import SystemTrigger

_ERROR_OF_JOB = re.compile(r"\bjobs\.(?P<id>[A-Za-z0-9_-]+)(?:\.(?P<key>\S+))?: (?P<problem>.+)", re.DOTALL)


def fit_to_this_machine(found: Import) -> Import:
    """Return an import without events that nothing reports here, and without waking where nothing can wake."""
    return evolve(found, entries=[_fit_job(one) if isinstance(one, ImportedJob) else one for one in found.entries])


def _fit_job(job: ImportedJob) -> ImportedJob:
    table, remarks = dict(job.table), list(job.remarks)
    if table.get("wake") and (obstacle := find_wake_obstacle()):
        del table["wake"]
        remarks.append(f"wake = true can't be done here: {obstacle}")
    triggers = table.get("triggers") or [one for one in (table.get("trigger"),) if one]
    kept = []
    for trigger in triggers:
        if (problem := _find_problem(trigger)) is None:
            kept.append(trigger)
        else:
            remarks.append(f"{format_value(trigger)} is left out, because {problem}")
    if len(kept) < len(triggers):
        table.pop("triggers", None)
        kept = kept or [{"type": "manual"}]
        table |= {"trigger": kept[0]} if len(kept) == 1 else {"triggers": kept}
        if len(kept) > 1:
            table.pop("trigger", None)
    return evolve(job, table=table, remarks=tuple(remarks))


def _find_problem(trigger: Mapping[str, Any]) -> str | None:
    if trigger["type"] != "system":
        return None
    try:
        SystemTrigger(**{key: value for key, value in trigger.items() if key != "type"})
    except ValueError as error:
        return str(error)
    return None


def leave_out_invalid(found: Import, errors: Sequence[str]) -> Import:
    """Return an import in which the jobs that errors of a check are about are comments; itself if there are none."""
    reasons: dict[str, str] = {}
    for error in errors:
        if (match := _ERROR_OF_JOB.search(error)) is not None:
            key, problem = match["key"], match["problem"]
            is_named = key is None or problem.startswith(key)
            reasons.setdefault(match["id"], problem if is_named else f"{key}: {problem}")
    if not any(job.id in reasons for job in found.jobs):
        return found
    entries = [
        _leave_out(entry, reasons[entry.id]) if isinstance(entry, ImportedJob) and entry.id in reasons else entry
        for entry in found.entries
    ]
    return evolve(found, entries=entries)


def leave_out_references(found: Import) -> Import:
    """Return an import in which jobs are comments where a text that is plain in the source would be a secret here."""
    entries = [
        _leave_out(entry, problem)
        if isinstance(entry, ImportedJob) and (problem := _find_reference(entry.table)) is not None
        else entry
        for entry in found.entries
    ]
    return evolve(found, entries=entries)


def _find_reference(table: Mapping[str, Any]) -> str | None:
    variables = {f"variable {quote(name)}": text for name, text in table.get("env", {}).items()}
    for place, text in {"its input": table.get("stdin", ""), **variables}.items():
        for reference in find_references(str(text)):
            return f"{place} has {reference.text}, which is plain text there, but a secret here; read it in a script"
    return None


def _leave_out(job: ImportedJob, reason: str) -> Leftover:
    place = f"line {job.lines[0]}" if job.lines else job.unit or quote(job.id)
    return Leftover(tuple(format_job(job).splitlines()), f"{place}: {reason}")
