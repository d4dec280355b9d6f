"""Lines cut at odd moments, byte by byte: `python tests/cuts.py --cases 300 --seed 1`.

Each case is one attempt, whose line is cut up to three times: within the loader, the shipped agent, a request, a
report, or a piece of output, at the end of a line, or right before it. Sometimes the daemon is replaced as well. At the
end the attempt was spawned once and has its exit status, and its output is the same byte for byte; or it never started,
because a daemon was replaced before the request had arrived.
"""

import argparse
import asyncio
import os
import random
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from loguru import logger
from rae_executor_ssh import SshExecutor, host_link

from rae_auto.api import Assignment, Execution, NeverStarted
from rae_auto.model.job import Job
from rae_auto.model.primitives.names import RunId
from rae_auto.model.run import Result

CUTTER = str(Path(__file__).parent / "cutter.py")
LINES = 400
CASE_SECONDS = 60.0
JOB = (
    'echo "$RAE_RUN_ID" >> starts; n=0; while [ $n -lt {lines} ]; do n=$((n + 1)); '
    'echo "line $n of ................................................................................"; '
    "[ $((n % 100)) -ne 0 ] || sleep 0.1; done; exit {code}"
)


class Cuts:
    """Cases, one after another, each with a seed of its own."""

    def __init__(self, place: Path, seed: int) -> None:
        self._place, self._seed = place, seed
        self._plans = place / "plans"
        self.ends: Counter[str] = Counter()

    async def run(self, cases: int) -> list[str]:
        """Return what went wrong."""
        wrong = []
        command = host_link.build_command
        host_link.build_command = lambda *_: (sys.executable, CUTTER, str(self._plans), sys.executable)
        try:
            for number in range(cases):
                wrong += await self._play(self._seed + number)
        finally:
            host_link.build_command = command
        return wrong

    def count_cuts(self) -> int:
        """Return how many lines were cut: a plan whose bytes never came cuts none."""
        path = Path(f"{self._plans}.cut")
        return len(path.read_text().splitlines()) if path.exists() else 0

    async def _play(self, seed: int) -> list[str]:
        """Play one case."""
        source = random.Random(seed)
        plans = [_draw_plan(source) for _ in range(source.randint(1, 3))]
        self._plans.write_text("".join(f"{plan}\n" for plan in plans))
        # Every other case ships the agent first.
        remote = self._place / (f"remote-{seed}" if source.random() < 0.5 else "remote")
        code, run = source.randrange(1, 100), RunId(f"cut-{seed}")
        job = Job(id="cut", shell=JOB.format(lines=LINES, code=code), cwd=str(self._place))
        output = self._place / f"{run}.log"
        assignment = Assignment(run=run, attempt=1, job=job, environment={"RAE_RUN_ID": run}, output=output)
        what = f"seed {seed} ({', '.join(plans)})"
        try:
            async with asyncio.timeout(CASE_SECONDS):
                end = await self._carry_out(assignment, remote, source.random() < 0.3 and source.uniform(0.0, 1.5))
        except TimeoutError:
            return [f"{what}: no end"]
        starts = (self._place / "starts").read_text().split() if (self._place / "starts").exists() else []
        count = starts.count(run)
        self.ends["ended" if isinstance(end, Result) else "never started" if end else "lost"] += 1
        if isinstance(end, NeverStarted):
            return [] if count == 0 else [f"{what}: never started, but spawned {count} times"]
        if not isinstance(end, Result) or (end.exit_code, count) != (code, 1):
            return [f"{what}: {end}, wanted {code}, spawned {count} times"]
        lines = "".join(f"line {n + 1} of {'.' * 80}\n" for n in range(LINES))
        return [] if output.read_text() == lines else [f"{what}: {output.stat().st_size} bytes, wanted {len(lines)}"]

    async def _carry_out(self, assignment: Assignment, remote: Path, replace_after: "float | bool") -> Any:
        executor = self._make(remote)
        execution = await executor.start(assignment)
        waiting = asyncio.ensure_future(execution.wait())
        if replace_after is not False:
            await asyncio.wait([waiting], timeout=replace_after)
        if replace_after is not False and not waiting.done():
            waiting.cancel()
            await executor.close()
            executor = self._make(remote)
            found = await executor.find(assignment, execution.handle)
            end = await found.wait() if isinstance(found, Execution) else found
        else:
            end = await waiting
        await executor.close()
        return end

    def _make(self, remote: Path) -> SshExecutor:
        return SshExecutor(host="box", python=sys.executable, directory=str(remote))


def _draw_plan(source: random.Random) -> str:
    """Draw where a line is cut: after how many lines of a direction, and how far into the next one."""
    direction = source.choice(["out", "in", "in"])
    lines = source.choice([0, 1, 2, 3, source.randrange(12)])
    count = source.choice([0, 1, -1, -2, source.randrange(1, 60), source.randrange(1, 4000)])
    return f"{direction} {lines} {count}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    host_link.FIRST_RETRY_SECONDS = host_link.MAX_RETRY_SECONDS = 0.05
    logger.remove()
    place = Path(tempfile.mkdtemp())
    cuts = Cuts(place, options.seed)
    try:
        wrong, count = asyncio.run(cuts.run(options.cases)), cuts.count_cuts()
    finally:
        shutil.rmtree(place, ignore_errors=True)
    ends = ", ".join(f"{count} {name}" for name, count in cuts.ends.items())
    print(f"{options.cases} cases, {count} cuts: {ends}; violations: {len(wrong)}")
    print(*wrong, sep=os.linesep)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
