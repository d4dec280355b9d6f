"""{{ cookiecutter.__docstring }}"""

import asyncio
import json
from pathlib import Path
from typing import Any, ClassVar

from attrs import field, frozen
from rae_auto.api import Notice, Notifier
from rae_auto.hookspecs import hookimpl

RAE_API = 1


@frozen(kw_only=True)
class {{ cookiecutter.__class }}(Notifier):
    """{{ cookiecutter.__docstring }}"""

    type = "{{ cookiecutter.name }}"
    example: ClassVar[dict[str, Any]] = {"path": "~/notices"}

    path: Path = field(converter=Path, metadata={"help": "the file to which notices are appended, one per line"})

    async def notify(self, notice: Notice) -> None:
        line = json.dumps({"job": notice.job, "at": notice.at.isoformat(), "text": notice.text})
        await asyncio.to_thread(self._append, line)  # blocking code must not delay the daemon

    def _append(self, line: str) -> None:
        with self.path.expanduser().open("a", encoding="utf-8") as file:
            file.write(line + "\n")


@hookimpl
def rae_notifiers() -> list[type[{{ cookiecutter.__class }}]]:
    return [{{ cookiecutter.__class }}]
