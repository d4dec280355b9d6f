"""{{ cookiecutter.__docstring }}"""

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen
from rae_auto.api import Assignment, Execution, Executor
from rae_auto.hookspecs import hookimpl
from rae_auto.toolkit.attempts import end_processes_of_run, start_process

RAE_API = 1


@frozen(kw_only=True)
class {{ cookiecutter.__class }}(Executor):
    """{{ cookiecutter.__docstring }}

    Attempts don't outlive the daemon: after a crash, what is left of one is ended, and its run counts as lost.
    """

    type = "{{ cookiecutter.name }}"
    takes = ("command",)
    masks_output = True  # as start_process does

    prefix: tuple[str, ...] = field(default=(), metadata={"help": "program and arguments to put before each command"})

    @classmethod
    def unsupported_keys(cls) -> Mapping[str, str]:
        # The inherited keys but stdin, which start_process passes on.
        return {key: reason for key, reason in super().unsupported_keys().items() if key != "stdin"}

    async def start(self, assignment: Assignment) -> Execution:
        # In a session and with the folder, environment, input, masked output and limit of output of the attempt.
        return await start_process(assignment, [*self.prefix, *assignment.job.argv])

    async def find(self, assignment: Assignment, handle: Mapping[str, Any] | None) -> None:
        await end_processes_of_run(assignment.run)


@hookimpl
def rae_executors() -> list[type[{{ cookiecutter.__class }}]]:
    return [{{ cookiecutter.__class }}]
