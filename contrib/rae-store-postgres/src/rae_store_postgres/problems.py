"""Errors of the driver, the network and the server: which of them time heals, and each in words with a remedy."""

import asyncpg

from rae_auto.errors import StoreError
from rae_store_postgres.tls import describe_tls_problem

NETWORK_ERRORS = (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
"""Errors of a connection.

InternalClientError is what asyncpg makes of a connection that the server ends while a statement is being prepared
("cannot switch to state 12; another operation (2) is in progress"). The connection then is of no more use, and doesn't
count as closed by itself.
"""

WAITING_CODES = frozenset({"57P01", "57P02", "57P03", "53300", "25006"})
"""SQLSTATEs of a server that is stopping, starting, full or still in recovery: it will serve later."""

_MIGRATE = "run 'rae-auto postgres migrate'"
_RESTORE = "restore the database from a backup"
_HINTS = {
    "08P01": "connect to the server itself, not to a proxy that pools transactions",
    "22P05": _RESTORE,
    "25006": "name the primary in the dsn",
    "26000": "connect to the server itself, not to a proxy that pools transactions",
    "28000": "compare the user and the sslmode in the dsn with pg_hba.conf on the server",
    "28P01": "correct the password in the dsn",
    "3D000": "create it with CREATE DATABASE, or name another one in the dsn",
    "3F000": _MIGRATE,
    "42501": "give the role its rights with 'rae-auto postgres migrate --grant ROLE'",
    "42704": "create it first, or correct its name",
    "42883": _MIGRATE,
    "42P01": _MIGRATE,
    "53100": "make room on the disk of the server",
    "53200": "give the server more memory",
    "53300": "raise max_connections on the server",
    "XX001": _RESTORE,
    "XX002": "rebuild the index with REINDEX on the server",
}
"""Remedies for errors of the server, by SQLSTATE."""


class ServerAway(StoreError):
    """The server doesn't answer now, and may do so later."""


def is_temporary(error: BaseException) -> bool:
    """Return whether an error says that the server doesn't answer now, and may do so later."""
    if isinstance(error, StoreError):
        return isinstance(error, ServerAway)
    if describe_tls_problem(error) is not None:
        return False
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        return state in WAITING_CODES or state.startswith("08") or isinstance(error, asyncpg.PostgresConnectionError)
    return isinstance(error, NETWORK_ERRORS) and not isinstance(error, asyncpg.ProtocolError | ValueError)


def describe_problem(error: BaseException) -> str:
    """Return what is wrong, and the remedy, in one line."""
    if (problem := describe_tls_problem(error)) is not None:
        return problem
    text = " ".join(str(error).split())
    if isinstance(error, asyncpg.PostgresError):
        hint = _HINTS.get(error.sqlstate or "")
        return f"{' '.join(str(error.args[0]).split())}; {hint}" if hint and error.args else text
    if isinstance(error, TimeoutError):
        return "it doesn't answer; check the server, and the network up to it"
    if isinstance(error, OSError):
        return f"{text or type(error).__name__}; check that the server runs, and the host and the port in the dsn"
    if isinstance(error, NETWORK_ERRORS):
        return text or type(error).__name__
    # Such as a time in a damaged row that Python has no value for.
    return f"{type(error).__name__}: {text}"
