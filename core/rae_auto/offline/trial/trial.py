"""A trial of all plugins of a file, a folder or a name: it inspects them, runs them, and sends frames."""

import asyncio
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rae_auto.api.executor import Executor
from rae_auto.api.guard import ComputedGuard, ReadGuard
from rae_auto.api.logger import Logger
from rae_auto.api.notifier import Notifier
from rae_auto.api.plugin import Kind
from rae_auto.api.store import Store
from rae_auto.api.trigger import ScheduleTrigger, SourceTrigger
from rae_auto.errors import SchedulerError
from rae_auto.model import documents
from rae_auto.model.primitives.zones import zone
from rae_auto.offline.authoring.checking import find_target, inspect_within_limit
from rae_auto.offline.trial import hang
from rae_auto.offline.trial.channel import Channel
from rae_auto.offline.trial.clock import TICK_SECONDS, TrialClock
from rae_auto.offline.trial.kinds.base import PluginTrial, TrialContext
from rae_auto.offline.trial.kinds.delivery import LoggerTrial, NotifierTrial
from rae_auto.offline.trial.kinds.executor import ExecutorTrial
from rae_auto.offline.trial.kinds.guard import GuardTrial
from rae_auto.offline.trial.kinds.schedule import ScheduleTrial
from rae_auto.offline.trial.kinds.source import SourceTrial
from rae_auto.offline.trial.kinds.store import StoreTrial
from rae_auto.offline.trial.messages import Key, TrialFrame, TrialRequest, TrialSection
from rae_auto.offline.trial.option_words import read_options, remember_secret_options
from rae_auto.registry.containment import show_plugin
from rae_auto.registry.inspection import Inspection
from rae_auto.registry.inspection.finding import Mistake, place_of_error
from rae_auto.toolkit.secrets.masking import list_known_secrets
from rae_auto.toolkit.secrets.secret import find_secrets

INSPECTION_SECONDS = 4.0
ONCE_SECONDS = 1.0
"""Real time for which a source is watched in a trial that is asked for once, while its clock goes on by `ONCE_SPAN`."""

ONCE_SPAN = timedelta(minutes=10)

MAX_DRIFT = timedelta(seconds=0.5)
"""Tolerated difference between the clock and the viewer's estimate from the last frame."""

MAX_OPTIONS_CHARACTERS = 1000
"""Characters of the options that are shown."""

_KINDS: Sequence[tuple[type | tuple[type, ...], type[PluginTrial]]] = (
    (ScheduleTrigger, ScheduleTrial),
    (SourceTrigger, SourceTrial),
    ((ComputedGuard, ReadGuard), GuardTrial),
    (Notifier, NotifierTrial),
    (Logger, LoggerTrial),
    (Executor, ExecutorTrial),
)


class Trial:
    """A trial in the process of a worker; `folder` is for what it writes."""

    def __init__(self, request: TrialRequest, folder: Path, channel: Channel) -> None:
        self._request = request
        self._folder = folder
        self._channel = channel
        self._zone = zone(request.zone)
        self._options = read_options(request.options)
        self._start = request.at
        self._clock = TrialClock(request.clock or request.at or datetime.now(UTC), is_running=request.is_running)
        self._parts: list[tuple[Sequence[TrialSection], PluginTrial | None]] = []
        self._has_errors = False
        self._sent = self._clock.now, 0.0
        self._modules = frozenset(sys.modules)
        self._target = Path(request.target).resolve()

    async def run(self) -> None:
        """Show the plugins until the viewer ends this process, or for once."""
        remember_secret_options(self._options)
        self._channel.send_secrets(list_known_secrets())
        try:
            self._parts = [self._begin(one) for one in self._inspect()]
        except SchedulerError as error:
            self._add_problem(str(error))
        for _, trial in self._parts:
            if trial is not None:
                await trial.begin()
        # Shown before the plugin runs, which may hang.
        self._send()
        await asyncio.sleep(0)
        if self._request.is_once:
            await self._run_once()
        else:
            await self._run_for_ever()

    async def handle(self, key: Key, seconds: float = 0.0) -> None:
        """Do what a key of the viewer asks for."""
        match key:
            case Key.MOVE if seconds >= 0:
                self._clock.move_ahead(timedelta(seconds=seconds))
            case Key.MOVE:
                await self._clock.set_back(timedelta(seconds=-seconds))
            case Key.NEXT:
                changes = [at for trial in self._trials() if (at := trial.find_next_change()) is not None]
                if changes:
                    self._clock.move_ahead(max(min(changes) - self._clock.now, timedelta()))
            case Key.HOLD:
                self._clock.is_running = not self._clock.is_running
            case Key.RESET:
                by = (self._start or datetime.now(UTC)) - self._clock.now
                await (self._clock.set_back(-by) if by < timedelta() else self._move_at_once(by))
            case Key.AGAIN:
                for trial in self._trials():
                    await trial.ask()
            case Key.EVENT:
                for trial in self._trials():
                    await trial.record_event()
        self._send()

    def fail(self, error: BaseException) -> None:
        """Show an error that a task of the plugin passed on to the event loop."""
        place = place_of_error(error, self._source_of(None))
        self._add_problem(f"{place}: a task of the plugin raised {error!r}; catch it there")

    async def _move_at_once(self, by: timedelta) -> None:
        self._clock.move_ahead(by)

    def _inspect(self) -> Iterator[Inspection]:
        for info in find_target(self._request.target).infos:
            try:
                yield inspect_within_limit(
                    info, self._options or None, timezone=self._request.zone, seconds=INSPECTION_SECONDS
                )
            except BaseException as error:  # a KeyboardInterrupt that the plugin raises
                place = place_of_error(error, self._source_of(None))
                yield Inspection(info, (Mistake("import", f"the module raises {error!r}; fix it there", place),))

    def _begin(self, found: Inspection) -> tuple[Sequence[TrialSection], PluginTrial | None]:
        heading = [TrialSection("", (f"{found.info.kind} {found.info.name} of {found.info.provenance}",))]
        if found.findings:
            heading.append(TrialSection("findings", tuple(mistake.describe() for mistake in found.findings)))
        self._has_errors = self._has_errors or bool(found.errors)
        plugin = found.instance
        if found.options_problem is not None:
            self._has_errors = True
            return [*heading, TrialSection("problem", (f"options: {found.options_problem}",))], None
        if plugin is None:
            reason = found.unavailable or "mend the mistakes first, or give the options"
            return [*heading, TrialSection("not tried", (reason,))], None
        for name, secret in find_secrets(plugin):
            if (problem := secret.find_problem(name)) is not None:
                heading.append(TrialSection("secret", (problem,)))
        self._channel.send_secrets(list_known_secrets())
        context = TrialContext(
            clock=self._clock,
            zone=self._zone,
            folder=self._make_folder(),
            source=self._source_of(type(plugin)),
            has_own_options=bool(self._options) or not type(plugin).example,
        )
        heading.append(TrialSection("options", (show_plugin(plugin, MAX_OPTIONS_CHARACTERS, with_defaults=True),)))
        trial = self._choose(plugin, context)
        if trial is None:
            more = "run it with its name" if found.info.kind is Kind.COMMAND else "there is nothing more to show"
            return [*heading, TrialSection("more", (more,))], None
        return heading, trial

    def _choose(self, plugin: Any, context: TrialContext) -> PluginTrial | None:
        if isinstance(plugin, Store):
            return StoreTrial(plugin, context, self._request)
        return next((cls(plugin, context) for kinds, cls in _KINDS if isinstance(plugin, kinds)), None)

    def _make_folder(self) -> Path:
        folder = self._folder / f"plugin-{len(list(self._folder.iterdir()))}"
        folder.mkdir(mode=0o700)
        return folder

    def _source_of(self, cls: type | None) -> Path | None:
        """Return the file or the folder of the code of a plugin; of the target, if it is a path."""
        module = sys.modules.get(cls.__module__) if cls is not None else None
        file = getattr(module, "__file__", None)
        if file is None:
            return self._target if self._target.exists() else None
        path = Path(file).resolve()
        return path.parent if path.name == "__init__.py" else path

    async def _run_once(self) -> None:
        if any(isinstance(trial, SourceTrial) for trial in self._trials()):
            for by in (timedelta(), ONCE_SPAN):
                self._clock.move_ahead(by)
                await self._go_on(ONCE_SECONDS / 2)
        while not all(trial.is_complete for trial in self._trials()):
            await self._go_on(TICK_SECONDS)
        self._send(is_complete=True)

    async def _run_for_ever(self) -> None:
        self._send()
        while True:
            await self._go_on(TICK_SECONDS)
            if any(trial.is_changed for trial in self._trials()) or self._is_clock_moved():
                self._send()

    async def _go_on(self, seconds: float) -> None:
        """Run the clock and the plugins for some real time."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while True:
            hang.show_life()
            self._channel.send("alive")
            await self._clock.tick()
            for trial in self._trials():
                await trial.follow_clock()
            left = end - loop.time()
            if left <= 0:
                return
            await asyncio.sleep(min(left, TICK_SECONDS))

    def _send(self, *, is_complete: bool = False) -> None:
        self._sent = self._clock.now, time.monotonic()
        sections = [section for heading, trial in self._parts for section in self._show(heading, trial)]
        frame = TrialFrame(
            clock=self._clock.now,
            is_running=self._clock.is_running,
            sections=tuple(sections),
            files=tuple(sorted(self._own_files())),
            has_errors=self._has_errors,
            is_complete=is_complete,
            imported=tuple(sorted(self._imported())),
        )
        self._channel.send("frame", documents.dump(frame))

    def _is_clock_moved(self) -> bool:
        """Return whether the clock shows another time than a viewer expects by the last frame."""
        at, sent_at = self._sent
        elapsed = timedelta(seconds=time.monotonic() - sent_at) if self._clock.is_running else timedelta()
        return abs(self._clock.now - at - elapsed) > MAX_DRIFT

    def _show(self, heading: Sequence[TrialSection], trial: PluginTrial | None) -> Iterable[TrialSection]:
        yield from heading
        if trial is not None:
            trial.is_changed = False
            yield from trial.sections()

    def _trials(self) -> list[PluginTrial]:
        return [trial for _, trial in self._parts if trial is not None]

    def _add_problem(self, text: str) -> None:
        self._has_errors = True
        self._parts.append(([TrialSection("problem", (text,))], None))

    def _imported(self) -> Iterator[str]:
        return (name for name in sys.modules.keys() - self._modules if name.split(".")[0] == "rae_auto")

    def _own_files(self) -> Iterator[str]:
        """Yield the files of modules that lie beside the plugin, or in its folder."""
        sources = set(self._sources())
        for module in list(sys.modules.values()):
            file = getattr(module, "__file__", None)
            if isinstance(file, str) and file.endswith(".py"):
                path = Path(file).resolve()
                is_own = (path.is_relative_to(one) if one.is_dir() else path.parent == one.parent for one in sources)
                if any(is_own) and "site-packages" not in path.parts:
                    yield str(path)

    def _sources(self) -> Iterator[Path]:
        for trial in self._trials():
            if trial.context.source is not None:
                yield trial.context.source
        if self._target.exists():
            yield self._target
