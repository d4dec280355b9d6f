"""Notifications: each delivery in a task of its own, with a time limit, never in the way of a run.

The engine decides what is delivered and what follows a failure: it gets the end of each delivery.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from rae_auto.api.notifier import Notice, Notifier
from rae_auto.api.plugin import Kind
from rae_auto.engine.events import DeliveryEnded
from rae_auto.model.notices.outbox import OutboxNotice
from rae_auto.model.primitives.formatting import blame, describe_error
from rae_auto.registry.author_hints import describe_author_hint
from rae_auto.registry.containment import is_foreign
from rae_auto.registry.quarantine import Quarantine, is_environmental
from rae_auto.runtime.concurrency.background_tasks import BackgroundTasks
from rae_auto.runtime.reporting.notices import make_notice
from rae_auto.toolkit.secrets.masking import mask_known_secrets

NOTIFY_TIMEOUT_SECONDS = 30.0
"""Seconds that a notifier may take."""

LAST_NOTICES_SECONDS = 5.0
"""Seconds that deliveries may still take at a stop."""


Describe = Callable[[Sequence[OutboxNotice]], Awaitable[Notice]]
"""Makes the notice that is delivered for those of the outbox, and may read for it."""


async def describe_alone(decided: Sequence[OutboxNotice]) -> Notice:
    """Return the first of these notices, without reading further facts."""
    return make_notice(decided[0])


class Notifications:
    """The notifiers, and the deliveries to them that have not ended."""

    def __init__(
        self,
        notifiers: Mapping[str, Notifier],
        report: Callable[[DeliveryEnded], None],
        *,
        quarantine: Quarantine | None = None,
        describe: Describe = describe_alone,
    ) -> None:
        """`report` takes the end of each delivery, but for those that a stop cuts off or that come after it."""
        self._describe = describe
        self._report = report
        self._quarantine = quarantine or Quarantine(lambda *_: "unknown")
        self.notifiers = notifiers
        self._is_closing = False
        self._tasks = BackgroundTasks("a notifier")
        self._calls = BackgroundTasks("a call of a notifier")

    def deliver(self, notices: Sequence[OutboxNotice]) -> None:
        """Start to deliver notices for one notifier, as one."""
        # At a stop they are left to the next daemon.
        if not self._is_closing:
            name = notices[0].notifier
            self._tasks.start(self._deliver(name, notices), name=name, owner=f"notifier {name}")

    async def close(self, limit_seconds: float = LAST_NOTICES_SECONDS) -> None:
        """Start no more deliveries, and give those in progress this many seconds to finish.

        Calls that are cancelled then get a moment to end, because a task that the loop drops unfinished is reported.
        """
        self._is_closing = True
        await self._tasks.wait(limit_seconds)
        await self._calls.close()

    async def _deliver(self, name: str, notices: Sequence[OutboxNotice]) -> None:
        error = await self._find_error(name, notices)
        self._report(DeliveryEnded(tuple(notice.key for notice in notices), error))

    async def _find_error(self, name: str, notices: Sequence[OutboxNotice]) -> str | None:
        """Deliver, and return in one line why that failed, if it did."""
        notifier = self.notifiers.get(name)
        if notifier is None:
            return f"it isn't configured; add [notifiers.{name}]"
        if not self._quarantine.may_use(Kind.NOTIFIER, notifier.type, name):
            return "it is quarantined after too many failures"
        try:
            await self._notify(notifier, await self._describe(notices))
        except BaseException as error:  # a failed delivery must not stop the daemon
            if is_foreign(error):
                raise
            self._quarantine.failed(Kind.NOTIFIER, notifier.type, name, error, is_reported=True)
            return self._describe_failure(notifier, error)
        self._quarantine.succeeded(Kind.NOTIFIER, notifier.type, name)
        return None

    def _describe_failure(self, notifier: Notifier, error: BaseException) -> str:
        """Return the error in one line; with the plugin and a hint for its author, if it is a mistake of the plugin."""
        if hasattr(error, "blamed_place"):
            text = self._quarantine.describe_failure(Kind.NOTIFIER, notifier.type, error)
            return f"{text}{describe_author_hint(Kind.NOTIFIER, text)}"
        if isinstance(error, ValueError | RuntimeError) or is_environmental(error):
            return mask_known_secrets(describe_error(error))
        return self._quarantine.describe_failure(Kind.NOTIFIER, notifier.type, error, with_hint=True)

    async def _notify(self, notifier: Notifier, notice: Notice) -> None:
        """Call the notifier. Raises what it raises, and TimeoutError also where it ignores being cancelled."""
        call = self._calls.start(_call(notifier, notice), name=notifier.type)
        try:
            await asyncio.wait({call}, timeout=NOTIFY_TIMEOUT_SECONDS)
            if not call.done():
                # Its author can limit the time, though the cause may be the network.
                raise blame(TimeoutError(f"it has not returned within {NOTIFY_TIMEOUT_SECONDS:g} s"), notifier.notify)
            if (error := call.result()) is not None:
                raise error
        finally:
            call.cancel()


async def _call(notifier: Notifier, notice: Notice) -> BaseException | None:
    """Return the error of a notifier. As the end of a task, SystemExit would end the event loop."""
    try:
        await notifier.notify(notice)
    except BaseException as error:  # whatever a plugin raises
        if is_foreign(error):
            raise
        return error
    return None
