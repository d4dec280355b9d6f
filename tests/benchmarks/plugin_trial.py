"""From a save to what `plugins try` shows of it: `python tests/benchmarks/plugin_trial.py [SAVES]`.

Each save replaces the file of a schedule, as editors do, and is timed until the pane has the frame of it. The modules
of rae-auto that had to be imported for a save are counted: none, once two workers stand by.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

from rae_auto.offline.trial.messages import TrialRequest
from rae_auto.offline.trial.session import TrialSession, TrialView

REST_SECONDS = 2.0
"""Time between saves, in which another worker gets ready."""

MAX_FRAME_SECONDS = 30.0
"""Time for one frame, after which the benchmark fails."""

PLUGIN = '''
from datetime import datetime, timedelta

from attrs import field, frozen

from rae_auto.api import ScheduleTrigger
from rae_auto.hookspecs import hookimpl

RAE_API = 1
EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


@frozen
class Lunar(ScheduleTrigger):
    """Fires every so many hours; save number {number}."""

    type = "lunar"
    every: int = field(default={number}, metadata={{"help": "hours"}})

    def next_after(self, instant: datetime) -> datetime | None:
        step = timedelta(hours=self.every)
        try:
            return EPOCH + ((instant - EPOCH) // step + 1) * step
        except OverflowError:
            return None


@hookimpl
def rae_triggers():
    return [Lunar]
'''


async def measure(saves: int) -> tuple[list[float], int]:
    """Return the seconds from each save to its frame, and how many modules of rae-auto were imported."""
    views: asyncio.Queue[TrialView] = asyncio.Queue()
    delays, imported = [], 0
    with tempfile.TemporaryDirectory() as place:
        file = Path(place, "lunar.py")
        save(file, 1)
        async with TrialSession(TrialRequest(target=str(file), zone="Europe/Berlin"), views.put_nowait):
            await wait_for(views, 1)
            for number in range(2, saves + 2):
                await asyncio.sleep(REST_SECONDS)
                save(file, number)
                saved_at = time.monotonic()
                view = await wait_for(views, number)
                delays.append(time.monotonic() - saved_at)
                imported += len(view.frame.imported) if view.frame else 0
    return delays, imported


def save(file: Path, number: int) -> None:
    draft = file.with_suffix(".new")
    draft.write_text(PLUGIN.format(number=number))
    draft.rename(file)


async def wait_for(views: "asyncio.Queue[TrialView]", number: int) -> TrialView:
    """Return the view of a save. Raises RuntimeError with what the pane has if it doesn't come."""
    lines: list[str] = []
    try:
        async with asyncio.timeout(MAX_FRAME_SECONDS):
            while True:
                view = await views.get()
                lines = [line for section in view.sections for line in section.lines]
                if f'{{ type = "lunar", every = {number} }}' in lines:
                    return view
    except TimeoutError:
        raise RuntimeError(f"no frame of save {number} in {MAX_FRAME_SECONDS:.0f} s; the pane has {lines}") from None


def main(saves: int) -> None:
    delays, imported = asyncio.run(measure(saves))
    ms = sorted(delay * 1000 for delay in delays)
    print(f"{saves} saves: p50 {statistics.median(ms):.0f}, p95 {ms[int(len(ms) * 0.95)]:.0f}, most {ms[-1]:.0f} ms")
    print(f"modules of rae-auto that were imported for them: {imported}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
