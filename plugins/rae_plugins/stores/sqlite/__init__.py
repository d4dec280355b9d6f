"""The SQLite store: keeps state in one file; every commit survives a power cut.

Files in the state directory:

| file                          | content                                                                            |
| ----------------------------- | ---------------------------------------------------------------------------------- |
| `state.sqlite`                | the database, with `-wal` and `-shm` while it is open                              |
| `state.commits`               | the mark: the number of the last commit (see `commit_line`)                        |
| `state.clean`                 | the proof of a clean stop: the checksum of all bytes of the database               |
| `state-<time>.bak`            | backup copies, the newest three                                                    |
| `state.sqlite.corrupt-<time>` | a damaged database as it was found, with its `-wal`                                |
| `rows.corrupt-<time>.json`    | damaged rows as they were found                                                    |
| `state.sqlite.repaired`       | a repaired database that is about to take its place                                |

Format (version 1, in `user_version`; `application_id` is "RAEA"): a row of `documents` is a document by kind and key, a
row of `entries` an entry of a log, in the order of `seq`. Both carry a CRC-32 of all their columns in `crc`, because
SQLite has checksums for its write-ahead log only and does not notice flipped bits in the file itself. `last_commit` has
one row, the number of the last commit. `entry_counts` has the numbers of entries by log, job and state, which triggers
keep and a check makes right again; pruning finds by them where too many are.

Reads come from a second thread with connections of their own (in `reading`), and hold up no commit.

Commit rule: a commit is one transaction, with a write-ahead log and `synchronous = FULL`; then its number is written
to the mark and synced; then `commit` returns. A transaction that a kill cuts off leaves no trace.

Opening the store (in `opening`):

1. A repair that was interrupted is finished.
2. Nothing says that a store ever existed (no database, no mark, no copy): it is created, whole or not at all.
3. The files are surveyed as bytes, before SQLite sees them (in `recovery`): the header, the log (in `wal_check`), and
   the numbers of the last commit in the database, the log and the mark.
4. Without the proof of a clean stop, SQLite checks all pages and indexes, and every row is held against its checksum.
   Of a large file, that is done with the documents alone, and with the rest while the store is in use (in
   `later_check`), unless a proof that doesn't fit says that something is damaged.
5. If 3 or 4 finds a problem, the newest good state that the files and the copies yield replaces them (in `recovery`).
   The damaged files are kept. The message says what was lost and since when.
6. Without any good state, or if another program or a newer rae-auto wrote the files, the store refuses to open and
   changes nothing. A full disk or missing permission is not damage.
7. Rows with wrong checksums are kept in a file, each once. Damaged entries are deleted. A document of a kind
   that nothing loads gets the kind back that its checksum proves, or that differs in one byte; if there is none, it is
   deleted. Other damaged documents stay, and `load` returns them as `CorruptDocument`. `query` and `dump` leave out
   what is damaged, and count it.

Damage that shows while the store is open is repaired in the same way at once; the call that met it raises StoreDamaged.

Backup copies are made with SQLite's backup API, when a store that was written to is closed, and once a day while it
stays open. A copy is checked like in step 4 before it replaces an older one.

A copy for which a stop has no time is given up, and the log says so. No proof of a clean stop is left then, because
nothing was checked: the next start checks the file, and copies it beside the commits.
"""

from rae_auto.api.store import Store
from rae_auto.hookspecs import hookimpl
from rae_plugins.stores.sqlite.store import SqliteStore


@hookimpl
def rae_stores() -> list[type[Store]]:
    """Return the SQLite store."""
    return [SqliteStore]
