"""Imports of libraries without what a daemon rarely uses of them, which is loaded when it is first used.

loguru can send records to other processes, for which it imports pickling and `multiprocessing`, and rotates files by
numbers of all kinds. shutil looks whether it could make archives, inspect finds classes in sources by Python's parser,
subprocess and calendar ask for the locale. That is 2 MB of a daemon, which does none of it.
"""

from importlib import import_module
from typing import Any

from rae_auto.model.primitives.evolving.class_of_fields import share_class_of_fields
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


def import_libraries() -> None:
    """Import those libraries. Call it before anything else has."""
    # Before asyncio, which imports it too.
    import_with_stand_ins("inspect", LateModule("ast", NodeVisitor=_NodeVisitor))
    import_with_stand_ins("subprocess", LateModule("locale"))
    import_asyncio_without_tls()
    for library, names in _RARELY_USED.items():
        import_with_stand_ins(library, *map(LateModule, names))
    share_class_of_fields()
