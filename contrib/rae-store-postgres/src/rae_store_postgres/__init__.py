"""The PostgreSQL store: daemons on several machines use one database, and one of them leads.

Tables (in `schema.sql`): `documents` and `entries` are what any store keeps, each row with a CRC-32 over all its
columns; `claim` has one row, `nodes` and `messages` serve the daemons that stand by.

Commit rule: a commit is one call of the function `commit_changes`, which is one transaction. It first checks the token
of the claim and prolongs the claim, which locks its row, so that a claim can't change hands in the middle of a commit.
A daemon that is stopped between two statements can't exist: there is only one. `synchronous_commit` is never less than
`on`. If the connection is lost during a commit, it is unknown whether it was carried out: the daemon repeats it, and a
repeated commit changes nothing.

The promise of one start decision for each occurrence is a unique key: the digest of job, trigger and key of each run.
Who would decide again what an earlier leader has decided is refused, and reads the store again.

Drivers that were measured (Python 3.11, PostgreSQL 15, socket): asyncpg 5.4 MB and 128 µs a query, psycopg 3 with its C
part 14 MB and 57 to 100 µs, pg8000 10 MB and 190 µs. asyncpg was chosen because a daemon is judged by its memory, and
because the claim has to be renewed and notifications received while a commit is in progress, which suits one loop.
"""

from rae_auto.api import Store
from rae_auto.hookspecs import hookimpl

RAE_API = 1


@hookimpl
def rae_stores() -> list[type[Store]]:
    """Return the PostgreSQL store."""
    from rae_store_postgres.store import PostgresStore  # lazy: start-up

    return [PostgresStore]
