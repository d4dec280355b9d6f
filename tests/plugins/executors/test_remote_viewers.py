"""The time from a line of output on another machine to its viewer: intervals, which a clock that skips adds up.

What a line waits for on its host is tested where the executors are, in contrib/.
"""

import asyncio
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.support.runs import make_run

from rae_auto.cli import runs
from rae_auto.model.run import Run, RunState
from rae_auto.paths import output_path
from rae_auto.reading.outputs.output_files import read_part
from rae_auto.testing.harness.skipping_loop import SkippingLoop
from rae_auto.views.screens.output_page import OutputPage, load_output_page
from rae_auto.views.screens.parts.output_part import OutputPart

followed_attempt = pytest.importorskip(
    "rae_plugins.executors.remote.host.followed_attempt", reason="hosts are POSIX systems"
)

GOAL_SECONDS = 0.5
MARGIN_SECONDS = 0.2
"""Time that is left for work: to read, to send and to print the line."""

RUN = {"run_id": "01" + "A" * 24, "job": "lines", "attempt": 1, "state": "running", "attempts": []}


def follow_by_command(
    state: Path, printed_at: list[float], capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> list[float]:
    """Return when 'rae-auto output --follow' has shown each line."""
    path, shown_at, now = output_path(state, "lines", str(RUN["run_id"]), 1), [], 0.0

    def note() -> None:
        shown_at.extend([now] * capsys.readouterr().out.count("."))

    def sleep(seconds: float) -> None:
        nonlocal now
        note()
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as output:
            output.write(".\n" * sum(now < at <= now + seconds for at in printed_at))
        now += seconds

    def find_run(*_: object) -> dict[str, Any]:
        return {**RUN, "state": "running" if now <= printed_at[-1] else "succeeded"}

    monkeypatch.setattr(runs, "time", SimpleNamespace(sleep=sleep))
    monkeypatch.setattr(runs, "_latest_run", find_run)
    runs.output_command.main(["lines", "--follow"], standalone_mode=False)
    note()
    return shown_at


def follow_in_browser(state: Path, printed_at: list[float], _: Any, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return when the stream of the web page has sent each line."""
    output = pytest.importorskip("rae_plugins.commands.ui.pages.output", reason="the extra ui isn't installed")
    path = state / "output"

    async def play() -> list[float]:
        shown_at: list[float] = []
        loop, printed = asyncio.get_running_loop(), 0

        async def find_run(_: str) -> Run:
            is_over = loop.time() > printed_at[-1]
            return make_run("lines", state=RunState.SUCCEEDED if is_over else RunState.RUNNING, attempt=1)

        async def read_output(run: Run, attempt: int, **options: Any) -> OutputPart:
            nonlocal printed
            due = sum(at <= loop.time() for at in printed_at)
            with path.open("a") as file:
                file.write(".\n" * (due - printed))
            printed = due
            return read_part(path, run, attempt, **options)

        async def seen_until() -> None: ...

        source: Any = SimpleNamespace(run=find_run, output=read_output, seen_until=seen_until)

        async def show(_: object, part: OutputPage) -> list[tuple[int, list[str]]]:
            return [(line.offset, []) for line in part.lines]

        monkeypatch.setattr(output, "read", lambda _, load: load(source))
        monkeypatch.setattr(output, "_show_lines", show)
        request: Any = None
        async for message in output._lines(request, await load_output_page(source, "", 1)):
            shown_at.extend([loop.time()] * message.count("offset"))
        return shown_at

    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        return runner.run(play())


@pytest.mark.parametrize("follow", [follow_by_command, follow_in_browser])
@pytest.mark.parametrize("seed", range(3))
def test_line_is_with_its_viewer_within_half_a_second(
    follow: Any, seed: int, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAE_STATE_DIR", str(tmp_path))
    chance = random.Random(seed)
    printed_at = sorted(chance.uniform(0.1, 30) for _ in range(100))
    shown_at = follow(tmp_path, printed_at, capsys, monkeypatch)
    assert len(shown_at) == len(printed_at)
    delays = [shown - printed for shown, printed in zip(shown_at, printed_at, strict=True)]
    assert (
        min(delays) >= 0.0 and max(delays) + followed_attempt.MAX_LOOK_SECONDS <= GOAL_SECONDS - MARGIN_SECONDS + 1e-6
    )
