"""Timers of systemd with their services as jobs."""

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from attrs import define, field

from rae_auto.errors import BadRequest
from rae_auto.model.primitives.units import format_duration
from rae_plugins.commands.importing.imported import FireTimes, Import, ImportedJob, JobNames, Leftover
from rae_plugins.commands.importing.systemd_services import read_service
from rae_plugins.commands.importing.unit_files import SystemdUnit, parse_span, read_unit
from rae_plugins.triggers.cron import CronTrigger
from rae_plugins.triggers.cron.on_calendar import translate_calendar_event

SYSTEM_FOLDERS = (Path("/etc/systemd/system"), Path("/usr/lib/systemd/system"), Path("/lib/systemd/system"))
USER_FOLDERS = (Path("~/.config/systemd/user"), Path("/etc/systemd/user"), Path("/usr/lib/systemd/user"))

_WORDS: Mapping[str, str] = {
    "minutely": "* * * * *",
    "hourly": "0 * * * *",
    "daily": "0 0 * * *",
    "weekly": "0 0 * * 1",
    "monthly": "0 0 1 * *",
    "quarterly": "0 0 1 1,4,7,10 *",
    "semiannually": "0 0 1 1,7 *",
    "yearly": "0 0 1 1 *",
    "annually": "0 0 1 1 *",
}
_NEUTRAL = {"Timer": ("AccuracySec", "FixedRandomDelay"), "Unit": ("Documentation", "DefaultDependencies")}
"""Keys without a meaning for a job: starts are accurate, and a random delay is always a fixed one."""


@define
class TimerReader:
    """Reads timers into jobs, with names that occur once. `folders` are searched for their services."""

    folders: Iterable[Path] = ()
    names: JobNames = field(factory=JobNames)

    def read(self, path: Path) -> ImportedJob | Leftover:
        """Return the job of a timer; a comment where it has no service or nothing that starts it. Errors: OSError."""
        timer = read_unit(path)
        remarks: list[str] = []
        service_name = timer.take_last("Timer", "Unit") or f"{path.stem}.service"
        service_path = next(
            (found for folder in (path.parent, *self.folders) if (found := folder / service_name).is_file()), None
        )
        if service_path is None:
            return Leftover((str(path),), f"{path.name} starts {service_name}, which was not found")
        if "@." in path.name:
            return Leftover((str(path),), f"{path.name} is a template; import its instances as files of their own")
        description = timer.take_last("Unit", "Description")
        triggers, times = self._read_triggers(timer, remarks)
        service = read_unit(service_path)
        described = service.take_last("Unit", "Description") or description
        table = read_service(service, remarks)
        if table is None:
            return Leftover((str(path),), f"{service_name} has no ExecStart, so there is nothing to run")
        if not triggers:
            return Leftover((str(path), *remarks), f"{path.name} has nothing that starts it here")
        table |= {"trigger": triggers[0]} if len(triggers) == 1 else {"triggers": triggers}
        table["catch_up"] = "latest" if timer.take_flag("Timer", "Persistent") else "none"
        if timer.take_flag("Timer", "WakeSystem"):
            table["wake"] = True
        for section in ("Timer", "Unit"):
            for key in _NEUTRAL.get(section, ()):
                timer.take(section, key)
            if rest := timer.rest(section):
                remarks.append(f"of {path.name} has no equivalent: {'; '.join(rest)}")
        return ImportedJob(
            id=self.names.take(path.stem),
            table=table,
            comments=(f"{path.name}: {described}",) if described else (path.name,),
            remarks=tuple(remarks),
            times=tuple(times),
            unit=path.name,
        )

    def _read_triggers(self, timer: SystemdUnit, remarks: list[str]) -> tuple[list[dict[str, Any]], list[FireTimes]]:
        triggers: list[dict[str, Any]] = []
        times: list[FireTimes] = []
        jitter = _read_span(timer.take_last("Timer", "RandomizedDelaySec"), remarks)
        spread = {"jitter": jitter} if jitter not in (None, "0s") else {}
        for text in timer.take("Timer", "OnCalendar"):
            event, zone = _split_zone(text)
            expression = _WORDS.get(event.lower()) or translate_calendar_event(event.upper())
            if expression is None or not _is_valid(expression):
                remarks.append(f"OnCalendar={text} can't be said as a cron expression, so it starts nothing here")
                continue
            options = {"expression": expression, **({"timezone": zone} if zone else {}), **spread}
            triggers.append({"type": "cron", **options})
            times.append(FireTimes("calendar", event, zone))
        for key, make in _SPANS.items():
            for text in timer.take("Timer", key):
                span = _read_span(text, remarks)
                if span is not None:
                    triggers.append(make(span, spread))
        if timer.take_flag("Timer", "OnClockChange"):
            triggers.append({"type": "system", "on": ["clock-changed"]})
        if timer.take("Timer", "OnStartupSec"):
            remarks.append("OnStartupSec counts from the start of systemd itself; use a system trigger with delay")
        if timer.take("Timer", "OnActiveSec"):
            remarks.append("OnActiveSec counts from when the timer is started; use 'rae-auto trigger', or add --at")
        return triggers, times


def _boot(span: str, _: Mapping[str, Any]) -> dict[str, Any]:
    delay = {} if span == "0s" else {"delay": span}
    return {"type": "system", "on": ["boot"], **delay}


def _from_run(point: str) -> Callable[[str, Mapping[str, Any]], dict[str, Any]]:
    return lambda span, spread: {"type": "interval", "every": span, "from": point, **spread}


_SPANS: Mapping[str, Callable[[str, Mapping[str, Any]], dict[str, Any]]] = {
    "OnBootSec": _boot,
    "OnUnitActiveSec": _from_run("start"),
    "OnUnitInactiveSec": _from_run("end"),
}


def _read_span(text: str | None, remarks: list[str]) -> str | None:
    if text is None:
        return None
    try:
        span = parse_span(text)
    except ValueError as error:
        remarks.append(str(error))
        return None
    # Days as hours: those of systemd have 24, whatever the clock does.
    return None if span is None else _format_elapsed(format_duration(span))


def _format_elapsed(text: str) -> str:
    match = re.fullmatch(r"(?:(\d+)d)?(?:(\d+)h)?(.*)", text)
    if match is None or match[1] is None:
        return text
    return f"{int(match[1]) * 24 + int(match[2] or 0)}h{match[3]}"


def _split_zone(text: str) -> tuple[str, str | None]:
    head, _, last = text.rpartition(" ")
    is_zone = bool(head) and (last == "UTC" or re.fullmatch(r"[A-Z][A-Za-z_+-]*(/[A-Za-z0-9_+-]+)+", last) is not None)
    return (head, last) if is_zone else (text, None)


def _is_valid(expression: str) -> bool:
    try:
        CronTrigger(expression=expression)
    except ValueError:
        return False
    return True


def read_timers(paths: Iterable[Path], folders: Iterable[Path], source: str) -> Import:
    """Return the jobs of timers. Errors: OSError."""
    reader = TimerReader(folders)
    remarks = ("a job has the environment of the daemon; systemd gives its services a small one",)
    return Import(source, [reader.read(path) for path in paths], remarks)


def find_timers(file: str | None, *, is_system: bool) -> tuple[list[Path], list[Path], str]:
    """Return the timers to import, the folders of their services, and the name of the source. Errors: BadRequest."""
    folders = [folder.expanduser() for folder in (SYSTEM_FOLDERS if is_system else USER_FOLDERS)]
    if file is None:
        own = folders[0]
        paths = sorted(path for path in own.glob("*.timer") if path.is_file())
        if not paths:
            raise BadRequest(f"there is no timer in {own}; name a timer, a folder, or use --system")
        return paths, folders, str(own)
    path = Path(file).expanduser()
    paths = sorted(path.glob("*.timer")) if path.is_dir() else [path]
    if not paths or not all(one.is_file() and one.suffix == ".timer" for one in paths):
        raise BadRequest(f"{file} is not a timer, nor a folder with timers; name a file such as backup.timer")
    return paths, folders, str(path)
