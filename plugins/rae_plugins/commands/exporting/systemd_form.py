"""Jobs as timers and services of systemd, with a comment at all that gets lost."""

import re
import shlex
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from rae_plugins.commands.exporting.losses import describe_losses, find_losses

_DAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MACROS = {
    "@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
}  # fmt: skip
_LIMITS = {"memory": "MemoryMax", "processes": "TasksMax", "nice": "Nice", "open_files": "LimitNOFILE"}
_ITEM = re.compile(r"(\*|\d+(?:-\d+)?)(?:/(\d+))?")


def format_units(definitions: Sequence[Mapping[str, Any]], zone: str) -> tuple[dict[str, str], list[str]]:
    """Return the units of jobs by their file names, and lines about jobs that have none.

    `zone` is the time zone of the configuration.
    """
    units: dict[str, str] = {}
    skipped: list[str] = []
    for definition in definitions:
        timer, lost = _timer_lines(definition, zone)
        service = _service_lines(definition)
        if service is None or not timer:
            why = "has no command that systemd could run" if service is None else "nothing that systemd knows starts it"
            skipped.append(f"{definition['id']} is not exported: {why}")
            continue
        lost += find_losses(definition, ("timeout", "kill_after", "catch_up", "limits"))
        lost += [f"limits.{key}" for key in definition.get("limits", {}) if key not in _LIMITS]
        note = f"# Exported by 'rae-auto export systemd'{describe_losses(lost)}.\n"
        name = definition["id"]
        units[f"{name}.timer"] = f"{note}[Unit]\nDescription={name}\n\n[Timer]\n" + "\n".join(timer)
        units[f"{name}.timer"] += "\n\n[Install]\nWantedBy=timers.target\n"
        units[f"{name}.service"] = f"{note}[Unit]\nDescription={name}\n\n[Service]\n" + "\n".join(service) + "\n"
    return units, skipped


def _timer_lines(definition: Mapping[str, Any], zone: str) -> tuple[list[str], list[str]]:
    lines: list[str] = []
    lost: list[str] = []
    jitters = []
    for trigger in definition.get("schedule", ()):
        options = trigger.get("options", {})
        jitters += [options["jitter"]] if "jitter" in options else []
        match trigger["type"], options.get("from"):
            case "cron", _:
                events = translate_expression(str(options["expression"]))
                where = options.get("timezone") or zone
                suffix = "" if where == "local" else f" {where}"
                lines += [f"OnCalendar={event}{suffix}" for event in events or ()]
                lost += [] if events else [f"the schedule {options['expression']!r}"]
            case "interval", "start" | "end" as point:
                lines.append(f"OnUnit{'Active' if point == 'start' else 'Inactive'}Sec={options['every']}")
            case "system", _ if list(options.get("on", ())) == ["boot"]:
                lines.append(f"OnBootSec={options.get('delay', 0)}")
            case other, _:
                lost.append(f"a trigger of the type {other}")
    if lines:
        lines.append(f"Persistent={'no' if definition.get('catch_up') == 'none' else 'yes'}")
        lines.append("AccuracySec=1s")
        lines += [f"RandomizedDelaySec={jitters[0]}"] if jitters else []
    return lines, lost


def _service_lines(definition: Mapping[str, Any]) -> list[str] | None:
    command = definition.get("command")
    if isinstance(definition.get("shell"), str):
        words = [str(definition.get("shell_program") or "/bin/sh"), "-c", str(definition["shell"])]
    elif command:
        words = shlex.split(command) if isinstance(command, str) else list(command)
    else:
        return None
    lines = ["Type=oneshot", "ExecStart=" + " ".join(_quote(word).replace("$", "$$") for word in words)]
    # In variables a dollar sign has no meaning: systemd.exec(5).
    lines += [f"Environment={_quote(f'{name}={value}')}" for name, value in definition.get("env", {}).items()]
    if cwd := definition.get("cwd") or definition.get("directory"):
        lines.append(f"WorkingDirectory={str(cwd).replace('%', '%%')}")
    if given := definition.get("stdin"):
        data = b64encode(str(given).encode()).decode()
        lines += ["StandardInput=data", f"StandardInputData={data}"]
    if user := definition.get("user"):
        lines.append(f"User={user}")
    for key, name in (("timeout", "TimeoutStartSec"), ("kill_after", "TimeoutStopSec")):
        lines += [f"{name}={definition[key]}"] if definition.get(key) else []
    limits = definition.get("limits", {})
    for key, name in _LIMITS.items():
        lines += [f"{name}={limits[key]}"] if limits.get(key) is not None else []
    return lines


def _quote(word: str) -> str:
    """Return a word as systemd reads it: its own quotes and escapes, with % doubled."""
    plain = word.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("%", "%%")
    return plain if re.fullmatch(r"[\w@%$+=:,./-]+", plain) else f'"{plain}"'


def translate_expression(expression: str) -> list[str] | None:
    """Return the calendar events that mean the same as a cron expression of five fields; None for what has none."""
    text = _MACROS.get(expression.lower(), expression.lower())
    fields = text.split()
    if len(fields) != 5:
        return None
    minute, hour, day, month, weekday = fields
    for number, name in enumerate(_MONTHS, 1):
        month = month.replace(name, str(number))
    for number, name in enumerate(_DAYS[:7]):
        weekday = weekday.replace(name.lower(), str(number))
    clock = [_to_items(minute, 0), _to_items(hour, 0)]
    date = [_to_items(month, 1), _to_items(day, 1)]
    names = None if weekday == "*" else _to_weekdays(weekday)
    if None in clock or None in date or (weekday != "*" and names is None):
        return None
    time = f"{clock[1]}:{clock[0]}:00"
    if names is None:
        return [f"*-{date[0]}-{date[1]} {time}"]
    if day == "*" or day.startswith("*") or weekday.startswith("*"):
        return [f"{names} *-{date[0]}-{date[1]} {time}"]
    # With both days restricted cron starts on either.
    return [f"*-{date[0]}-{date[1]} {time}", f"{names} *-{date[0]}-* {time}"]


def _to_items(field: str, first: int) -> str | None:
    items = []
    for item in field.split(","):
        match = _ITEM.fullmatch(item)
        if match is None:
            return None
        base, step = match.groups()
        if "-" in base:
            low, high = map(int, base.split("-"))
            if low > high:
                return None
            items.append(f"{low}..{high}" if step is None else f"{low}..{high}/{step}")
        elif step is not None:
            items.append(f"{first if base == '*' else base}/{step}")
        else:
            items.append(base if base == "*" else str(int(base)))
    return ",".join(items)


def _to_weekdays(field: str) -> str | None:
    days: set[int] = set()
    for item in field.split(","):
        match = _ITEM.fullmatch(item)
        if match is None or (match[1] != "*" and max(map(int, match[1].split("-"))) > 7):
            return None
        low, high = (0, 6) if match[1] == "*" else (*map(int, match[1].split("-")), int(match[1].split("-")[-1]))[:2]
        if low > high:
            return None
        days |= {number % 7 for number in range(low, high + 1, int(match[2] or 1))}
    return ",".join(_DAYS[number] for number in sorted(days))
