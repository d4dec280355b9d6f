"""Tasks of Windows Task Scheduler as jobs: the XML that it exports, of version 1.0 to 1.4.

A task that says nothing has the defaults of the schema: three days to run, one run at a time, only on mains, and a
priority below normal.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from xml.etree.ElementTree import Element

from rae_auto.errors import BadRequest
from rae_auto.model.primitives.formatting import quote
from rae_plugins.commands.importing.imported import Import, ImportedJob, JobNames, Leftover
from rae_plugins.commands.importing.readers.taking import format_seconds
from rae_plugins.commands.importing.readers.task_triggers import TriggerReader, find_triggers
from rae_plugins.commands.importing.readers.task_values import TakenElement, parse_period, split_arguments
from rae_plugins.commands.importing.readers.xml_text import local_name, read_xml
from rae_plugins.commands.importing.source_files import list_files

_KIND = "a task of Windows Task Scheduler"
_OVERLAPS = {"IgnoreNew": "skip", "Parallel": "allow", "Queue": "queue", "StopExisting": "replace"}
_ACTIONS = {
    "ComHandler": "calls an object of COM, which has no command line",
    "SendEmail": "sends a mail; use a notifier of the type email",
    "ShowMessage": "shows a message; use a notifier of the type desktop",
}
_NEUTRAL = (
    "AllowStartOnDemand", "AllowHardTerminate", "Hidden", "UseUnifiedSchedulingEngine", "Volatile",
    "DisallowStartOnRemoteAppSession", "Enabled",
)  # fmt: skip


def read_scheduled_tasks(names: Sequence[str], now: datetime | None = None) -> Import:
    """Return the tasks of files or of folders with them. Errors: BadRequest, OSError."""
    if not names:
        raise BadRequest("name the XML that 'schtasks /query /xml ONE' or Export-ScheduledTask wrote")
    taken = JobNames()
    entries: list[ImportedJob | Leftover] = []
    for path in list_files(names, (".xml",), _KIND):
        root = read_xml(path, _KIND)
        tasks = [element for element in root.iter() if local_name(element) == "Task"]
        if not tasks:
            raise BadRequest(f"{quote(path)} has no Task, so it is not {_KIND}; name another file")
        for number, task in enumerate(tasks, 1):
            fallback = path.stem if len(tasks) == 1 else f"{path.stem}-{number}"
            entries += _read_task(TakenElement(task), fallback, taken, now or datetime.now(UTC))
    remarks = (
        "a job has the environment and the rights of the daemon, not those of an account that the task names",
        "variables such as %TEMP% in a command are put in by Task Scheduler, and by nothing here",
    )
    return Import(", ".join(names), entries, remarks, {"catch_up": "none"})


def _read_task(task: TakenElement, fallback: str, taken: JobNames, now: datetime) -> Iterator[ImportedJob | Leftover]:
    remarks: list[str] = []
    information = task.take_element("RegistrationInfo")
    uri = information.take_text("URI")
    name = uri.rpartition("\\")[2] or fallback
    description = information.take_text("Description")
    comments = (uri or name, *((description,) if description else ()))
    information.forget("Author", "Date", "Version", "Source", "SecurityDescriptor", "Documentation")
    reader = TriggerReader(now, remarks)
    try:
        for trigger in find_triggers(task.take_element("Triggers")):
            reader.read(trigger)
        table = _read_settings(task.take_element("Settings"), remarks)
    except (ValueError, OverflowError) as error:
        yield Leftover(comments, f"{name}: {error}")
        return
    _read_principals(task.take_element("Principals"), remarks)
    commands, others = _read_actions(task.take_element("Actions"), remarks)
    information_rest = list(information.rest())
    task_rest = [*information_rest, *task.rest()]
    if task_rest:
        remarks.append(f"has no equivalent: {', '.join(task_rest)}")
    if not commands:
        yield Leftover((*comments, *remarks), f"{name}: {others or 'it has no action'}")
        return
    if not reader.triggers:
        remarks.append("nothing that is known here starts it, so it is started by hand: 'rae-auto trigger JOB'")
    triggers = reader.triggers or [{"type": "manual"}]
    started = {"trigger": triggers[0]} if len(triggers) == 1 else {"triggers": triggers}
    before = ""
    for number, command in enumerate(commands, 1):
        id_ = taken.take(name if number == 1 else f"{name}-{number}")
        starts = started if number == 1 else {"trigger": {"type": "job", "jobs": [before], "on": "any"}}
        before = id_
        title = {"name": name} if number == 1 and name != id_ else {}
        yield ImportedJob(
            id=id_,
            table={**title, **command, **starts, **table},
            comments=comments if number == 1 else (f"{name}: action {number}",),
            remarks=tuple(dict.fromkeys(remarks)) if number == 1 else (),
            times=tuple(reader.times) if number == 1 else (),
        )


def _read_actions(actions: TakenElement, remarks: list[str]) -> tuple[list[dict[str, Any]], str]:
    """Return the keys of each command, and why there are none."""
    commands: list[dict[str, Any]] = []
    others: list[str] = []
    for child in actions.children:
        kind = local_name(child)
        if kind != "Exec":
            others.append(f"it {_ACTIONS.get(kind, f'has the action {kind}, which is not known')}")
            continue
        commands += _read_exec(child, remarks)
    if commands:
        remarks += others
    return commands, "; ".join(others)


def _read_exec(element: Element, remarks: list[str]) -> Iterator[dict[str, Any]]:
    action = TakenElement(element)
    program = action.take_text("Command").strip('"')
    if not program:
        remarks.append("an action has no command")
        return
    table: dict[str, Any] = {"command": [program, *split_arguments(action.take_text("Arguments"))]}
    if folder := action.take_text("WorkingDirectory").strip('"'):
        table["cwd"] = folder
    if rest := list(action.rest()):
        remarks.append(f"of the action has no equivalent: {', '.join(rest)}")
    yield table


def _read_principals(principals: TakenElement, remarks: list[str]) -> None:
    for principal in map(TakenElement, principals.children):
        if user := principal.take_text("UserId") or principal.take_text("GroupId"):
            remarks.append(f"runs as {user} there; here as the user of the daemon")
        if principal.take_text("RunLevel") == "HighestAvailable":
            remarks.append("runs with the highest rights there; run the daemon with them if the job needs them")
        principal.forget("LogonType", "DisplayName", "ProcessTokenSidType")
        if rest := list(principal.rest()):
            remarks.append(f"of the account has no equivalent: {', '.join(rest)}")


def _read_settings(settings: TakenElement, remarks: list[str]) -> dict[str, Any]:
    table: dict[str, Any] = {}
    if not settings.take_flag("Enabled", default=True):
        table["enabled"] = False
    policy = settings.take_text("MultipleInstancesPolicy", "IgnoreNew")
    overlap = _OVERLAPS.get(policy, "skip")
    table |= {"overlap": overlap} if overlap != "skip" else {}
    limit = parse_period(settings.take_text("ExecutionTimeLimit", "PT72H"))
    if limit:
        table["timeout"] = format_seconds(limit.total_seconds())
    if settings.take_flag("StartWhenAvailable", default=False):
        table["catch_up"] = "latest"
    table |= _read_restart(settings.take_element("RestartOnFailure"))
    table |= _read_conditions(settings, remarks)
    table |= _read_priority(settings.take_text("Priority", "7"))
    if settings.take_flag("WakeToRun", default=False):
        table["wake"] = True
    if expiry := settings.take_text("DeleteExpiredTaskAfter"):
        remarks.append(f"is deleted {expiry} after its end there; here it stays")
    settings.forget(*_NEUTRAL)
    if rest := list(settings.rest()):
        remarks.append(f"of its settings has no equivalent: {', '.join(rest)}")
    return table


def _read_restart(restart: TakenElement) -> dict[str, Any]:
    interval, count = parse_period(restart.take_text("Interval")), int(restart.take_text("Count", "0"))
    if interval is None or count < 1:
        return {}
    delay = format_seconds(interval.total_seconds())
    attempts = {"attempts": count + 1, "delay": delay, "backoff": "constant", "max_delay": delay, "jitter": 0}
    return {"retry": attempts}


def _read_conditions(settings: TakenElement, remarks: list[str]) -> dict[str, Any]:
    guards: list[dict[str, Any]] = []
    table: dict[str, Any] = {}
    needs_mains = settings.take_flag("DisallowStartIfOnBatteries", default=True)
    if needs_mains:
        guards.append({"type": "power"})
    if settings.take_flag("StopIfGoingOnBatteries", default=True) and needs_mains:
        remarks.append("is ended there when the machine goes on battery; here it goes on")
    if settings.take_flag("RunOnlyIfNetworkAvailable", default=False):
        guards.append({"type": "network"})
    if rest := list(settings.take_element("NetworkSettings").rest()):
        remarks.append(f"needs a certain network there, here any: {', '.join(rest)}")
    idle = settings.take_element("IdleSettings")
    if settings.take_flag("RunOnlyIfIdle", default=False):
        duration = parse_period(idle.take_text("Duration", "PT10M"))
        wait = parse_period(idle.take_text("WaitTimeout", "PT1H"))
        guards.append({"type": "idle", "for": format_seconds(duration.total_seconds() if duration else 600)})
        table["guard_timeout"] = format_seconds(wait.total_seconds() if wait else 3600)
        if idle.take_flag("StopOnIdleEnd", default=True):
            remarks.append("is ended there when the machine is used again; here it goes on")
        idle.forget("RestartOnIdle")
    return {**table, "guards": guards} if guards else table


def _read_priority(text: str) -> Mapping[str, Any]:
    level = int(text)
    nice = -10 if level <= 1 else -5 if level <= 3 else 0 if level <= 6 else 10 if level <= 8 else 19
    return {"limits": {"nice": nice, "best_effort": True}} if nice else {}
