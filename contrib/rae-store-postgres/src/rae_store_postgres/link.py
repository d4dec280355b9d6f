"""A thread with an event loop of its own, which holds the connections to PostgreSQL.

The store is called from threads, while the claim has to be renewed, and notices come in, whatever these do: so all
connections belong to this one loop, and callers wait for its answers.
"""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg
from attrs import define, field, frozen

from rae_auto.errors import SchedulerError, StoreError
from rae_auto.toolkit.secrets import SecretText, to_secret_text
from rae_store_postgres.dsn import UNREADABLE, Dsn, describe_place
from rae_store_postgres.problems import NETWORK_ERRORS, ServerAway, describe_problem, is_temporary

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection

CALL_SECONDS = 30.0
"""Time for an answer of the server, after which the connection counts as lost."""

CLOSE_SECONDS, STOP_SECONDS = 1.0, 5.0
"""Time for a connection, and for the thread, to end in good order."""

T = TypeVar("T")


@frozen
class Address:
    """The place of the tables: how to connect, and the schema.

    A connection whose other end vanishes is given up after about `silence_seconds`.
    """

    dsn: SecretText = field(converter=to_secret_text)
    schema: str
    application: str = "rae-auto"
    silence_seconds: float = 0.0

    @property
    def place(self) -> str:
        """The server and the database, as messages show them: without the user and the password."""
        return describe_place(self.dsn.unresolved_text)

    async def connect(self) -> Connection:
        """Connect. Errors: StoreError."""
        with self.translated("can't be reached"):
            try:
                # Each time, so that a new password needs no restart.
                dsn = Dsn.parse(await self.dsn.reveal_async("dsn"))
            except ValueError as error:
                raise StoreError(f"the dsn of the postgres store can't be used: {error}") from None
            return await self._connect_to_any(dsn)

    async def _connect_to_any(self, dsn: Dsn) -> Connection:
        *others, last = dsn.hosts
        for host in others:
            # Whatever is wrong with one, another may serve.
            with contextlib.suppress(asyncpg.PostgresError, *NETWORK_ERRORS):
                return await self._connect_to(dsn, host)
        return await self._connect_to(dsn, last)

    async def _connect_to(self, dsn: Dsn, host: Any) -> Connection:
        settings = {"search_path": quote_name(self.schema), "application_name": self.application, "timezone": "UTC"}
        try:
            async with asyncio.timeout(dsn.connect_seconds):
                connection = await asyncpg.connect(
                    dsn.text, **host, server_settings=settings, command_timeout=CALL_SECONDS
                )
        except ValueError as error:
            if isinstance(error, NETWORK_ERRORS):  # as a certificate that is refused
                raise
            # The text of the error may have a part of the password.
            raise StoreError(f"the dsn of the postgres store can't be used: {UNREADABLE}") from None
        dsn.limit_silence(connection, self.silence_seconds)
        return connection

    @contextlib.asynccontextmanager
    async def connected(self, what: str = "failed") -> AsyncIterator[Connection]:
        """Give a connection for the time of a `with` block. Errors: StoreError, for all that goes wrong in it too."""
        connection = await self.connect()
        try:
            with self.translated(what):
                yield connection
        finally:
            await disconnect(connection)

    @contextlib.contextmanager
    def translated(self, what: str = "failed") -> Iterator[None]:
        """Have whatever the driver or the network raises leave a `with` block as a StoreError.

        Nothing of the driver may reach a caller in another way: each call of it is in such a block.
        """
        try:
            yield
        except Exception as error:
            if (known := self.explain(error, what)) is error:
                raise
            raise known from error

    def explain(self, error: BaseException, what: str = "failed") -> BaseException:
        """Return the error of rae-auto for one of the driver or the network; a cancellation stays as it is."""
        if isinstance(error, SchedulerError) or not isinstance(error, Exception):
            return error
        kind = ServerAway if is_temporary(error) else StoreError
        return kind(f"{self.place} {what}: {describe_problem(error)}")


async def disconnect(connection: Connection) -> None:
    """Close a connection; one whose server doesn't answer is dropped."""
    try:
        await connection.close(timeout=CLOSE_SECONDS)
    except Exception:  # it is of no more use, whatever it is
        connection.terminate()


def quote_name(name: str) -> str:
    """Return a name as SQL has it, whatever characters it has."""
    return '"' + name.replace('"', '""') + '"'


@define(eq=False)
class LoopThread:
    """The thread, from its start on until `stop`."""

    _loop: asyncio.AbstractEventLoop
    _thread: threading.Thread
    _guard: threading.Lock = field(init=False, factory=threading.Lock)
    """Held while something is handed to the loop, so that nothing is after its end, which would never answer."""
    _is_stopped: bool = field(init=False, default=False)

    @classmethod
    def start(cls) -> "LoopThread":
        """Start the thread."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=_serve, args=(loop,), name="postgres", daemon=True)
        thread.start()
        return cls(loop, thread)

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Return the result of a coroutine that the thread runs. Raises StoreError if it ends meanwhile."""
        try:
            return self.submit(coroutine).result()
        except CancelledError:
            raise StoreError("the store was closed before it could answer") from None

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> "Future[T]":
        """Have the thread run a coroutine. Raises StoreError if it has ended."""
        with self._guard:
            if not self._is_stopped and self._thread.is_alive():
                return asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        coroutine.close()
        raise StoreError("the store is not open")

    def stop(self) -> None:
        """End the thread, and whatever still runs in it."""
        with self._guard:
            if self._is_stopped:
                return
            self._is_stopped = True
            ending = asyncio.run_coroutine_threadsafe(_cancel_others(), self._loop)
        with contextlib.suppress(CancelledError, TimeoutError):
            ending.result(STOP_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STOP_SECONDS)


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
