"""Jobs as a crontab of cronie and Debian's cron, with a comment at all that gets lost."""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rae_auto.model.primitives.units import parse_duration
from rae_plugins.commands.exporting.losses import describe_losses, find_losses

_FIELD = re.compile(
    r"[\d*,/-]+|(?:(?:sun|mon|tue|wed|thu|fri|sat|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)|[\d*,/-])+"
)


def format_crontab(definitions: Sequence[Mapping[str, Any]], zone: str) -> str:
    """Return the crontab of jobs; `zone` is that of the configuration."""
    lines = ["# Exported by 'rae-auto export crontab'. Cron catches up nothing that is missed, and lets runs overlap."]
    if zone != "local":
        lines += [
            "# CRON_TZ counts for the lines below it, with cronie. Debian's cron goes by the clock of the machine."
        ]
    current = None
    for definition in definitions:
        lines.append("")
        entries = [_entry_of(trigger, zone) for trigger in definition.get("schedule", ())]
        command = _command_of(definition)
        lost = find_losses(definition)
        lost += [
            f"a {trigger['type']} trigger"
            for trigger, one in zip(definition.get("schedule", ()), entries, strict=True)
            if one is None
        ]
        lost += sorted({option for trigger in definition.get("schedule", ()) for option in _lost_options(trigger)})
        lines.append(f"# {definition['id']}{describe_losses(lost)}")
        if command is None:
            lines.append("# has no command that cron could run")
            continue
        for schedule, own_zone in filter(None, entries):
            if own_zone != current and own_zone != "local":
                lines.append(f"CRON_TZ={own_zone}")
                current = own_zone
            lines.append(f"{'' if definition.get('enabled', True) else '# disabled: '}{schedule} {command}")
        if not any(entries):
            lines.append(f"# nothing that cron knows starts it: {command}")
    return "\n".join(lines) + "\n"


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
    if "\n" in text:
        text = f"sh -c {shlex.quote(text)}".replace("\n", "; ")
    line = text
    if variables := " ".join(f"{name}={shlex.quote(str(value))}" for name, value in definition.get("env", {}).items()):
        line = f"export {variables}; {line}"
    if cwd := definition.get("cwd"):
        line = f"cd {shlex.quote(str(cwd))} || exit; {line}"
    line = line.replace("%", "\\%")
    if "stdin" in definition:
        line += "%" + str(definition["stdin"]).removesuffix("\n").replace("%", "\\%").replace("\n", "%")
    return line
