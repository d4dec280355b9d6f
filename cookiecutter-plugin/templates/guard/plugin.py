"""{{ cookiecutter.description }}"""

from asyncio import to_thread
from pathlib import Path

from attrs import field, frozen
from rae_auto.api import GuardResult, ReadGuard, Verdict
from rae_auto.hookspecs import hookimpl

RAE_API = 1


@frozen(kw_only=True)
class {{ cookiecutter.__class }}(ReadGuard):
    """{{ cookiecutter.description }}"""

    type = "{{ cookiecutter.name }}"

    path: Path = field(metadata={"help": "a file that must be there"})

    async def read(self) -> GuardResult:
        # In a thread, since a disk may take its time.
        if await to_thread(self.path.exists):
            return GuardResult(Verdict.YES, f"{self.path} is there")
        return GuardResult(Verdict.NO, f"{self.path} isn't there")


@hookimpl
def rae_guards() -> list[type[{{ cookiecutter.__class }}]]:
    return [{{ cookiecutter.__class }}]
