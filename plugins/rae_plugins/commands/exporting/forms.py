"""The forms of an export, each a pure function of the jobs' definitions."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from rae_auto.api import CommandContext
from rae_auto.errors import BadRequest
from rae_plugins.commands.exporting.crontab_form import format_crontab
from rae_plugins.commands.exporting.systemd_form import format_units

NEXT_TIMEOUT_SECONDS = 120
EVENT_LENGTH = timedelta(minutes=1)


def write_form(
    what: str, names: Sequence[str], starts: int, context: CommandContext
) -> tuple[dict[str, str], list[str]]:
    """Return the files of a form by their names ("" if it has one), and lines about jobs that are not in them.

    Errors: JobNotFound, ConfigError, StoreError.
    """
    chosen = list(names) or sorted(info["id"] for info in context.query("list"))
    shown = {name: context.query("show", job=name) for name in chosen}
    zone = context.zone.key
    definitions = [one["definition"] for one in shown.values()]
    match what:
        case "json":
            return {"": json.dumps(definitions, indent=2, ensure_ascii=False) + "\n"}, []
        case "crontab":
            return {"": format_crontab(definitions, zone)}, []
        case "systemd":
            return format_units(definitions, zone)
    found = {name: _next_starts(name, starts, context) for name in chosen}
    silent = [
        f"{name} is not in the calendar: it has no next start that is known" for name in chosen if not found[name]
    ]
    return {"": format_calendar(found, datetime.now(UTC))}, silent


def _next_starts(name: str, count: int, context: CommandContext) -> list[datetime]:
    command = [sys.executable, "-P", "-m", "rae_auto", "next", name, "--json", "--count", str(count)]
    if context.config is not None:
        command += ["--config", str(context.config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=NEXT_TIMEOUT_SECONDS, check=False)
    if done.returncode:
        raise BadRequest(done.stderr.strip().removeprefix("rae-auto: ")[:300])
    return [datetime.fromisoformat(text) for text in json.loads(done.stdout)]


def format_calendar(starts: Mapping[str, Sequence[datetime]], now: datetime) -> str:
    """Return an iCalendar file with an event for each start (RFC 5545)."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//rae-auto//export//EN"]
    for job, instants in starts.items():
        for at in instants:
            lines += [
                "BEGIN:VEVENT",
                f"UID:{job}-{at.astimezone(UTC):%Y%m%dT%H%M%SZ}@rae-auto",
                f"DTSTAMP:{now:%Y%m%dT%H%M%SZ}",
                f"DTSTART:{at.astimezone(UTC):%Y%m%dT%H%M%SZ}",
                f"DTEND:{at.astimezone(UTC) + EVENT_LENGTH:%Y%m%dT%H%M%SZ}",
                f"SUMMARY:{job}",
                "END:VEVENT",
            ]
    return "\r\n".join([*lines, "END:VCALENDAR", ""])
