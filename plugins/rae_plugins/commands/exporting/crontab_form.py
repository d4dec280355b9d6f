"""Jobs as a crontab of cronie and Debian's cron, with a comment at all that gets lost."""

import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from rae_auto.model.primitives.units import parse_duration
from rae_plugins.commands.exporting.losses import describe_losses, find_losses

LOCAL = "local"
"""The zone of the machine."""

_UNWRITABLE = re.compile(r"(?<!\\)(\\\\)*\\%")
"""A percent sign after an odd number of backslashes: each way to write it means something else to cron."""

_FIELD = re.compile(
    r"[\d*,/-]+|(?:(?:sun|mon|tue|wed|thu|fri|sat|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)|[\d*,/-])+"
)


@frozen
class _CrontabJob:
    """A job as cron knows it: comments, and lines with their time zones."""

    comments: tuple[str, ...]
    lines: tuple[tuple[str, str], ...] = ()

    def format(self, zone: str | None) -> list[str]:
        """Return the comments and the lines of a zone, or of all zones but the machine's (None), under its name."""
        found = [line for line in self.lines if (line[1] == LOCAL) == (zone == LOCAL)]
        if not found and (self.lines or zone != LOCAL):
            return []
        text = ["", *self.comments]
        for line, own in found:
            text += [line] if own == LOCAL else [f"CRON_TZ={own}", line]
        return text


def format_crontab(definitions: Sequence[Mapping[str, Any]], zone: str) -> str:
    """Return the crontab of jobs; `zone` is that of the configuration."""
    lines = ["# Exported by 'rae-auto export crontab'. Cron catches up nothing that is missed, and lets runs overlap."]
    if zone != LOCAL:
        lines += [
            "# CRON_TZ counts for the lines below it, with cronie. Debian's cron goes by the clock of the machine."
        ]
    jobs = [_describe_job(definition, zone) for definition in definitions]
    # Nothing undoes CRON_TZ, so what goes by the clock of the machine comes before the first one.
    for job in jobs:
        lines += job.format(LOCAL)
    current = None
    for line in (line for job in jobs for line in job.format(None)):
        if line == current:
            continue
        current = line if line.startswith("CRON_TZ=") else current
        lines.append(line)
    return "\n".join(lines) + "\n"


def _describe_job(definition: Mapping[str, Any], zone: str) -> _CrontabJob:
    triggers = definition.get("schedule", ())
    entries = [_entry_of(trigger, zone) for trigger in triggers]
    lost = find_losses(definition)
    # The crontab of a user has no column for another one.
    lost += ["user"] if definition.get("user") else []
    lost += [f"a {trigger['type']} trigger" for trigger, one in zip(triggers, entries, strict=True) if one is None]
    lost += sorted({option for trigger in triggers for option in _lost_options(trigger)})
    title = f"# {definition['id']}{describe_losses(lost)}"
    command = _command_of(definition)
    if command is None:
        return _CrontabJob((title, "# has no command that cron could run"))
    if not any(entries):
        return _CrontabJob((title, f"# nothing that cron knows starts it: {command}"))
    start = "" if definition.get("enabled", True) else "# disabled: "
    found = [entry for entry in entries if entry is not None]
    return _CrontabJob((title,), tuple((f"{start}{schedule} {command}", own) for schedule, own in found))


def _entry_of(trigger: Mapping[str, Any], zone: str) -> tuple[str, str] | None:
    """Return the fields of a trigger and their time zone, or None for what cron can't do."""
    options = trigger.get("options", {})
    if trigger["type"] == "cron":
        text = " ".join(str(options["expression"]).lower().split())
        fields = text.split()
        is_plain = text.startswith("@") or (len(fields) == 5 and all(map(_FIELD.fullmatch, fields)))
        return (text, options.get("timezone") or zone) if is_plain else None
    if trigger["type"] == "interval" and "from" not in options:
        return next(((text, "UTC") for text in _interval_fields(options["every"])), None)
    if trigger["type"] == "system" and list(options.get("on", ())) == ["boot"] and "delay" not in options:
        return "@reboot", zone
    return None


def _interval_fields(every: Any) -> Iterator[str]:
    minutes, rest = divmod(parse_duration(every).total_seconds(), 60)
    if rest or (isinstance(every, str) and re.fullmatch(r"(\d+[dw])+", every)):
        return
    if 1 <= minutes <= 30 and 60 % minutes == 0:
        yield f"*/{int(minutes)} * * * *"
    elif minutes % 60 == 0 and minutes <= 720 and 24 % (minutes // 60) == 0:
        yield f"0 */{int(minutes // 60)} * * *" if minutes > 60 else "0 * * * *"


def _lost_options(trigger: Mapping[str, Any]) -> list[str]:
    return [name for name in trigger.get("options", {}) if name in ("jitter", "delay")]


def _command_of(definition: Mapping[str, Any]) -> str | None:
    """Return the command as a line of a crontab, where `%` ends it and begins its standard input."""
    command = definition.get("command")
    if isinstance(definition.get("shell"), str):
        text = str(definition["shell"])
        if program := definition.get("shell_program"):
            text = f"{program} -c {shlex.quote(text)}"
    elif command:
        text = command if isinstance(command, str) else shlex.join(command)
    else:
        return None
    line = text
    if variables := " ".join(f"{name}={shlex.quote(str(value))}" for name, value in definition.get("env", {}).items()):
        line = f"export {variables}; {line}"
    # Without a folder of its own a job runs in that of its file, and cron in the home directory.
    if (cwd := definition.get("cwd") or definition.get("directory")) and not _is_home(cwd):
        line = f"cd {shlex.quote(str(cwd))} || exit; {line}"
    if "\n" in line or _UNWRITABLE.search(line):
        line = f'eval "$({_print(line)})"'
    given = definition.get("stdin")
    if given and re.search(r"\\(\n|$)", given):
        # A backslash at the end of a line would make a percent sign of that end.
        return f"{_print(given)} | /bin/sh -c {shlex.quote(line)}".replace("%", "\\%")
    line = line.replace("%", "\\%")
    if given is not None:
        # The end of the last line comes from cron, unless that line is empty.
        rest = str(given).removesuffix("\n")
        text = given if rest in ("", given) or rest.endswith("\n") else rest
        line += "%" + str(text).replace("%", "\\%").replace("\n", "%")
    return line


def _is_home(folder: str) -> bool:
    """Return whether cron would start a command of this user there anyway."""
    try:
        return os.path.realpath(folder) == os.path.realpath(Path.home())
    except RuntimeError:  # a user without a home
        return False


def _print(text: str) -> str:
    """Return a command of one line, without percent signs of the text, that prints any text."""
    encoded = text.replace("\\", "\\\\").replace("\n", "\\n").replace("%", "\\0045")
    return f"printf %b {shlex.quote(encoded)}"
