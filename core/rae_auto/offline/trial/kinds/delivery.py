"""Trials of notifiers and loggers: a sample notice is delivered, or a sample line written."""

from collections.abc import Iterable
from contextlib import suppress

from rae_auto.api.notifier import Notice
from rae_auto.model.policies import NotifyOn
from rae_auto.model.primitives.formatting import format_count
from rae_auto.model.primitives.names import JobId
from rae_auto.offline.trial.kinds.base import PluginTrial, TrialFailed
from rae_auto.offline.trial.messages import TrialSection

MAX_SHOWN_CHARACTERS = 500


class NotifierTrial(PluginTrial):
    """A trial of a notifier."""

    _line = "delivering a sample notice"
    _count = 0

    async def begin(self) -> None:
        """Deliver a notice, unless the options are placeholders."""
        if self.context.has_own_options:
            await self.ask()
        else:
            self._line = "nothing: the options are those of the example; give your own, or press a to deliver anyway"

    async def ask(self) -> None:
        """Deliver a notice."""
        self.in_background(self._deliver())

    def sections(self) -> Iterable[TrialSection]:
        """Return the result of the delivery."""
        yield TrialSection("delivered", (self._line,))

    async def _deliver(self) -> None:
        now = self.context.clock.now
        notice = Notice(kind=NotifyOn.FAILURE, job=JobId("sample"), at=now, text="a sample notice of rae-auto")
        try:
            await self.wait_for("notify", self.plugin.notify(notice))
            self._count += 1
            self._line = _with_count("a sample notice", self._count)
        except TrialFailed as error:
            self._line = f"nothing: {error}"


class LoggerTrial(PluginTrial):
    """A trial of a logger."""

    _line = ""
    _count = 0

    async def ask(self) -> None:
        """Write a line."""
        try:
            self.call(self._write)
            self._count += 1
            self._line = _with_count("a sample line", self._count)
        except TrialFailed as error:
            self._line = f"nothing: {error}"
        self.is_changed = True

    def sections(self) -> Iterable[TrialSection]:
        """Return what was written, and the files that it made."""
        yield TrialSection("written", (self._line,))
        for path in sorted(self.context.folder.rglob("*")):
            if path.is_file():
                with suppress(OSError):
                    text = path.read_text(errors="replace").strip()[-MAX_SHOWN_CHARACTERS:]
                    yield TrialSection(path.name, tuple(text.splitlines()))

    def _write(self) -> None:
        from loguru import logger

        logger.remove()
        logger.enable("rae_auto")  # a library is silent by itself
        sink = logger.add(**{**self.plugin.handler(self.context.folder), "catch": False, "colorize": False})
        try:
            logger.bind(job="sample").warning("a sample line of rae-auto")
            logger.complete()
        finally:
            logger.remove(sink)


def _with_count(what: str, count: int) -> str:
    return what if count == 1 else f"{what}, {format_count(count, 'time')}"
