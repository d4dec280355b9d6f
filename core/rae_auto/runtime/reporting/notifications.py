"""Notifications: each notice in a task of its own, with a time limit, never in the way of a run."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from loguru import logger

from rae_auto.api.notifier import Notice, Notifier
from rae_auto.api.plugin import Kind
from rae_auto.engine.effects import Notify
from rae_auto.model.primitives.formatting import describe_error
from rae_auto.registry.quarantine import Quarantine
from rae_auto.runtime.concurrency.background_tasks import BackgroundTasks
from rae_auto.runtime.reporting.notices import notice_of

NOTIFY_TIMEOUT_SECONDS = 30.0
"""Seconds that a notifier may take."""

LAST_NOTICES_SECONDS = 5.0
"""Seconds that deliveries may still take at a stop."""


Describe = Callable[[Notify], Awaitable[Notice]]
"""Makes the notice of a wish, and may read for it."""


async def describe_end(wish: Notify) -> Notice:
    """Return the notice of a wish with what is at hand."""
    return notice_of(wish)


class Notifications:
    """The notifiers, and the deliveries to them that have not ended."""

    def __init__(
        self,
        notifiers: Mapping[str, Notifier],
        quarantine: Quarantine | None = None,
        describe: Describe = describe_end,
    ) -> None:
        self._describe = describe
        self._quarantine = quarantine or Quarantine(lambda *_: "unknown")
        self.notifiers = notifiers
        self._tasks = BackgroundTasks("a notifier")
        self._calls = BackgroundTasks("a call of a notifier")

    def send(self, wish: Notify) -> None:
        """Deliver the notice through every notifier that the job names, or through all."""
        # Begun now, so that the facts are those of this moment, and awaited by all deliveries.
        describing = asyncio.ensure_future(self._describe(wish))
        for name in wish.job.notify.via or self.notifiers:
            self._tasks.start(self._describe_and_deliver(name, describing), name=name, owner=f"notifier {name}")

    async def close(self, limit_seconds: float = LAST_NOTICES_SECONDS) -> None:
        """Let deliveries finish for so many seconds."""
        await self._tasks.wait(limit_seconds)

    async def _describe_and_deliver(self, name: str, describing: "asyncio.Future[Notice]") -> None:
        await self._deliver(name, await asyncio.shield(describing))

    async def _deliver(self, name: str, notice: Notice) -> None:
        log = logger.bind(job=notice.job, run=notice.run)
        notifier = self.notifiers.get(name)
        if notifier is None:
            log.error('notifier "{}" isn\'t configured, so this notice was not delivered: {}', name, notice.text)
            return
        if not self._quarantine.may_use(Kind.NOTIFIER, notifier.type, name):
            log.error('notifier "{}" is quarantined, so this notice was not delivered: {}', name, notice.text)
            return
        try:
            await self._notify(notifier, notice)
        except (Exception, SystemExit) as error:  # a failed delivery must not stop the daemon
            log.error('notifier "{}" failed: {}; not delivered: {}', name, describe_error(error), notice.text)
            self._quarantine.failed(Kind.NOTIFIER, notifier.type, name, error, is_reported=True)
        else:
            self._quarantine.succeeded(Kind.NOTIFIER, notifier.type, name)

    async def _notify(self, notifier: Notifier, notice: Notice) -> None:
        """Call the notifier. Raises what it raises, and TimeoutError also where it ignores being cancelled."""
        call = self._calls.start(_call(notifier, notice))
        try:
            await asyncio.wait({call}, timeout=NOTIFY_TIMEOUT_SECONDS)
            if not call.done():
                raise TimeoutError
            if (error := call.result()) is not None:
                raise error
        finally:
            call.cancel()


async def _call(notifier: Notifier, notice: Notice) -> Exception | SystemExit | None:
    """Return the error of a notifier. As the end of a task, SystemExit would end the event loop."""
    try:
        await notifier.notify(notice)
    except (Exception, SystemExit) as error:  # whatever a plugin raises
        return error
    return None
