"""Parts of an import that this machine can't do, so that the result is valid here: each becomes a remark."""

from collections.abc import Mapping
from typing import Any

from attrs import evolve

from rae_auto.toolkit.wake_alarm import find_wake_obstacle
from rae_plugins.commands.importing.imported import Import, ImportedJob
from rae_plugins.commands.importing.toml_text import format_value
from rae_plugins.triggers.system import SystemTrigger


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
