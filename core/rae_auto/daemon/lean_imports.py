"""Imports of libraries without what a daemon rarely uses of them, which is loaded when it is first used.

loguru can send records to other processes, for which it imports pickling and `multiprocessing`, and rotates files by
numbers of all kinds. shutil looks whether it could make archives, inspect finds classes in sources by Python's parser,
subprocess and calendar ask for the locale. That is 2 MB of a daemon, which does none of it. attrs makes a class of the
fields of each class, with a function and a property for each field: another 0.8 MB.
"""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from rae_auto.toolkit.threads.late_tls import import_asyncio_without_tls
from rae_auto.toolkit.threads.stand_ins import LateModule, import_with_stand_ins

_RARELY_USED = {
    "shutil": ("bz2", "lzma"),
    "subprocess": ("locale",),
    "calendar": ("locale",),
    "loguru": ("pickle", "multiprocessing.reduction", "decimal", "numbers"),
}


class _NodeVisitor:
    """The base class of inspect's finder of classes until a source is parsed."""

    def visit(self, node: Any) -> Any:
        return import_module("ast").NodeVisitor.visit(self, node)

    def generic_visit(self, node: Any) -> Any:
        return import_module("ast").NodeVisitor.generic_visit(self, node)


class _Fields(tuple[Any, ...]):
    """The fields of a class of attrs, which are its attributes too, as in the class that attrs would make for them."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        for each in self:
            if each.name == name:
                return each
        raise AttributeError(name)


def _share_class_of_fields() -> None:
    """Have attrs use that class for all classes from now on. An attrs that doesn't ask for one is left as it is."""
    attrs: Any = import_module("attr._make")
    if not hasattr(attrs, "_make_attr_tuple_class"):
        return
    make_class = attrs._make_attr_tuple_class

    def find_class(name: str, fields: Sequence[str]) -> Any:
        # Such as "count": there the attribute of the tuple would be found.
        return make_class(name, fields) if any(hasattr(tuple, field) for field in fields) else _Fields

    attrs._make_attr_tuple_class = find_class


def import_libraries() -> None:
    """Import those libraries. Call it before anything else has."""
    # Before asyncio, which imports it too.
    import_with_stand_ins("inspect", LateModule("ast", NodeVisitor=_NodeVisitor))
    import_with_stand_ins("subprocess", LateModule("locale"))
    import_asyncio_without_tls()
    for library, names in _RARELY_USED.items():
        import_with_stand_ins(library, *map(LateModule, names))
    _share_class_of_fields()
