"""Turn the jobs of another scheduler into a configuration: cron, systemd, Windows, others.

The result passes `rae-auto check`, nothing of the source is dropped without a comment, and the start times are compared
with an independent calculation.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from attrs import field, frozen

from rae_auto.api import Command, CommandContext
from rae_auto.hookspecs import hookimpl

RAE_API = 1
ONE_FILE_KINDS = ("crontab", "systemd", "launchd")


@frozen(kw_only=True)
class ImportCommand(Command):
    """Turn what another scheduler has into a configuration, with a remark at each difference.

    FILES are those of the other scheduler, or a folder with them. For crontab that is a crontab, a folder such as
    /etc/cron.d or /etc/cron.daily, or - for standard input; by default it is the crontab of the user. For systemd it
    is a timer or a folder of them, by default that of the user. For apscheduler it is the address of the job store.
    The start times of the next two years are compared with those of the source where something can calculate them.
    The exit code is 1 if the source has no job, or if the result has errors.

    \b
    Example: rae-auto import crontab --dry-run
             rae-auto import crontab --disable-source
             rae-auto import systemd ~/.config/systemd/user/backup.timer
             rae-auto import cronstable /etc/cronstable.d
             rae-auto import task-scheduler Backup.xml --output backup.toml
    """

    type: ClassVar[str] = "import"
    example: ClassVar[Mapping[str, Any]] = {"what": "crontab", "dry_run": True}

    what: Literal[
        "crontab",
        "systemd",
        "launchd",
        "cronstable",
        "yacron",
        "task-scheduler",
        "apscheduler",
        "github-actions",
        "claude-code",
        "openclaw",
    ] = field(metadata={"argument": True, "help": "the kind of source"})
    files: tuple[str, ...] = field(
        default=(), converter=tuple, metadata={"argument": True, "help": "the files of the source, or its folder"}
    )
    user: bool = field(default=False, metadata={"help": "the file has the form of a user's crontab"})
    system: bool = field(
        default=False,
        metadata={
            "help": "crontabs with a column of users; without FILE those in /etc, and timers in /etc/systemd/system"
        },
    )
    output: str = field(default="rae.toml", metadata={"help": "the configuration to write; it must not exist"})
    dry_run: bool = field(default=False, metadata={"help": "print the configuration, and write nothing"})
    disable_source: bool = field(default=False, metadata={"help": "comment the imported lines out, or stop the timers"})
    restore_source: bool = field(default=False, metadata={"help": "undo --disable-source, and import nothing"})

    def __attrs_post_init__(self) -> None:
        if self.user and self.system:
            raise ValueError("takes either --user or --system: a crontab has a column of users, or it has none")
        if self.what in ONE_FILE_KINDS and len(self.files) > 1:
            raise ValueError(f"takes one file or folder of {self.what}; run it again for {self.files[1]!r}")

    @property
    def file(self) -> str | None:
        """The only file, of kinds that take one."""
        return self.files[0] if self.files else None

    def run(self, context: CommandContext) -> int:
        """Import, or undo the switching off. Errors: BadRequest, OSError."""
        from rae_plugins.commands.importing.procedure import import_source, restore_source  # lazy: start-up

        return restore_source(self) if self.restore_source else import_source(self)


@hookimpl
def rae_commands() -> list[type[ImportCommand]]:
    """Return the command."""
    return [ImportCommand]
