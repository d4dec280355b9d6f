"""Write the jobs as a crontab, units of systemd, a calendar or JSON, and say what gets lost."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import click
from attrs import field, frozen

from rae_auto.api import Command, CommandContext
from rae_auto.errors import BadRequest
from rae_auto.hookspecs import hookimpl
from rae_auto.model.primitives.escaping import escape_text

RAE_API = 1
MAX_CALENDAR_STARTS = 200


@frozen(kw_only=True)
class ExportCommand(Command):
    """Write the jobs as a crontab, as units of systemd, as a calendar of their next starts, or as JSON.

    A comment says what gets lost of each job: another scheduler has no guards, needs, retries or pauses.

    \b
    Example: rae-auto export crontab
             rae-auto export systemd --output ~/.config/systemd/user
             rae-auto export ics --job backup > backup.ics
    """

    type: ClassVar[str] = "export"
    example: ClassVar[Mapping[str, Any]] = {"what": "crontab"}

    what: Literal["crontab", "systemd", "ics", "json"] = field(metadata={"argument": True, "help": "the form to write"})
    job: tuple[str, ...] = field(default=(), converter=tuple, metadata={"help": "only these jobs; may be repeated"})
    output: str | None = field(default=None, metadata={"help": "a file to write; for systemd a folder"})
    starts: int = field(default=30, metadata={"help": "so many starts of each job in a calendar"})

    def __attrs_post_init__(self) -> None:
        if not 1 <= self.starts <= MAX_CALENDAR_STARTS:
            raise ValueError(f"starts must be from 1 to {MAX_CALENDAR_STARTS}")
        if self.what == "systemd" and self.output is None:
            raise ValueError('output must name the folder for the units, as in "~/.config/systemd/user"')

    def run(self, context: CommandContext) -> int:
        """Write what was asked for. Errors: BadRequest if a file exists, and those of the configuration."""
        from rae_plugins.commands.exporting.forms import write_form  # lazy: start-up

        files, notes = write_form(self.what, self.job, self.starts, context)
        for line in notes:
            click.echo(escape_text(line), err=True)
        if self.output is None:
            # As it is, for who writes it into a file.
            click.echo(files[""], nl=False)
            return 0
        target = Path(self.output).expanduser()
        for name, text in files.items():
            path = target / name if name else target
            if path.exists():
                raise BadRequest(f"{path} exists; remove it, or name another --output")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            click.echo(f"wrote {escape_text(str(path))}", err=True)
        return 0


@hookimpl
def rae_commands() -> list[type[ExportCommand]]:
    """Return the command."""
    return [ExportCommand]
