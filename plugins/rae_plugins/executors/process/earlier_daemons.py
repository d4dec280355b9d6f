"""Notes in the executor's directory: the boot of the last daemon, and the keepers that may still be running."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from rae_auto.toolkit.files import write_atomically
from rae_plugins.executors.process.identity import ProcessIdentity
from rae_plugins.executors.process.process_table import read_boot

BOOT_NOTE = "boot.json"
KEEPER_DIRECTORY = "keepers"


def note_boot(directory: Path, me: ProcessIdentity) -> bool:
    """Note that this daemon runs in this boot; return whether the last daemon ran in the same one.

    Several executors of a daemon share the directory. So the note says which daemon wrote it and what that found out:
    only the first executor of a daemon compares boots.
    """
    note, boot, daemon = directory / BOOT_NOTE, read_boot(), me.record()
    last: object = None
    with suppress(OSError, ValueError):
        last = json.loads(note.read_bytes())
    found = last if isinstance(last, dict) else {}
    if found.get("daemon") == daemon and found.get("boot") == boot:
        return found.get("is_same_boot") is True
    # Without a note no daemon has used the directory, so a reboot can't have undone anything.
    is_same = boot is not None and (last is None or found.get("boot") == boot)
    content = {"boot": boot, "daemon": daemon, "is_same_boot": is_same}
    write_atomically(note, json.dumps(content).encode())
    return is_same


def note_keeper(directory: Path, keeper: ProcessIdentity) -> None:
    """Note that a keeper has been started; call it before its first job."""
    notes = directory / KEEPER_DIRECTORY
    notes.mkdir(mode=0o700, exist_ok=True)
    (notes / f"{keeper.pid}.json").write_text(json.dumps(keeper.record()))


def find_live_keepers(directory: Path) -> list[ProcessIdentity]:
    """Return the keepers of all daemons that are alive; the notes of others are removed."""
    alive = []
    for path, keeper in list(_read_keepers(directory / KEEPER_DIRECTORY)):
        if keeper is not None and keeper.is_alive():
            alive.append(keeper)
        else:
            path.unlink(missing_ok=True)
    return alive


def list_keepers(directory: Path) -> list[ProcessIdentity]:
    """Return the keepers of all daemons that are noted, whether or not they are alive."""
    return [keeper for _, keeper in _read_keepers(directory / KEEPER_DIRECTORY) if keeper is not None]


def _read_keepers(notes: Path) -> Iterator[tuple[Path, ProcessIdentity | None]]:
    for path in notes.iterdir() if notes.is_dir() else ():
        with suppress(OSError, ValueError):
            yield path, ProcessIdentity.from_record(json.loads(path.read_bytes()))
