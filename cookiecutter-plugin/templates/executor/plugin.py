"""{{ cookiecutter.description }}"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

from attrs import field, frozen
from rae_auto.api import Assignment, Execution, Executor
from rae_auto.hookspecs import hookimpl
from rae_auto.model.run import Result

RAE_API = 1


@frozen(kw_only=True)
class {{ cookiecutter.__class }}(Executor):
    """{{ cookiecutter.description }}"""

    type = "{{ cookiecutter.name }}"

    prefix: tuple[str, ...] = field(default=(), metadata={"help": "program and arguments to put before each command"})

    async def start(self, assignment: Assignment) -> Execution:
        # Opening a file and starting a process are fast; run slow code in asyncio.to_thread.
        with assignment.output.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *self.prefix, *assignment.job.argv, env=assignment.environment, stdout=output, stderr=output
            )
        return _Process(process)


class _Process(Execution):
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @property
    def handle(self) -> Mapping[str, Any]:
        return {}  # `find` keeps its default: after a crash of the daemon the result is unknown

    async def wait(self) -> Result:
        code = await self._process.wait()
        return Result(exit_code=code) if code >= 0 else Result(signal=-code)

    async def cancel(self, grace: timedelta) -> None:
        with suppress(ProcessLookupError):
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), grace.total_seconds())
            except TimeoutError:
                self._process.kill()


@hookimpl
def rae_executors() -> list[type[{{ cookiecutter.__class }}]]:
    return [{{ cookiecutter.__class }}]
