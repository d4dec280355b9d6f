"""The steps of an import: read, check, compare, write, and switch the source off."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from attrs import frozen

from rae_auto.errors import BadRequest
from rae_auto.model.primitives.escaping import escape_line, escape_text
from rae_auto.model.primitives.formatting import format_count
from rae_plugins.commands.importing.crontab_jobs import RUN_PARTS_NAME, CrontabReader, combine_imports
from rae_plugins.commands.importing.imported import Import, share_keys
from rae_plugins.commands.importing.launchd_agents import read_plists
from rae_plugins.commands.importing.proofs.comparison import describe_proofs, prove_job
from rae_plugins.commands.importing.readers import OFF_SWITCHES, read_files
from rae_plugins.commands.importing.source_files import read_source_text
from rae_plugins.commands.importing.source_switch import (
    change_file,
    disable_lines,
    disable_timers,
    read_user_crontab,
    restore_lines,
    restore_timers,
    write_user_crontab,
)
from rae_plugins.commands.importing.systemd_timers import find_timers, read_timers
from rae_plugins.commands.importing.toml_text import format_import
from rae_plugins.commands.importing.valid_jobs import (
    fit_to_this_machine,
    leave_out_invalid,
    leave_out_references,
)

if TYPE_CHECKING:
    from rae_plugins.commands.importing import ImportCommand

SYSTEM_CRONTAB = Path("/etc/crontab")
SYSTEM_FOLDER = Path("/etc/cron.d")
CHECK_TIMEOUT_SECONDS = 300

Disable = Callable[[Import], str]
"""Switches off what was imported of a source, and returns how much that was."""


@frozen
class CrontabSource:
    """A crontab: its name, its text, and its file; None for the user's own and for standard input.

    `has_users` is None where neither the place of the file nor an option says if there is a column of users.
    """

    name: str
    text: str
    has_users: bool | None
    path: Path | None = None


def import_source(command: "ImportCommand") -> int:
    """Import a source as the options say, and return the exit code. Errors: BadRequest, OSError."""
    if command.disable_source and (command.dry_run or command.file == "-"):
        raise BadRequest("--disable-source needs a source that is really imported; leave out --dry-run and '-'")
    found, disable = _READERS.get(command.what, _read_files)(command)
    output = Path(command.output).expanduser()
    if not command.dry_run and output.exists():
        raise BadRequest(
            f'{output} exists; name another file with --output and add it to include = ["conf.d/*.toml"], or '
            "look first with --dry-run"
        )
    if command.what not in OFF_SWITCHES:
        # Readers of the other kinds write references where the source has secrets.
        found = leave_out_references(found)
    found, text, errors = _keep_valid(fit_to_this_machine(found))
    is_written = bool(found.jobs) and not command.dry_run
    if is_written and not errors:
        # Never over a file that came meanwhile.
        with os.fdopen(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
    if command.dry_run:
        click.echo(escape_text(text), nl=False)
    for line in _summarize(found, errors, output if is_written else None):
        click.echo(escape_line(line), err=command.dry_run)
    if errors or not found.jobs:
        return 1
    if command.disable_source:
        click.echo(f"{disable(found)} of the source disabled; --restore-source undoes that")
    return 0


def _read_systemd(command: "ImportCommand") -> "tuple[Import, Disable]":
    paths, folders, source = find_timers(command.file, is_system=command.system)
    found = read_timers(paths, folders, source)

    def disable(kept: Import) -> str:
        names = [job.unit for job in kept.jobs]
        return format_count(disable_timers(names, folders[0], is_system=command.system), "timer")

    return found, disable


def _read_launchd(command: "ImportCommand") -> "tuple[Import, Disable]":
    if command.disable_source:
        raise BadRequest("--disable-source is not for launchd; run 'launchctl bootout' for what was imported")
    return read_plists(command.file, is_system=command.system), lambda _: ""


def _read_crontab(command: "ImportCommand") -> "tuple[Import, Disable]":
    reader = CrontabReader()
    folder = Path(command.file) if command.file and Path(command.file).is_dir() else None
    if folder is not None and not _is_cron_d(folder):
        return reader.read_folder(folder), lambda _: format_count(0, "line")
    sources = _read_sources(command)
    imports = [reader.read(source.text, source.name, has_users=source.has_users) for source in sources]
    found = imports[0] if len(imports) == 1 else combine_imports(imports, "the crontabs of the system")

    def disable(kept: Import) -> str:
        ids = {job.id for job in kept.jobs}
        # Line numbers are those of each source, which was read on its own.
        numbers = [[number for job in one.jobs if job.id in ids for number in job.lines] for one in imports]
        return format_count(sum(map(_disable, sources, numbers)), "line")

    return found, disable


_READERS: "Mapping[str, Callable[[ImportCommand], tuple[Import, Disable]]]" = {
    "crontab": _read_crontab,
    "systemd": _read_systemd,
    "launchd": _read_launchd,
}


def _read_files(command: "ImportCommand") -> "tuple[Import, Disable]":
    """Read a kind whose source stays as it is: switching it off is for the program that it is of."""
    if command.disable_source:
        raise BadRequest(f"--disable-source is not for {command.what}; {OFF_SWITCHES[command.what]}")
    return read_files(command.what, command.files), lambda _: ""


def restore_source(command: "ImportCommand") -> int:
    """Undo what --disable-source did. Errors: BadRequest, OSError."""
    if command.what in OFF_SWITCHES:
        raise BadRequest(f"--restore-source is not for {command.what}, of which nothing was switched off")
    if command.what == "launchd":
        raise BadRequest("--restore-source is not for launchd; run 'launchctl bootstrap' for what was imported")
    if command.what == "systemd":
        paths, folders, _ = find_timers(command.file, is_system=command.system)
        count = restore_timers([path.name for path in paths], folders[0], is_system=command.system)
        click.echo(f"{format_count(count, 'timer')} of the source restored")
        return 0
    restored = 0
    for source in _read_sources(command):
        if source.path is not None:
            restored += change_file(source.path, restore_lines)
        else:
            text, count = restore_lines(source.text)
            if count:
                write_user_crontab(text)
            restored += count
    click.echo(f"{format_count(restored, 'line')} of the source restored")
    return 0


def _disable(source: CrontabSource, numbers: list[int]) -> int:
    if source.path is not None:
        return change_file(source.path, lambda text: disable_lines(text, numbers))
    text, count = disable_lines(source.text, numbers)
    if count:
        write_user_crontab(text)
    return count


def _read_sources(command: "ImportCommand") -> list[CrontabSource]:
    if command.file == "-":
        return [CrontabSource("standard input", sys.stdin.read(), _has_users(None, command))]
    if command.file is not None:
        path = Path(command.file).expanduser()
        paths = _files_of(path) if path.is_dir() else [path]
        return [
            CrontabSource(str(one), read_source_text(one, "a crontab"), _has_users(one, command), one) for one in paths
        ]
    if command.system:
        paths = [path for path in (SYSTEM_CRONTAB, *_files_of(SYSTEM_FOLDER)) if path.is_file()]
        if not paths:
            raise BadRequest(f"there is neither {SYSTEM_CRONTAB} nor anything in {SYSTEM_FOLDER}; name a file")
        return [CrontabSource(str(one), read_source_text(one, "a crontab"), True, one) for one in paths]
    text = read_user_crontab()
    if not text.strip():
        raise BadRequest("the user has no crontab; name a file, or use --system for those of the system")
    return [CrontabSource("the crontab of the user", text, False)]


def _has_users(path: Path | None, command: "ImportCommand") -> bool | None:
    if command.user or command.system:
        return command.system
    return True if path is not None and (path == SYSTEM_CRONTAB or path.parent.name == "cron.d") else None


def _is_cron_d(folder: Path) -> bool:
    return folder.name == "cron.d"


def _files_of(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [path for path in sorted(folder.iterdir()) if path.is_file() and RUN_PARTS_NAME.fullmatch(path.name)]


def _keep_valid(found: Import) -> tuple[Import, str, list[str]]:
    """Return an import without the jobs that a check refuses, its text, and the errors that are of no job."""
    while True:
        shared = share_keys(found)
        text = format_import(shared)
        errors = _find_errors(text)
        # A job may depend on one that was left out, so what remains is checked again.
        remaining = leave_out_invalid(found, errors)
        if remaining is found:
            return shared, text, errors
        found = remaining


def _find_errors(text: str) -> list[str]:
    """Return the errors of a text as a configuration."""
    with tempfile.TemporaryDirectory(prefix="rae-import-") as directory:
        path = Path(directory) / "rae.toml"
        path.write_text(text)
        path.chmod(0o600)
        report = _check(path)
        return [str(line).replace(str(path), "the result") for line in report["errors"]]


def _check(path: Path) -> Mapping[str, Any]:
    command = [sys.executable, "-P", "-m", "rae_auto", "check", "--json", "--config", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=CHECK_TIMEOUT_SECONDS, check=False)
    try:
        report: Mapping[str, Any] = json.loads(done.stdout)
    except ValueError:
        raise BadRequest(f"'rae-auto check' failed: {done.stderr.strip()[:300]}") from None
    return report


def _summarize(found: Import, errors: list[str], output: Path | None) -> list[str]:
    made = sum(len(job.remarks) for job in found.jobs) + len(found.remarks)
    jobs, remarks = format_count(len(found.jobs), "job"), format_count(made, "remark")
    target = "nothing was written" if output is None or errors else f"written to {output}"
    lines = [f"{found.source}: {jobs}, {remarks}, {len(found.left_out)} left out; {target}"]
    lines += [f"  {job.id}: {remark}" for job in found.jobs for remark in job.remarks]
    lines += [f"  not imported: {one.remark}" for one in found.left_out]
    lines += [f"  {remark}" for remark in found.remarks]
    now = datetime.now(UTC)
    lines += describe_proofs([proof for job in found.jobs for proof in prove_job(job, now)])
    lines += [f"error: {line}" for line in errors]
    if output is not None and not errors:
        lines.append(
            f"'rae-auto check --config {output}' shows what may fail, 'rae-auto simulate --config {output}' what starts"
        )
    return lines
