"""Hints for a value of a wrong shape: a single value instead of a list or a table."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import attrs

from rae_auto.model.plugin_ref import GuardRef, PluginRef, TriggerRef
from rae_auto.model.primitives.escaping import quote_short

LISTS = (tuple, list, Sequence, Iterable)
TABLES = (dict, Mapping)


def describe_shape(structure: Callable[[Any, Any], object], value: object, cls: Any) -> str | None:
    """Return what to write for a value that has the shape of none of the alternatives of `cls`; None if one has it.

    `structure` converts a value to a type, and raises ValueError.
    """
    kinds = [kind for kind in get_args(cls) if kind is not NoneType] if get_origin(cls) in (Union, UnionType) else [cls]
    hints = [hint for kind in kinds if (hint := _describe_kind(structure, value, kind))]
    return hints[0] if hints and len(hints) == len(kinds) else None


def _describe_kind(structure: Callable[[Any, Any], object], value: object, kind: Any) -> str | None:
    if get_origin(kind) in LISTS:
        try:
            structure([value], kind)
        except ValueError:
            return 'write ["…"]' if get_args(kind)[:1] == (str,) else None
        return f"write [{quote_short(value) if isinstance(value, str) else str(value).lower()}]"
    if get_origin(kind) in TABLES:
        return "write { NAME = … }"
    if attrs.has(kind) and kind not in (PluginRef, TriggerRef, GuardRef):
        first = next((field for field in attrs.fields(kind) if field.init), None)
        return None if first is None else f"write {{ {(first.alias or first.name).rstrip('_')} = … }}"
    return None
