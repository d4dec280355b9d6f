"""A thread with an event loop of its own, which holds the connections to PostgreSQL.

The store is called from threads, while the claim has to be renewed, and notices come in, whatever these do: so all
connections belong to this one loop, and callers wait for its answers.
"""

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import asyncpg
from attrs import define, field, frozen

from rae_auto.errors import StoreError
from rae_auto.toolkit.secrets import SecretText, to_secret_text
from rae_store_postgres.tls import describe_tls_problem, find_missing_file

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection

CONNECT_SECONDS = 5.0
"""Time for a connection to be made."""

CALL_SECONDS = 30.0
"""Time for an answer of the server, after which the connection counts as lost."""

T = TypeVar("T")

DRIVER_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
"""Errors of the driver and of the network.

InternalClientError is what asyncpg makes of a connection that the server ends while a statement is being prepared
("cannot switch to state 12; another operation (2) is in progress"). The connection then is of no more use, and doesn't
count as closed by itself.
"""

WAITING_CODES = frozenset({"57P01", "57P02", "57P03", "53300", "25006"})
"""SQLSTATEs of a server that is stopping, starting, full or still in recovery: it will serve later."""


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
    return isinstance(error, DRIVER_ERRORS) and not isinstance(error, asyncpg.ProtocolError)


@frozen
class Address:
    """The place of the tables: how to connect, and the schema."""

    dsn: SecretText = field(converter=to_secret_text)
    schema: str
    application: str = "rae-auto"

    @property
    def place(self) -> str:
        """The server and the database, as messages show them: without the user and the password."""
        text = self.dsn.unresolved_text
        if text.startswith("${"):
            return "PostgreSQL"
        try:
            parts = urlsplit(text)
            host = parts.hostname or ",".join(parse_qs(parts.query).get("host", ())) or "the local server"
            port = f":{parts.port}" if parts.port else ""
        except ValueError:
            return "PostgreSQL"
        return f"PostgreSQL at {host}{port}{parts.path}"

    async def connect(self) -> Connection:
        """Connect. Errors: StoreError."""
        settings = {"search_path": quote_name(self.schema), "application_name": self.application, "timezone": "UTC"}
        try:
            # Each time, so that a new password needs no restart.
            dsn = await self.dsn.reveal_async("dsn")
            if (missing := find_missing_file(dsn)) is not None:
                raise StoreError(f"the dsn of the postgres store can't be used: {missing}")
            async with asyncio.timeout(CONNECT_SECONDS):
                return await asyncpg.connect(dsn, server_settings=settings, command_timeout=CALL_SECONDS)
        except BaseException as error:
            raise self.explain(error, "can't be reached") from error

    def explain(self, error: BaseException, what: str = "failed") -> BaseException:
        """Return the error of rae-auto for one of the driver or the network; any other as it is."""
        if isinstance(error, StoreError):
            return error
        kind = ServerAway if is_temporary(error) else StoreError
        if (problem := describe_tls_problem(error)) is not None:
            return kind(f"{self.place} {what}: {problem}")
        if isinstance(error, asyncpg.PostgresError):
            text = " ".join(str(error).split())
            return kind(f"{self.place} {what}: {text}{_hint(error)}")
        if isinstance(error, TimeoutError):
            return kind(f"{self.place} {what}: it doesn't answer")
        if isinstance(error, DRIVER_ERRORS):
            return kind(f"{self.place} {what}: {' '.join(str(error).split()) or type(error).__name__}")
        if isinstance(error, ValueError):
            return kind(f"the dsn of the postgres store can't be used: {error}")
        return error


def quote_name(name: str) -> str:
    """Return a name as SQL has it, whatever characters it has."""
    return '"' + name.replace('"', '""') + '"'


def _hint(error: asyncpg.PostgresError) -> str:
    if error.sqlstate in ("42P01", "42883", "3F000"):
        return "; run 'rae-auto postgres migrate'"
    if error.sqlstate == "42501":
        return "; give the role its rights with 'rae-auto postgres migrate --grant ROLE'"
    return ""


@define(eq=False)
class LoopThread:
    """The thread, from its start on until `stop`."""

    _loop: asyncio.AbstractEventLoop
    _thread: threading.Thread

    @classmethod
    def start(cls) -> "LoopThread":
        """Start the thread."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=_serve, args=(loop,), name="postgres", daemon=True)
        thread.start()
        return cls(loop, thread)

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Return the result of a coroutine that the thread runs."""
        return self.submit(coroutine).result()

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> "Future[T]":
        """Have the thread run a coroutine. Raises StoreError if it has ended."""
        if not self._thread.is_alive() or self._loop.is_closed():
            coroutine.close()
            raise StoreError("the store is not open")
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def stop(self) -> None:
        """End the thread, and whatever still runs in it."""
        if not self._thread.is_alive():
            return
        with contextlib.suppress(CancelledError, StoreError, TimeoutError):
            self.submit(_cancel_others()).result(CONNECT_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CONNECT_SECONDS)


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    loop.run_forever()
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if others:
        await asyncio.wait(others, timeout=1.0)
