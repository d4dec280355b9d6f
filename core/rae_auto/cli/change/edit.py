"""The command edit: a job in the editor of a person, checked before it takes effect."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from attrs import evolve

from rae_auto.cli import options
from rae_auto.cli.change.add import print_warnings
from rae_auto.cli.interactive.editor import open_editor
from rae_auto.cli.plain.configuration import config_path
from rae_auto.cli.queries import connect
from rae_auto.errors import ConfigError, DaemonUnreachable, SchedulerError
from rae_auto.model.primitives.escaping import escape_line, escape_text
from rae_auto.paths import find_config, home_or_root


@click.command("edit")
@options.job
@options.config
def edit_command(job: str, config: str | None) -> int:
    """Open a job in your editor, check what you wrote, and let it take effect.

    A job of the configuration is edited in its file, which the daemon then reads again; one that was added by hand, as
    a table of its own. Mistakes are listed, and you can correct them. The editor is that of VISUAL or EDITOR. The exit
    code is 2 if you give up, which changes nothing.

    Example: rae-auto edit backup
    """
    try:
        with connect(config) as client:
            shown = client.call("show", job=job)
            daemon_config = client.call("status")["config"]
    except DaemonUnreachable:
        return _edit_file(job, config_path(config), config)
    if shown["info"]["origin"] == "store":
        return _edit_added(job, shown["definition"], config)
    return _edit_file(job, find_config(config) or Path(daemon_config), config)


def _edit_file(job: str, path: Path, config: str | None) -> int:
    """Edit the configuration at the line of the job, until it has no mistakes, and have the daemon read it."""
    from rae_auto.config import check  # lazy: start-up
    from rae_auto.config.files.fragments import find_job_file  # lazy: start-up
    from rae_auto.registry import Registry  # lazy: start-up
    from rae_auto.views.status import describe_reload, describe_restarts  # lazy: start-up

    file = find_job_file(path, job)
    before = file.read_bytes()

    def apply() -> str:
        report = check(path, Registry())
        if report.errors:
            raise ConfigError(report.errors)
        if file.read_bytes() == before:
            return "nothing was changed"
        try:
            with connect(config, timeout=None) as client:
                changes = client.call("reload")
        except DaemonUnreachable:
            return f"saved {escape_text(str(file))}"
        return "\n".join(map(escape_line, (describe_reload(changes), *describe_restarts(changes))))

    return _edit_until_valid(
        file, _line_of(job, file), apply, f"{file} still has mistakes; a daemon goes on with what it has read"
    )


def _edit_added(job: str, definition: dict[str, Any], config: str | None) -> int:
    """Edit an added job as the text of a file, until the daemon takes it."""
    from rae_auto.config.definitions import read_job  # lazy: start-up
    from rae_auto.config.job_file import read_job_file  # lazy: start-up
    from rae_auto.config.job_text import format_job  # lazy: start-up
    from rae_auto.model import documents  # lazy: start-up
    from rae_auto.registry import Registry  # lazy: start-up

    old = read_job(definition)
    path = Path(tempfile.mkdtemp(prefix="rae-auto-")) / f"{job}.toml"
    path.write_text(format_job(old))
    path.chmod(0o600)

    def apply() -> str:
        # The text is in a folder of its own, which is not the job's.
        read = read_job_file(path, Registry(), None, {}, Path(old.directory) if old.directory else home_or_root())
        new = evolve(read, directory=old.directory)
        if new.id != job:
            raise ConfigError([f"the table is that of {new.id}; 'rae-auto rename {job} {new.id}' gives another name"])
        if new != old:
            with connect(config) as client:
                print_warnings(client.call("add", definition=documents.dump(new), replace=True, via="command_line"))
        path.unlink()
        path.parent.rmdir()
        return "nothing was changed" if new == old else f"changed {escape_line(job)}"

    return _edit_until_valid(path, 1, apply, f"{job} is as it was; your text is in {path}")


def _edit_until_valid(path: Path, line: int, apply: Callable[[], str], otherwise: str) -> int:
    """Open the editor again and again until the text can be applied, or the person gives up; return the exit code."""
    while True:
        open_editor(path, line)
        try:
            click.echo(apply())
        except SchedulerError as error:
            for problem in str(error).splitlines():
                click.echo(f"rae-auto: {escape_line(problem)}", err=True)
        else:
            return 0
        try:
            is_continued = click.confirm("edit again?", default=True, err=True)
        except click.Abort:
            is_continued = False
        if not is_continued:
            click.echo(f"rae-auto: {escape_line(otherwise)}", err=True)
            return 2


def _line_of(job: str, path: Path) -> int:
    """Return the line of a job in a configuration, which may have mistakes; 1 if it isn't there."""
    from rae_auto.config.toml.positions import lines_of  # lazy: start-up

    try:
        return lines_of(path.read_text()).get(("jobs", job), 1)
    except ValueError:
        return 1
