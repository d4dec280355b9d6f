"""Isolated Python jobs: the command that calls the function, and the record of what it returned or raised."""

import json
import os
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from attrs import evolve

from rae_auto.api import Assignment, Execution, NeverStarted
from rae_auto.model.run import Result
from rae_plugins.executors import python_call
from rae_plugins.executors.process.attempt_files import read_record

_RECORD_SUFFIX = ".value"


def build_argv(assignment: Assignment) -> tuple[str, ...]:
    """Return the command that calls the function of a job in an interpreter of its own."""
    job = assignment.job
    # Modules are found beside the configuration file, and wherever the daemon finds them.
    path = [*([job.directory] if job.directory else []), *(os.path.abspath(entry) for entry in sys.path)]  # noqa: PTH100
    request = {
        "function": job.python,
        "args": list(job.args),
        "kwargs": dict(job.kwargs),
        "path": path,
        "record": str(_record_path(assignment.output)),
    }
    return (sys.executable, python_call.__file__, json.dumps(request))


def add_record(result: Result, output: Path) -> Result:
    """Return the result with the value that the function returned, or with the error that it raised."""
    record = read_record(_record_path(output))
    if not isinstance(record, dict):
        return result
    if result.exit_code == 0:
        return evolve(result, value=record.get("value"))
    return evolve(result, error=result.error or record.get("error"))


def _record_path(output: Path) -> Path:
    return output.with_suffix(_RECORD_SUFFIX)


class PythonExecution(Execution):
    """An attempt whose result has the value that the function returned."""

    def __init__(self, process: Execution, output: Path) -> None:
        self._process = process
        self._output = output

    @property
    def handle(self) -> Mapping[str, Any]:
        return self._process.handle

    async def wait(self) -> Result | NeverStarted | None:
        ended = await self._process.wait()
        return add_record(ended, self._output) if isinstance(ended, Result) else ended

    async def cancel(self, grace: timedelta) -> None:
        await self._process.cancel(grace)
