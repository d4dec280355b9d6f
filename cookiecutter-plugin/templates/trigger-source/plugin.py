"""{{ cookiecutter.__docstring }}"""

from asyncio import to_thread
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

from attrs import field, frozen
from rae_auto.api import SourceTrigger, TriggerContext
from rae_auto.hookspecs import hookimpl
from rae_auto.toolkit.state_file import StateFile
from rae_auto.toolkit.validators import positive_duration

RAE_API = 1


@frozen(kw_only=True)
class {{ cookiecutter.__class }}(SourceTrigger):
    """{{ cookiecutter.__docstring }}

    Fires when the text of a file has changed since the last look, also while the daemon was down.
    """

    type = "{{ cookiecutter.name }}"
    example: ClassVar[dict[str, Any]] = {"path": "~/todo.txt"}

    path: Path = field(metadata={"help": "the file"})
    every: timedelta = field(
        default=timedelta(seconds=5), validator=positive_duration(), metadata={"help": "time between looks"}
    )

    def summary(self) -> str:
        return f"when {self.path.name} changes"[:80]

    async def watch(self, context: TriggerContext) -> None:
        state = StateFile(context.directory / "state.json")
        known = await state.load(lambda document: str(document["text"]))
        while True:
            # In a thread, because a disk may be slow.
            text = await to_thread(self._read)
            context.trace(f"{len(text)} characters")
            if known is not None and text != known:
                # The key is that of the change: after a crash before `save`, the same change is no second occurrence.
                await context.emit(hash_of(known, text), {"characters": len(text)})
            if text != known:
                await state.save({"text": text})
            known = text
            await context.timer.sleep(self.every.total_seconds())

    def _read(self) -> str:
        try:
            return self.path.expanduser().read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""


def hash_of(*texts: str) -> str:
    """Return the same word for the same texts, in each process."""
    from hashlib import sha256

    return sha256("\0".join(texts).encode()).hexdigest()[:16]


@hookimpl
def rae_triggers() -> list[type[{{ cookiecutter.__class }}]]:
    return [{{ cookiecutter.__class }}]
