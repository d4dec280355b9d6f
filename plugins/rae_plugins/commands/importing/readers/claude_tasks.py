"""Scheduled tasks of Claude Code (2.1.72 and later) as jobs: `.claude/scheduled_tasks.json` of a project.

The file is `{"tasks": [{id, cron, prompt, createdAt, recurring?, permanent?}]}`: five fields in local time, and
milliseconds since the epoch. A task that doesn't recur is due at the next such time after it was made.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rae_auto.model.primitives.zones import zone
from rae_plugins.commands.importing.imported import FireTimes, Import, ImportedJob, JobNames, Leftover
from rae_plugins.commands.importing.readers.json_text import read_json_items
from rae_plugins.commands.importing.readers.taking import Taking, shorten
from rae_plugins.commands.importing.source_files import list_files
from rae_plugins.triggers.cron import CronTrigger

_KIND = "the scheduled tasks of Claude Code"


def read_claude_tasks(names: Sequence[str], now: datetime | None = None) -> Import:
    """Return the tasks of files, by default those of the project in this folder. Errors: BadRequest, OSError."""
    chosen = names or (".claude/scheduled_tasks.json",)
    entries: list[ImportedJob | Leftover] = []
    taken = JobNames()
    for path in list_files(chosen, (".json",), _KIND):
        entries += [
            _read_task(task, path, taken, now or datetime.now(UTC)) for task in read_json_items(path, "tasks", _KIND)
        ]
    remarks = (
        "claude -p answers without asking, so it may use only what its settings allow; set that before you trust it",
        "Claude Code starts tasks only while a session is open and idle, and some minutes late on purpose",
    )
    return Import(", ".join(chosen), entries, remarks)


def _read_task(given: Any, path: Path, taken: JobNames, now: datetime) -> ImportedJob | Leftover:
    if not isinstance(given, dict) or not given.get("prompt"):
        return Leftover((shorten(given),), "a task has no prompt")
    remarks: list[str] = []
    task = Taking(given, remarks)
    prompt, expression = str(task.take("prompt")), str(task.take("cron", ""))
    made = task.take_number("createdAt")
    text = f"{expression} {shorten(prompt)}"
    try:
        times = CronTrigger(expression=expression)
    except ValueError as error:
        return Leftover((text,), str(error))
    table: dict[str, Any] = {"command": ["claude", "-p", prompt]}
    if path.parent.name == ".claude":
        table["cwd"] = str(path.parent.parent.absolute())
    else:
        remarks.append("it runs in the folder of its project; set cwd")
    proven: tuple[FireTimes, ...] = ()
    if task.take_flag("recurring", default=False):
        table["schedule"] = expression
        proven = (FireTimes("cron", expression),)
        if not task.take_flag("permanent", default=False):
            remarks.append("Claude Code forgets a recurring task after seven days; here it goes on")
    else:
        due = times.next_after(now if made is None else datetime.fromtimestamp(made / 1000, UTC))
        if due is None or due <= now:
            return Leftover((text,), f"the task {given.get('id', '')} was due once, and that is over")
        table["trigger"] = {"type": "once", "at": due.astimezone(zone("local")).isoformat()}
    task.forget(("id", "createdAt", "durable", "lastFiredAt", "permanent"))
    task.remark_rest()
    return ImportedJob(id=taken.choose(prompt), table=table, remarks=tuple(remarks), times=proven)
