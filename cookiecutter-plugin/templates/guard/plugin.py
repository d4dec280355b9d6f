"""{{ cookiecutter.__docstring }}"""

from asyncio import to_thread
from pathlib import Path
from typing import Any, ClassVar

from attrs import field, frozen
from rae_auto.api import GuardResult, ReadGuard, Verdict
from rae_auto.hookspecs import hookimpl

RAE_API = 1


@frozen(kw_only=True)
class {{ cookiecutter.__class }}(ReadGuard):
    """{{ cookiecutter.__docstring }}"""

    type = "{{ cookiecutter.name }}"
    example: ClassVar[dict[str, Any]] = {"path": "/etc/hostname"}

    path: Path = field(metadata={"help": "a file that must exist"})

    async def read(self) -> GuardResult:
        # In a thread, because a disk may be slow.
        if await to_thread(self.path.exists):
            return GuardResult(Verdict.YES, f"{self.path} exists")
        return GuardResult(Verdict.NO, f"{self.path} does not exist")


@hookimpl
def rae_guards() -> list[type[{{ cookiecutter.__class }}]]:
    return [{{ cookiecutter.__class }}]
