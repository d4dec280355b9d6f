"""Trials of executors: a sample job, its output, and its end."""

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from attrs import evolve

from rae_auto.api.executor import Assignment, NeverStarted
from rae_auto.model.job import Job
from rae_auto.model.primitives.names import RunId
from rae_auto.model.run import Result
from rae_auto.offline.trial.kinds.base import PluginTrial, TrialFailed
from rae_auto.offline.trial.messages import TrialSection
from rae_auto.testing.harness.jobs import describe_code_job, supported_kinds
from rae_auto.toolkit.toml_values import format_toml

CODE = "import os; print('hello from', os.getcwd())"
MAX_SHOWN_LINES = 10


class ExecutorTrial(PluginTrial):
    """A trial of an executor."""

    _lines: tuple[str, ...] = ("starting a sample job",)
    _output: tuple[str, ...] = ()
    _count = 0

    async def begin(self) -> None:
        """Run a job, unless the options are placeholders."""
        if self.context.has_own_options:
            await self.ask()
        else:
            self._lines = ("not run: the options are those of the example; give your own, or press a to run it anyway",)

    async def ask(self) -> None:
        """Run a job."""
        if self.is_complete:
            self.in_background(self._run())

    def sections(self) -> Iterable[TrialSection]:
        """Return the job, how it ended, and what it printed."""
        yield TrialSection("sample job", self._lines)
        if self._output:
            yield TrialSection("output", self._output)

    async def _run(self) -> None:
        self._count += 1
        kinds = supported_kinds(self.plugin)
        if not kinds:
            self._lines = ("its jobs are of no kind that can be made up; takes names none",)
            return
        folder = self.context.folder / str(self._count)
        folder.mkdir()
        described = describe_code_job(kinds[0], CODE, folder)
        what = f"{kinds[0]} = {format_toml(described[kinds[0]])}"
        try:
            self._lines = (what, *await self._result_of(folder, described))
        except TrialFailed as error:
            self._lines = (what, str(error))

    async def _result_of(self, folder: Any, described: dict[str, Any]) -> Iterable[str]:
        job = Job(id="sample", **{"directory": str(folder), **described})
        run = RunId(f"sample-{self._count}")
        environment = {"PATH": os.environ.get("PATH", os.defpath), "RAE_RUN_ID": run, "RAE_JOB": "sample"}
        assignment = Assignment(run=run, attempt=1, job=job, environment=environment, output=folder / "output.log")
        # One is opened only once.
        executor = self.call(evolve, self.plugin)
        state = folder / "state"
        state.mkdir(mode=0o700)
        began = time.monotonic()
        await self.wait_for("open", executor.open(state))
        try:
            execution = await self.wait_for("start", executor.start(assignment))
            result = await self.wait_for("wait", execution.wait())
        finally:
            with suppress(TrialFailed):
                await self.wait_for("close", executor.close())
            with suppress(OSError):
                text = assignment.output.read_text(errors="replace")
                self._output = tuple(text.splitlines()[-MAX_SHOWN_LINES:])
        if not isinstance(result, Result):
            hint = "" if isinstance(result, NeverStarted) else "; return a Result"
            return (f"wait() returned {result!r}{hint}",)
        outcome = result.text or "succeeded"
        return (f"{outcome}, exit code {result.exit_code}, after {time.monotonic() - began:.2f} s",)
