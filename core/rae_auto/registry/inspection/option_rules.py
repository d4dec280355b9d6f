"""Rules over the options of a plugin class."""

import inspect
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, get_args

import attrs

from rae_auto.api.guard import ComputedGuard, ReadGuard
from rae_auto.api.plugin import Kind, Plugin
from rae_auto.api.trigger import ScheduleTrigger
from rae_auto.registry.inspection.finding import Mistake, Severity
from rae_auto.registry.inspection.structurable_types import can_structure

_SECRET = re.compile(r"(?:^|_)(?:password|passwd|passphrase|token|secret|credentials?|(?:api|access|private)_key)_?$")
_NOT_OPTIONS = {Kind.TRIGGER: {"delay_until"}, Kind.COMMAND: {"config", "help"}}


def option_findings(kind: Kind, cls: type[Plugin], place: str) -> Iterator[Mistake]:
    """Yield what is wrong with the options of a class."""
    try:
        attrs.resolve_types(cls)  # type: ignore[type-var]
    except Exception as error:
        text = f"a type of an option can't be found ({error}); import it outside 'if TYPE_CHECKING'"
        yield Mistake("option-type", text, place)
        return
    for field in attrs.fields(cls):  # type: ignore[arg-type]
        if field.init:
            name = (field.alias or field.name).rstrip("_")
            yield from _one(kind, cls, field, name, _line_of(cls, field.name) or place)


def _one(kind: Kind, cls: type[Plugin], field: Any, name: str, place: str) -> Iterator[Mistake]:
    if field.type is None:
        yield Mistake("option-type", f'option "{name}" has no type; write "{name}: int = …"', place)
    elif not can_structure(field.type):
        types = "text, numbers, durations, paths, tuples, or tables whose keys are text"
        text = f'no configuration can give the type of option "{name}"; use {types}'
        yield Mistake("option-unstructurable", text, place)
    if name == "type" or name in _NOT_OPTIONS.get(kind, ()):
        yield Mistake("option-name", f'option "{name}" means something else in a configuration; rename it', place)
    if isinstance(field.default, list | dict | set):
        text = (
            f'the default of option "{name}" is shared by all; write factory={type(field.default).__name__}, or a tuple'
        )
        yield Mistake("option-default", text, place)
    elif attrs.has(field.type) and field.type.__hash__ is None and _is_hashed(cls):
        text = f"option \"{name}\" can't be hashed, so equal ones aren't shared; decorate its class with @attrs.frozen"
        yield Mistake("option-unhashable", text, place, Severity.WARNING)
    if names_secret(name) and str in (field.type, *get_args(field.type)):
        text = f'option "{name}" is shown and stored as it is; use Secret or SecretText of rae_auto.toolkit.secrets'
        yield Mistake("option-secret", text, place, Severity.WARNING)
    if not field.metadata.get("help"):
        text = f'option "{name}" has no help; write metadata={{"help": "…"}}'
        yield Mistake("option-help", text, place, Severity.WARNING)


def names_secret(option: str) -> bool:
    """Return whether the name of an option is that of a secret alone: `api_key`, but not `key` or `token_header`."""
    return _SECRET.search(option) is not None


def _is_hashed(cls: type[Plugin]) -> bool:
    return issubclass(cls, ScheduleTrigger | ComputedGuard | ReadGuard)


@lru_cache(maxsize=64)
def _source_lines(cls: type) -> tuple[list[str], int, str | None]:
    """Return the lines of a class, the number of the first, and its file. Raises OSError, TypeError."""
    # Once for all options of a class: Python looks through the whole file each time.
    return *inspect.getsourcelines(cls), inspect.getsourcefile(cls)


def _line_of(cls: type, name: str) -> str:
    """Return FILE:LINE of an option, or "" if its source can't be read."""
    try:
        lines, first, file = _source_lines(cls)
    except (OSError, TypeError):
        return ""
    for number, line in enumerate(lines, first):
        if line.strip().startswith((f"{name}:", f"{name} =", f"{name}=")):
            return f"{file}:{number}"
    return f"{file}:{first}"
