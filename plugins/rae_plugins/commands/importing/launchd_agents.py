"""Property lists of launchd as jobs: launchd.plist(5)."""

import plistlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

from attrs import define, field

from rae_auto.errors import BadRequest
from rae_auto.model.primitives.units import format_duration, parse_duration
from rae_plugins.commands.importing.imported import Import, ImportedJob, JobNames, Leftover

USER_FOLDER, SYSTEM_FOLDER = Path("~/Library/LaunchAgents"), Path("/Library/LaunchDaemons")

_FIELDS = ("Minute", "Hour", "Day", "Month", "Weekday")
_PLAIN: Mapping[str, str] = {"WorkingDirectory": "cwd", "EnvironmentVariables": "env"}
_NEUTRAL = ("Label", "Disabled", "StandardOutPath", "StandardErrorPath", "ProcessType", "AbandonProcessGroup")
"""Keys without a counterpart that is missed: output is kept, and the name becomes that of the job."""


@define
class PlistReader:
    """Reads property lists into jobs, with names that occur once."""

    names: JobNames = field(factory=JobNames)

    def read(self, path: Path) -> ImportedJob | Leftover:
        """Return the job of a property list; a comment where it runs nothing. Errors: OSError."""
        try:
            given = plistlib.loads(path.read_bytes())
        except (plistlib.InvalidFileException, ExpatError, ValueError) as error:
            return Leftover((str(path),), f"{path.name} is not a property list: {error}")
        if not isinstance(given, dict):
            return Leftover((str(path),), f"{path.name} has no keys")
        table: dict[str, Any] = {}
        remarks: list[str] = []
        command = [str(word) for word in given.pop("ProgramArguments", ())] or [
            str(program) for program in (given.get("Program"),) if program
        ]
        if not command:
            return Leftover((str(path),), f"{path.name} has neither Program nor ProgramArguments")
        table["command"] = command
        if (program := given.pop("Program", None)) not in (None, command[0]):
            table["command"] = [str(program), *command[1:]]
        triggers = list(_read_triggers(given, remarks))
        if not triggers:
            remarks.append("nothing that is known here starts it, so it is started by hand")
        table |= {"trigger": triggers[0]} if len(triggers) == 1 else {"triggers": triggers or [{"type": "manual"}]}
        table |= {ours: given.pop(theirs) for theirs, ours in _PLAIN.items() if theirs in given}
        if given.pop("Disabled", False):
            table["enabled"] = False
        if "Nice" in given:
            table["limits"] = {"nice": int(given.pop("Nice")), "best_effort": True}
        if isinstance(umask := given.pop("Umask", None), int):
            table["umask"] = f"{umask:03o}"
        if "ExitTimeOut" in given:
            table["kill_after"] = format_duration(parse_duration(int(given.pop("ExitTimeOut"))))
        name = str(given.get("Label", path.stem))
        for key in _NEUTRAL:
            given.pop(key, None)
        if given:
            remarks.append(f"has no equivalent: {', '.join(f'{key}={value!r:.60}' for key, value in given.items())}")
        return ImportedJob(
            id=self.names.take(name.rpartition(".")[2] or name),
            table=table,
            comments=(f"{path.name}: {name}",),
            remarks=tuple(remarks),
        )


def _read_triggers(given: dict[str, Any], remarks: list[str]) -> Iterable[dict[str, Any]]:
    times = given.pop("StartCalendarInterval", ())
    for one in times if isinstance(times, list) else [times] if times else ():
        yield {"type": "cron", "expression": to_expression(one)}
    if interval := given.pop("StartInterval", None):
        yield {"type": "interval", "every": format_duration(parse_duration(int(interval))), "from": "start"}
    paths: Sequence[str] = [*given.pop("WatchPaths", ()), *given.pop("QueueDirectories", ())]
    if paths:
        yield {"type": "file", "paths": list(paths)}
    if given.pop("RunAtLoad", False):
        remarks.append("RunAtLoad starts it when it is loaded, for an agent at the login; here at the boot")
        yield {"type": "system", "on": ["boot"]}


def to_expression(interval: Mapping[str, Any]) -> str:
    """Return the cron expression of a calendar interval, in which a missing key matches all values, as in launchd."""
    return " ".join(str(int(interval[name])) if name in interval else "*" for name in _FIELDS)


def read_plists(file: str | None, *, is_system: bool) -> Import:
    """Return the jobs of a property list, or of a folder of them. Errors: BadRequest, OSError."""
    path = Path(file) if file is not None else SYSTEM_FOLDER if is_system else USER_FOLDER
    path = path.expanduser()
    paths = sorted(path.glob("*.plist")) if path.is_dir() else [path]
    if not paths or not all(one.is_file() for one in paths):
        raise BadRequest(f"there is no property list in {path}; name a file or a folder")
    reader = PlistReader()
    remark = (
        "launchd starts what was missed in sleep when the machine wakes, and nothing that was missed while it was off"
    )
    return Import(str(path), [reader.read(one) for one in paths], (remark,))
