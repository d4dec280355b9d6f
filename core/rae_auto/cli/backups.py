"""backup, restore: all that the store holds, as one file."""

from pathlib import Path
from typing import Any

import click

from rae_auto.cli import options
from rae_auto.control.client import Client
from rae_auto.errors import DaemonUnreachable
from rae_auto.views.escaping import visible_line
from rae_auto.views.tables import print_json


@click.command("backup")
@click.argument("file")
@click.option("--replace", is_flag=True, help="Also where the file exists.")
@options.config
@options.as_json
def backup_command(file: str, replace: bool, config: str | None, json_: bool) -> None:
    """Write all that is known of jobs and runs to a file; also while no daemon runs.

    Example: rae-auto backup --replace ~/rae-auto.backup
    """
    made = _backup(Path(file).expanduser().absolute(), replace, config)
    if json_:
        print_json(made)
    else:
        click.echo(f"wrote {made['changes']} documents and entries to {visible_line(made['path'])}")


def _backup(path: Path, replace: bool, config: str | None) -> dict[str, Any]:
    try:
        with Client(timeout=None) as client:
            made: dict[str, Any] = client.call("backup", path=str(path), replace=replace)
            return made
    except DaemonUnreachable:
        from rae_auto.offline.queries import backup

        return backup(options.load_project(config), path, replace=replace)


@click.command("restore")
@click.argument("file")
@click.option("--replace", is_flag=True, help="Also where there is a store; it is moved aside.")
@options.config
@options.as_json
def restore_command(file: str, replace: bool, config: str | None, json_: bool) -> None:
    """Make the store of the configuration, of whatever kind, from a backup; only while no daemon runs.

    Example: rae-auto restore ~/rae-auto.backup
    """
    from rae_auto.offline.restore import restore

    made = restore(options.load_project(config), Path(file).expanduser(), replace=replace)
    if json_:
        print_json({**made.backup.record(), "aside": made.aside and str(made.aside)})
        return
    click.echo(f"restored {made.backup.changes} documents and entries of {made.backup.created_at.isoformat()}")
    if made.aside:
        click.echo(f"the old store is now in {visible_line(made.aside)}")
