"""{{ cookiecutter.__docstring }}"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen
from rae_auto.api import Logger
from rae_auto.hookspecs import hookimpl
from rae_auto.toolkit.files import open_private

RAE_API = 1


@frozen(kw_only=True)
class {{ cookiecutter.__class }}(Logger):
    """{{ cookiecutter.__docstring }}"""

    type = "{{ cookiecutter.name }}"

    level: str = field(default="INFO", metadata={"help": "the lowest level that is written"})

    def handler(self, directory: Path) -> Mapping[str, Any]:
        return {
            "sink": directory / "{{ cookiecutter.name }}.log",
            "level": self.level,
            "format": "{time:YYYY-MM-DDTHH:mm:ssZ} {level} {message}",
            "encoding": "utf-8",
            "opener": lambda name, flags: open_private(Path(name), flags),
        }


@hookimpl
def rae_loggers() -> list[type[{{ cookiecutter.__class }}]]:
    return [{{ cookiecutter.__class }}]
