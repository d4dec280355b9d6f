"""The SQLite store: keeps state in one file; every commit survives a power cut.

Files in the state directory:

| file                        | content                                                                              |
| --------------------------- | ------------------------------------------------------------------------------------ |
| `state.sqlite`              | the database, with `-wal` and `-shm` while it is open                                |
| `state.clean`               | an empty mark: the last process closed the database                                  |
| `state-<time>.bak`          | backup copies, the newest three                                                      |
| `state.sqlite.corrupt-<time>` | a damaged database, as it was found                                                 |

Format (version 1, in `user_version`; `application_id` is "RAEA"): a row of `documents` is a document by kind and key, a
row of `entries` an entry of a log, in the order of `seq`. Both carry the CRC-32 of their JSON text in `crc`, because
SQLite has checksums for its write-ahead log only and does not notice flipped bits in the file itself.

Commit rule: a commit is one transaction, with a write-ahead log and `synchronous = FULL`, so it is durable when
`commit` returns. A transaction that a kill cuts off leaves no trace.

Recovery, when the store is opened:

1. The file is missing or empty, though a mark or a copy shows that it existed: the newest good copy replaces it.
2. SQLite cannot read it, or (only without the mark, because that takes time) `quick_check` fails: the damaged file is
   renamed, and the newest good copy replaces it. A copy is good if its format is known and `quick_check` passes.
3. There is no good copy: the store refuses to open and changes nothing.
4. The format is newer, or the file belongs to another program: the store refuses to open, without using a copy.
5. A full disk or missing permission (`OperationalError`) is not damage: the store refuses to open.

The commits after the copy are lost, and the message says from when on. A row with a wrong checksum costs that row only:
`load` returns a `CorruptDocument`, and `query` and `dump` raise `StoreDamaged`, so that it is never silently believed.

Backup copies are made with SQLite's backup API (whole or not at all), when a store that was written to is closed, and
once a day while it stays open.
"""

from rae_auto.api.store import Store
from rae_auto.hookspecs import hookimpl
from rae_plugins.stores.sqlite.store import SqliteStore


@hookimpl
def rae_stores() -> list[type[Store]]:
    """Return the SQLite store."""
    return [SqliteStore]
