"""The line to one worker, through the scheduler: one message under way for requests, and one that waits for reports.

A reply is checked before it counts: a worker whose reply makes no sense, as that of another program or version, counts
as one that doesn't answer. What fails otherwise is a fault of the helper. The senders of the requests get it, and
`start_task`, the function of the helper that starts all its tasks, ends the helper with it: a line never ends in
silence.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple, Protocol

MESSAGE_SECONDS = 15.0
"""Time that a message may take, from here through the scheduler to the worker and back."""

POLL_SECONDS = 4.0
"""Time for which a worker holds a poll when there is nothing to report."""

PAUSE_SECONDS = 0.5
"""Time before a worker that didn't answer is asked again."""

Message = dict[str, Any]
Batch = list[tuple[Message, asyncio.Future[Any]]]
"""Requests, and the answers that are waited for."""


class Unreachable(Exception):
    """A worker that does not answer, or whose answer makes no sense."""


class LineUser(Protocol):
    """An attempt, as its line sees it."""

    token: str
    run: str
    offset: int
    is_reported: bool


class Callbacks(NamedTuple):
    """The functions that a line needs: a call, which raises Unreachable, the handlers of reports and of silence."""

    call: Callable[[str, Message, float], Any]
    handle_reports: Callable[[list[Message]], None]
    report_failure: Callable[[str], None]
    start_task: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]


class WorkerLine:
    """Asks one worker about attempts, for as long as there are some."""

    def __init__(self, address: str, session: str, callbacks: Callbacks) -> None:
        """Ask the worker at `address`, as the one and only helper of this session."""
        self.address = address
        self._session = session
        self._call, self._handle_reports, self._report_failure, self._start_task = callbacks
        self.users: dict[str, LineUser] = {}
        self._messages: Batch = []
        self._under_way: Batch = []
        self._is_closed = False
        self._sending: asyncio.Task[None] | None = None
        self._polling: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()

    def add(self, user: LineUser, *, is_fresh: bool = False) -> None:
        """Report the progress of an attempt from now on. The worker adds a fresh one to polls by itself."""
        self.users[user.token] = user
        if not is_fresh:
            self._changed.set()
        if self._polling is None or self._polling.done():
            self._polling = self._start_task(self._poll())

    def remove(self, token: str) -> None:
        """Report no more on an attempt."""
        self.users.pop(token, None)

    def close(self) -> None:
        """Ask no more."""
        for task in (self._polling, self._sending):
            if task is not None:
                task.cancel()
        self._is_closed = True
        # Those under way, too: what is cancelled may take its time.
        for _, future in [*self._under_way, *self._messages]:
            _fail(future, Unreachable(self.address))
        self._messages.clear()

    async def send(self, message: Message) -> Any:
        """Send a request together with others; return the answer. Raises Unreachable."""
        if self._is_closed:
            raise Unreachable(self.address)
        future = asyncio.get_running_loop().create_future()
        self._messages.append((message, future))
        if self._sending is None or self._sending.done():
            self._sending = self._start_task(self._send_all())
        return await future

    async def _send_all(self) -> None:
        while self._messages:
            self._under_way, self._messages = self._messages, []
            try:
                answers = await self._ask([message for message, _ in self._under_way])
            except Exception as error:  # whatever it is, who waits for an answer must not wait for ever
                for _, future in self._under_way:
                    _fail(future, error)
                continue
            for (_, future), answer in zip(self._under_way, answers, strict=True):
                if not future.done():
                    future.set_result(answer)

    async def _ask(self, messages: list[Message]) -> list[tuple[str, Message | None]]:
        """Return the answers of the worker, each with the relay that gave it. Raises Unreachable."""
        reply = await self._call(self.address, {"do": "batch", "messages": messages}, MESSAGE_SECONDS)
        relay, answers = reply.get("relay"), reply.get("answers")
        if (
            not isinstance(relay, str)
            or not isinstance(answers, list)
            or len(answers) != len(messages)
            or not all(answer is None or isinstance(answer, dict) for answer in answers)
        ):
            raise Unreachable(f"{self.address}: its answers to {len(messages)} messages make no sense")
        return [(relay, answer) for answer in answers]

    async def _poll(self) -> None:
        while self.users:
            self._changed.clear()
            attempts = {token: [user.run, user.offset, user.is_reported] for token, user in self.users.items()}
            message = {"do": "poll", "session": self._session, "seconds": POLL_SECONDS, "attempts": attempts}
            call = asyncio.ensure_future(self._call(self.address, message, POLL_SECONDS + MESSAGE_SECONDS / 2))
            changed = asyncio.ensure_future(self._changed.wait())
            try:
                await asyncio.wait({call, changed}, return_when=asyncio.FIRST_COMPLETED)
                if not call.done():
                    # Ask again, which has the keeper answer this one.
                    continue
                reports = _read_reports(self.address, call.result())
            except Unreachable:
                self._report_failure(self.address)
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            finally:
                changed.cancel()
                call.cancel()
            self._handle_reports(reports)


def _read_reports(address: str, reply: Message) -> list[Message]:
    """Return the reports in a reply. Raises Unreachable."""
    reports = reply.get("reports")
    if not isinstance(reports, list) or not all(
        isinstance(report, dict) and isinstance(report.get("token"), str) for report in reports
    ):
        raise Unreachable(f"{address}: its reports make no sense")
    return reports


def _fail(future: asyncio.Future[Any], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
