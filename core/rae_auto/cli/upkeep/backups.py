"""The commands backup and restore: the contents of the store as one file."""

from pathlib import Path
from typing import Any

import click

from rae_auto.cli import options
from rae_auto.cli.queries import connect, print_notices
from rae_auto.errors import DaemonUnreachable
from rae_auto.model.primitives.escaping import escape_line
from rae_auto.model.primitives.formatting import format_count
from rae_auto.views.tables import print_json


@click.command("backup")
@click.argument("file")
@click.option("--replace", is_flag=True, help="Replace the file if it exists.")
@options.config
@options.as_json
def backup_command(file: str, replace: bool, config: str | None, json_: bool) -> None:
    """Write the contents of the store to a file. Works without a daemon.

    Example: rae-auto backup --replace ~/rae-auto.backup
    """
    backup = _backup(Path(file).expanduser().absolute(), replace, config)
    if json_:
        print_json(backup)
    else:
        click.echo(f"wrote {format_count(backup['changes'], 'record')} to {escape_line(backup['path'])}")


def _backup(path: Path, replace: bool, config: str | None) -> dict[str, Any]:
    try:
        with connect(config, timeout=None) as client:
            record: dict[str, Any] = client.call("backup", path=str(path), replace=replace)
            return record
    except DaemonUnreachable:
        from rae_auto.offline import queries  # lazy: start-up

        project = options.load_project(config)
        record = queries.backup(project, path, replace=replace)
        print_notices(project)
        return record


@click.command("restore")
@click.argument("file")
@click.option("--replace", is_flag=True, help="Replace the store if there is one; the old one is moved aside.")
@options.config
@options.as_json
def restore_command(file: str, replace: bool, config: str | None, json_: bool) -> None:
    """Restore the store from a backup, which may be from another kind of store. Stop the daemon first.

    Example: rae-auto restore ~/rae-auto.backup
    """
    from rae_auto.offline.restore import restore  # lazy: start-up

    restored = restore(options.load_project(config), Path(file).expanduser(), replace=replace)
    if json_:
        print_json({**restored.backup.record(), "aside": restored.aside and str(restored.aside)})
        return
    count = format_count(restored.backup.changes, "record")
    click.echo(f"restored {count} from the backup of {restored.backup.created_at.isoformat()}")
    if restored.aside:
        click.echo(f"the old store is now in {escape_line(restored.aside)}")
