"""Restores a store from a backup while no daemon runs.

The new store is built in a directory of its own, beside the old one, and takes its place when it is complete (see
`store_move`); the old one is moved aside. If anything fails before that, nothing has changed.
"""

import shutil
from itertools import islice
from pathlib import Path

from attrs import frozen

from rae_auto.api.store import Setback
from rae_auto.errors import StoreError
from rae_auto.offline.project import Project
from rae_auto.records.backup_files import Backup, changes_of, examine
from rae_auto.records.state_directory import claim_state_directory
from rae_auto.records.store_move import (
    BUILDING_DIRECTORY,
    COMPLETE_DIRECTORY,
    finish_move,
    is_of_store,
    move_into_place,
    note_setback,
)
from rae_auto.toolkit.files import DirectoryLock, create_private_directory, sync_directory

BATCH_SIZE = 1000
"""The number of changes committed at once."""


@frozen
class RestoreResult:
    """A backup that was restored, and the directory of the old store, if there was one."""

    backup: Backup
    aside: Path | None


def restore(project: Project, source: Path, *, replace: bool) -> RestoreResult:
    """Create the store of a project from a backup, which may be of another kind of store.

    Errors: StoreLocked if a daemon is running; StoreDamaged if the backup is; StoreError if there is a store and not
    `replace`, or if the disk fails. After an error nothing has changed.
    """
    backup = examine(source)
    directory = claim_state_directory(project.directory)
    finish_move(directory)
    lock = DirectoryLock(directory)
    try:
        if any(map(is_of_store, directory.iterdir())) and not replace:
            raise StoreError(f"{directory} already has a store; 'rae-auto restore --replace' moves it aside")
        new = _build_store(project, directory / BUILDING_DIRECTORY, source, backup)
        new.rename(directory / COMPLETE_DIRECTORY)
        sync_directory(directory)
        aside = move_into_place(directory)
    finally:
        lock.release()
    return RestoreResult(backup, aside)


def _build_store(project: Project, directory: Path, source: Path, backup: Backup) -> Path:
    """Build a new store from the backup in a directory, and return the directory."""
    if directory.exists():
        # An earlier attempt was interrupted.
        shutil.rmtree(directory)
    with project.open_store(create_private_directory(directory)) as store:
        if next(store.dump(), None) is not None:
            # A store that isn't in the directory, for instance on a server.
            raise StoreError(
                f"the {store.type} store is outside the state directory and not empty; empty it first, or name another "
                "one in the configuration"
            )
        changes = changes_of(source)
        while batch := list(islice(changes, BATCH_SIZE)):
            store.commit(batch)
    # It moves in together with the store: the next daemon must not repeat what ran since the backup was made.
    note_setback(directory, Setback(backup.created_at, None), is_restore=True)
    sync_directory(directory)
    return directory
