"""Values that are one of a few words: members of enumerations, by the words that people write."""

from collections.abc import Mapping, Sequence
from enum import Enum
from functools import cache
from types import MappingProxyType
from typing import Any, TypeVar

from rae_auto.model.primitives.names import did_you_mean
from rae_auto.model.primitives.problems import describe_value, invalid

E = TypeVar("E", bound=Enum)


@cache
def words_of(kind: Any) -> Mapping[str, Any]:
    """Return the members of an enumeration by their words; made once, because each job has several choices."""
    return MappingProxyType(
        {(member.value if isinstance(member.value, str) else member.name.lower()): member for member in kind}
    )


def choose(value: object, kind: type[E]) -> E:
    """Return the member that `value` is, or that it is the word of. Raises Invalid."""
    if isinstance(value, kind):
        return value
    words: Mapping[str, E] = words_of(kind)
    if isinstance(value, str) and value in words:
        return words[value]
    raise invalid(unknown_choice(value, list(words)))


def unknown_choice(value: object, words: Sequence[str]) -> str:
    """Return the message for a value that isn't one of the words, with the nearest one."""
    near = did_you_mean(value, words) if isinstance(value, str) else ""
    return f"must be one of {', '.join(words)}, not {describe_value(value)}{near}"
