"""A plugin's options in words."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any, Literal

import pytest
from attrs import field, frozen

from rae_auto.api import Logger
from rae_auto.model.primitives.names import JobId
from rae_auto.model.primitives.units import Size
from rae_auto.registry.describe import Option, describe, type_text


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (str, "text"),
        (bool, "true or false"),
        (timedelta | None, "duration"),
        (int | str, "number or text"),
        (tuple[Path, ...], "list of path"),
        (Sequence[Size], "list of size"),
        (tuple[JobId, ...], "list of text"),
        (Literal["a", "b"], "one of: a, b"),
        (Colour, "one of: red, blue"),
        (Mapping[str, int], "table"),
        (Any, "anything"),
    ],
)
def test_a_type_is_said_as_an_author_of_a_configuration_would(kind: Any, words: str) -> None:
    assert type_text(kind) == words


@frozen(kw_only=True)
class Example(Logger):
    """Two lines
    of help."""

    type = "example"

    needed: str
    from_: datetime = field(default=datetime(2026, 1, 1, tzinfo=UTC), metadata={"help": "when"})
    size: Size = field(default=Size(1024))
    quick: bool = True
    names: tuple[str, ...] = field(factory=tuple)
    kinds: tuple[str, ...] = ("a", "b")
    none: tuple[str, ...] = ()
    inner: int = field(default=0, init=False)

    def handler(self, directory: Path) -> Mapping[str, Any]:
        return {}


def test_a_plugin_is_described_from_its_docstring_and_fields() -> None:
    described = describe(Example)
    assert described.help == "Two lines of help."
    assert described.options == (
        Option("needed", "text", None, ""),
        Option("from", "instant", "2026-01-01T00:00:00+00:00", "when"),
        Option("size", "size", "1KB", ""),
        Option("quick", "true or false", "true", ""),
        Option("names", "list of text", "empty", ""),
        Option("kinds", "list of text", '["a", "b"]', ""),
        Option("none", "list of text", "empty", ""),
    )
