"""An interactive trial: a worker for each save, keys for the active one, and the state to show."""

import asyncio
import signal
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from attrs import evolve, frozen

from rae_auto.model import documents
from rae_auto.offline.trial import hang
from rae_auto.offline.trial.messages import Key, TrialFrame, TrialRequest, TrialSection
from rae_auto.offline.trial.processes import TrialWorker, WorkerPool
from rae_auto.offline.trial.saves import SaveWatch
from rae_auto.toolkit.secrets.masking import mask_secrets, sort_secrets

HANG_SECONDS = 2.0
"""A worker without a sign of life for this time hangs."""

GIVE_UP_SECONDS = 10.0
"""A worker that hangs is killed after this time."""

REST_SECONDS = 0.2
"""Time after the first frame for what follows it, before other workers are started."""

SHOWN_PRINTS = 10
_CHECK_SECONDS = 0.5


@frozen(kw_only=True)
class TrialView:
    """The state of a trial at one moment; `frame` is None until the first one has arrived."""

    frame: TrialFrame | None = None
    sections: tuple[TrialSection, ...] = ()
    """The sections of the frame, and those of the viewer itself."""
    shown_after: float | None = None
    """Seconds from the save to its first frame."""
    trial: int = 0
    """The number of the trial, one more after each save."""
    has_failed: bool = False
    """True if the plugin has mistakes, hangs, or has ended its process."""
    received_at: float = 0.0
    """The reading of the monotonic clock when the frame came."""


class TrialSession:
    """A trial of what a request names, shown by `show` whenever there is something new. Use it as a context manager."""

    def __init__(self, request: TrialRequest, show: Callable[[TrialView], object]) -> None:
        self._request = request
        self._show = show
        self._directory = TemporaryDirectory(prefix="rae-auto-try-", ignore_cleanup_errors=True)
        self._pool = WorkerPool(Path(self._directory.name), 0 if request.is_once else 2)
        self._worker: TrialWorker | None = None
        self._watch: SaveWatch | None = None
        self._secrets: list[str] = []
        self._clock: tuple[datetime, bool, float] | None = None
        self._clear()
        self._ended = asyncio.Event()
        self._saved_at: float | None = None
        self._count = 0
        self._starting = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "TrialSession":
        """Begin the first trial."""
        if not self._request.is_once:
            self._watch = SaveWatch(self.try_again)
            self._add_files(_files_of(Path(self._request.target)))
        self._in_background(self._try())
        self._in_background(self._check_life())
        return self

    async def __aexit__(self, *_: object) -> None:
        """End all processes, and delete what they wrote."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._watch is not None:
            self._watch.close()
        async with self._starting:
            if self._worker is not None:
                await self._worker.end()
            await self._pool.close()
        self._directory.cleanup()

    @property
    def view(self) -> TrialView:
        """The present state of the trial."""
        frame = self._frame
        prints = [mask_secrets(line, self._secrets) for line in (self._worker.printed if self._worker else ())]
        sections = [*(frame.sections if frame else ()), *self._notes]
        if prints and (frame or self._notes):
            sections.append(TrialSection("prints", tuple(prints[-SHOWN_PRINTS:])))
        return TrialView(
            frame=frame,
            sections=tuple(sections),
            shown_after=self._shown_after,
            trial=self._count,
            has_failed=self._is_ended or bool(frame and frame.has_errors),
            received_at=self._received_at,
        )

    async def wait_until_complete(self) -> None:
        """Wait until a trial in "once" mode has nothing more to show."""
        await self._ended.wait()

    def press(self, key: Key, seconds: float = 0.0) -> None:
        """Hand a key to the active trial."""
        if self._worker is not None:
            self._worker.send(key, seconds)

    def try_again(self) -> None:
        """Start the trial again in a new process, as after a save."""
        self._saved_at = time.time()
        self._in_background(self._try())

    def _clear(self) -> None:
        self._frame: TrialFrame | None = None
        self._notes: tuple[TrialSection, ...] = ()
        self._is_ended = False
        self._shown_after: float | None = None
        self._received_at = self._alive_at = time.monotonic()

    def _in_background(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _try(self) -> None:
        async with self._starting:
            before = self._worker
            worker = await self._pool.take()
            request = self._with_clock()
            self._worker = worker
            self._count += 1
            self._clear()
            worker.on_message = lambda kind, body: self._receive(worker, kind, body)
            worker.send("try", documents.dump(request))
            if before is not None:
                await before.end()

    def _with_clock(self) -> TrialRequest:
        """Return the request with the clock going on from where it was."""
        if self._clock is None:
            return self._request
        at, is_running, read_at = self._clock
        elapsed = timedelta(seconds=time.monotonic() - read_at) if is_running else timedelta()
        return evolve(self._request, clock=at + elapsed, is_running=is_running)

    def _receive(self, worker: TrialWorker, kind: str, body: Any) -> None:
        if worker is not self._worker:
            return
        self._alive_at = time.monotonic()
        match kind:
            case "secrets":
                self._secrets = sort_secrets(body)
                return
            case "ready" | "alive" if not self._notes:
                return
            case "frame":
                self._take(documents.load(TrialFrame, body))
            case "ended":
                self._note("ended", describe_end(body, self._find_place(worker)), is_ended=True)
                return
            case "alive":
                self._notes = ()
        self._show(self.view)

    def _take(self, frame: TrialFrame) -> None:
        is_first, self._frame, self._notes = self._frame is None, frame, ()
        self._received_at = time.monotonic()
        self._clock = frame.clock, frame.is_running, self._received_at
        if is_first and self._saved_at is not None and self._count > 1:
            self._shown_after = time.time() - self._saved_at
        if self._watch is not None:
            self._add_files([Path(file) for file in frame.files])
        if is_first:
            # Not before: they would slow this one down.
            asyncio.get_running_loop().call_later(REST_SECONDS, self._pool.fill)
        if frame.is_complete:
            self._ended.set()

    def _add_files(self, files: list[Path]) -> None:
        assert self._watch is not None
        try:
            self._watch.add(files)
        except OSError as error:
            self._note("watching", f"saves may go unnoticed: {error}; the key r tries again")

    def _note(self, title: str, text: str, *, is_ended: bool = False) -> None:
        self._notes = (TrialSection(title, (mask_secrets(text, self._secrets),)),)
        self._is_ended = self._is_ended or is_ended
        if is_ended:
            self._ended.set()
        self._pool.fill()
        self._show(self.view)

    def _find_place(self, worker: TrialWorker) -> str:
        files = [Path(file) for file in self._frame.files] if self._frame else []
        path = Path(self._request.target).resolve()
        return hang.find_place(worker.folder, [*files, *([path] if path.exists() else [])])

    async def _check_life(self) -> None:
        """Name what blocks the worker, and kill it in the end."""
        while True:
            await asyncio.sleep(_CHECK_SECONDS)
            worker, silence = self._worker, time.monotonic() - self._alive_at
            if worker is None or not worker.is_ready or self._is_ended or silence < HANG_SECONDS:
                continue
            place = self._find_place(worker)
            text = f"{f'{place}: ' if place else ''}nothing else has had its turn for {silence:.0f} s"
            if silence < GIVE_UP_SECONDS:
                self._note("hangs", f"{text}; await what takes long, or end the loop")
                continue
            worker.on_message = lambda _kind, _body: None
            worker.kill()
            self._note("hangs", f"{text}, so it was ended; await what takes long, or end the loop", is_ended=True)


def _files_of(path: Path) -> list[Path]:
    """Return the files of a target that is a path; those of one that is a name are known with its first frame."""
    if path.is_dir():
        return [path / "pyproject.toml", *path.glob("*.py"), *path.glob("src/**/*.py")]
    return [path] if path.is_file() or path.suffix == ".py" else []


def describe_end(code: int, place: str) -> str:
    """Return how a worker ended by itself."""
    how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
    return f"{f'{place}: ' if place else ''}the plugin has ended its process {how}; let it return or raise instead"
