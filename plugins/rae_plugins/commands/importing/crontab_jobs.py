"""A crontab as jobs: the user's own, a system crontab, a file of /etc/cron.d, or a folder of run-parts."""

import getpass
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import define, field

from rae_auto.model.primitives.formatting import quote
from rae_auto.toolkit.environment import is_root
from rae_auto.toolkit.validators import zone_name
from rae_plugins.commands.importing.crontab_lines import (
    BadLine,
    CommentLine,
    EntryLine,
    VariableLine,
    find_foreign_field,
    parse_crontab,
    split_input,
)
from rae_plugins.commands.importing.crontab_remarks import find_remarks, find_user_column
from rae_plugins.commands.importing.imported import FireTimes, Import, ImportedJob, JobNames, Leftover
from rae_plugins.triggers.cron import CronTrigger
from rae_plugins.triggers.cron.foreign_forms import find_equivalent, split_random_fields

_MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_FOLDER_SCHEDULES = {"hourly": "17 * * * *", "daily": "25 6 * * *", "weekly": "47 6 * * 7", "monthly": "52 6 1 * *"}
"""When Debian's /etc/crontab runs each folder."""

RUN_PARTS_NAME = re.compile(r"[A-Za-z0-9_-]+")
"""The names of files in /etc/cron.d and in folders of run-parts that count; others are left alone."""

_BACKGROUND = re.compile(r"(?<![&>])&\s*$|\b(nohup|setsid|daemonize|start-stop-daemon)\b")

DEFAULTS: Mapping[str, Any] = {"catch_up": "none", "overlap": "allow"}
"""As cron does: a missed start stays missed, and a start doesn't wait for the run before."""


@define
class CrontabReader:
    """Reads crontabs into jobs, with names that occur once."""

    names: JobNames = field(factory=JobNames)
    own_user: str = field(factory=lambda: _own_user())
    is_root: bool = field(factory=is_root)

    def read(self, text: str, source: str, *, has_users: bool | None) -> Import:
        """Return the jobs of a crontab. `source` names it in messages.

        Where it isn't known if it `has_users` (None), it is read as one without them, and a remark says if it seems
        to have some.
        """
        entries: list[ImportedJob | Leftover] = []
        variables: dict[str, str] = {}
        bad_zone = ""
        # For each job its receiver: None for the user, and "" for a job of which nothing is mailed.
        mail_to: set[str | None] = set()
        first_words: list[str] = []
        above: list[str] = []

        def flush() -> None:
            if above:
                entries.append(Leftover(tuple(above)))
                above.clear()

        for number, line in parse_crontab(text, has_users=bool(has_users)):
            match line:
                case CommentLine(None):
                    flush()
                case CommentLine(comment):
                    above.append(comment or "")
                case VariableLine(name, value):
                    flush()
                    variables[name] = value
                    if name == "CRON_TZ":
                        problem = _find_zone_problem(value)
                        bad_zone = f"line {number}" if problem else ""
                        entries += [Leftover((f"{name}={value}",), f"line {number}: {problem}")] if problem else []
                case BadLine(bad, problem):
                    entries.append(Leftover((*above, bad), f"line {number} {problem}, so cron doesn't run it either"))
                    above.clear()
                case EntryLine():
                    first_words += line.command.split()[:1]
                    if bad_zone and line.schedule.lower() != "@reboot":
                        remark = f"line {number}: its time zone is that of {bad_zone}, which is unknown"
                        entries.append(Leftover((*above, f"{line.schedule} {line.command}"), remark))
                    else:
                        mail_to.add(variables.get("MAILTO"))
                        entries.append(self._read_entry(line, number, dict(variables), tuple(above)))
                    above.clear()
        flush()
        remarks = tuple(find_remarks(text, mail_to))
        if has_users is None:
            remarks += tuple(find_user_column(first_words))
        return Import(source, entries, remarks, DEFAULTS)

    def read_folder(self, folder: Path) -> Import:
        """Return a job for each program in a folder of run-parts, as /etc/cron.daily. Errors: OSError."""
        period = folder.name.removeprefix("cron.").removeprefix("periodic.")
        schedule = _FOLDER_SCHEDULES.get(period, "25 6 * * *")
        entries: list[ImportedJob | Leftover] = []
        for path in sorted(folder.iterdir()):
            if not RUN_PARTS_NAME.fullmatch(path.name) or not os.access(path, os.X_OK) or not path.is_file():
                if path.name != ".placeholder":
                    entries.append(Leftover((str(path),), "run-parts leaves it out: by its name, or not executable"))
                continue
            table = {"command": [str(path)], "schedule": schedule, "cwd": "/"}
            remarks = () if period in _FOLDER_SCHEDULES else (f"the folder doesn't say when; {schedule!r} is a guess",)
            job = ImportedJob(
                id=self.names.take(path.name), table=table, remarks=remarks, times=(FireTimes("cron", schedule),)
            )
            entries.append(job)
        remark = "cron runs the programs of the folder one after the other; here each is a job of its own"
        return Import(str(folder), entries, (remark,), DEFAULTS)

    def _read_entry(
        self, line: EntryLine, number: int, variables: dict[str, str], comments: tuple[str, ...]
    ) -> ImportedJob | Leftover:
        remarks: list[str] = []
        table: dict[str, Any] = {}
        times: tuple[FireTimes, ...] = ()
        # An empty one means the machine's, as in cron.c of cronie.
        zone = variables.pop("CRON_TZ", None) or None
        jitter = variables.pop("RANDOM_DELAY", None)
        if line.schedule.lower() == "@reboot":
            table["trigger"] = {"type": "system", "on": ["boot"]}
            remarks.append("starts once in each boot, when the daemon has started; cron does when cron has started")
        else:
            try:
                if line.schedule.startswith("@") and line.schedule.lower() not in _MACROS:
                    raise ValueError(_describe_foreign_time(line))
                trigger, times = _read_schedule(line.schedule, zone, jitter, remarks)
            except ValueError as error:
                if "never matches" not in str(error):
                    return Leftover((*comments, f"{line.schedule} {line.command}"), f"line {number}: {error}")
                trigger, times = {"trigger": {"type": "manual"}}, ()
                remarks.append(f"{line.schedule!r} never comes, so it is started by hand: 'rae-auto trigger JOB'")
            table |= trigger
        if (foreign := find_foreign_field(line.schedule)) is not None:
            return Leftover((*comments, f"{line.schedule} {line.command}"), f"line {number}: {foreign}")
        if line.command.startswith("*"):
            problem = (
                "the command begins with *, which Debian's cron refuses; of six fields remove the one of the seconds"
            )
            return Leftover((*comments, f"{line.schedule} {line.command}"), f"line {number}: {problem}")
        command, given = split_input(line.command)
        if not command:
            return Leftover((*comments, line.schedule), f"line {number}: the command is empty")
        table = {"shell": command, **table}
        if given is not None:
            table["stdin"] = given
        self._add_user(line.user, table, remarks)
        _add_variables(variables, table, remarks)
        if line.is_quiet:
            remarks.append('the "-" before the fields keeps cron from logging it; here each run is on record')
        if _BACKGROUND.search(command):
            table["executor"] = {"type": "process", "orphans": "allow"}
            remarks.append("what it leaves in the background goes on, as with cron; no run of rae-auto knows of it")
        if "/usr/sbin/anacron" in command or "command -v anacron" in command:
            remarks.append("where anacron is installed, that runs the folder, and this job does nothing")
        return ImportedJob(
            id=self.names.choose(command),
            table=table,
            comments=comments,
            remarks=tuple(remarks),
            times=times,
            lines=(number,),
        )

    def _add_user(self, user: str | None, table: dict[str, Any], remarks: list[str]) -> None:
        name = user or self.own_user
        home = _home_of(name)
        if home is not None:
            table["cwd"] = home
        else:
            remarks.append(f"there is no user {name!r} here; cron runs it in the home directory, set cwd")
        if user is None or user == self.own_user:
            return
        if self.is_root and home is not None:
            table["user"] = user
        else:
            remarks.append(f'runs as {user!r} by cron; set user = "{user}" once a daemon of root runs it')


def _describe_foreign_time(line: EntryLine) -> str:
    """Return the meaning of a time that only other programs know, and how it is written here: `@every 5m`."""
    words = [line.schedule, *line.command.split()[:1]] if line.schedule.lower() == "@every" else [line.schedule]
    text = " ".join(words)
    return f"{quote(text)} {find_equivalent(text) or 'is not a time of crontab(5)'}"


def _read_schedule(
    schedule: str, zone: str | None, jitter: str | None, remarks: list[str]
) -> tuple[dict[str, Any], tuple[FireTimes, ...]]:
    """Return the keys of a schedule, and its times as cron has them. Raises ValueError."""
    text = schedule.lower() if schedule.startswith("@") else schedule
    options: dict[str, Any] = {"expression": text}
    random = split_random_fields(text.upper().split())
    if random is not None:
        options["expression"], options["jitter"] = random
        remarks.append("cron chooses the random time when it reads the crontab; here each start has another")
    elif jitter is not None and jitter.isdecimal() and int(jitter):
        options["jitter"] = f"{int(jitter)}m"
    if zone is not None:
        options["timezone"] = zone
    CronTrigger(**options)
    times = FireTimes("cron", _MACROS.get(text, options["expression"]), zone)
    if len(options) == 1:
        return {"schedule": text}, (times,)
    return {"trigger": {"type": "cron", **options}}, (times,)


def _add_variables(variables: Mapping[str, str], table: dict[str, Any], remarks: list[str]) -> None:
    env = {name: value for name, value in variables.items() if name not in ("SHELL", "MAILTO", "MAILFROM", "HOME")}
    shell = variables.get("SHELL")
    if shell not in (None, "/bin/sh", "sh"):
        table["shell_program"] = shell
    if "HOME" in variables:
        env["HOME"] = variables["HOME"]
        table["cwd"] = variables["HOME"]
    for name in ("LOGNAME", "USER"):
        if name in env:
            del env[name]
            remarks.append(f"{name} can't be set in a crontab either, so it is left out")
    if "CONTENT_TYPE" in env or "CONTENT_TRANSFER_ENCODING" in env:
        env = {name: value for name, value in env.items() if not name.startswith("CONTENT_")}
        remarks.append("CONTENT_TYPE is for the mails of cron, which nothing sends here")
    bad = [name for name in env if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name)]
    remarks += [
        f"the variable {name!r} has a name that no shell takes; its value was {env.pop(name)!r}" for name in bad
    ]
    if env:
        table["env"] = env


def _find_zone_problem(name: str) -> str:
    """Return the problem of a value of CRON_TZ, empty if it has none."""
    try:
        zone_name(name or None)
    except ValueError as error:
        return f"CRON_TZ: {error}. What is below it is left out, up to the next CRON_TZ"
    return ""


def _own_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid()) if hasattr(os, "getuid") else ""


def _home_of(user: str) -> str | None:
    if user == _own_user():
        return str(Path.home())
    try:
        import pwd  # lazy: start-up; not on Windows

        return pwd.getpwnam(user).pw_dir
    except (ImportError, KeyError):
        return None


def combine_imports(imports: Sequence[Import], source: str) -> Import:
    """Return several imports as one, each under a comment with its name."""
    entries: list[ImportedJob | Leftover] = []
    remarks: dict[str, None] = {}
    for one in imports:
        entries += [Leftover((f"from {one.source}",)), *one.entries]
        remarks |= dict.fromkeys(one.remarks)
    return Import(source, entries, tuple(remarks), DEFAULTS)
