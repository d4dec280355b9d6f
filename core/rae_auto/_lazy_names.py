"""Names of a package that are imported when they are first used, so that a caller pays only for its own."""

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def lazy_names(
    package: str, homes: Mapping[str, Sequence[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]], Mapping[str, str]]:
    """Return `__getattr__` and `__dir__` of a package, and the module of each of its names.

    `homes` has the names of each module, which is given relative to `rae_auto`. The package imports the same names for
    type checkers, below `TYPE_CHECKING`.
    """
    modules = {name: f"rae_auto.{module}" for module, names in homes.items() for name in names}

    def get(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(modules[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    return get, lambda: sorted({*vars(sys.modules[package]), *modules}), modules
