"""The class that attrs makes of the fields of each class, with a function and a property for each field.

A process with some hundred classes that stays for long needs one for them all: a daemon takes 0.8 MB less.
"""

from collections.abc import Sequence
from importlib import import_module
from typing import Any


class _Fields(tuple[Any, ...]):
    """The fields of a class of attrs, which are its attributes too, as in the class that attrs would make for them."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        for each in self:
            if each.name == name:
                return each
        raise AttributeError(name)


def share_class_of_fields() -> None:
    """Have attrs use that class for all classes from now on. An attrs that doesn't ask for one is left as it is."""
    attrs: Any = import_module("attr._make")
    if not hasattr(attrs, "_make_attr_tuple_class"):
        return
    make_class = attrs._make_attr_tuple_class

    def find_class(name: str, fields: Sequence[str]) -> Any:
        # Such as "count": there the attribute of the tuple would be found.
        return make_class(name, fields) if any(hasattr(tuple, field) for field in fields) else _Fields

    attrs._make_attr_tuple_class = find_class
