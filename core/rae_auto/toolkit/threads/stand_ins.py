"""Stand-ins for modules that a library imports at once and rarely uses.

While the library is imported they take the places of the modules. Each asks the real module for whatever is looked up
in it; the real one is imported then, and by all others that import it, as ever. What a library looks up at once has a
stand-in of its own, which asks for the real one when it is used.
"""

import sys
from importlib import import_module
from types import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class LateModule(ModuleType):
    """The stand-in of a module that isn't imported yet. `used_at_once` are what it has until then."""

    def __init__(self, name: str, **used_at_once: "Any") -> None:
        """Create the stand-in of the module of this name."""
        super().__init__(name)
        vars(self).update(used_at_once)

    def __getattr__(self, name: str) -> "Any":
        if name == "__path__":
            # Asked by `from … import …`, of each module, whether it is a package.
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            # While the library is being imported. Otherwise it would be imported as itself, without end.
            del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), name)


def import_with_stand_ins(library: str, *stand_ins: LateModule) -> None:
    """Import a library with stand-ins in the places of those modules that haven't been imported before."""
    if library in sys.modules:
        return
    missing = {each.__name__: each for each in stand_ins if each.__name__ not in sys.modules}
    sys.modules.update(missing)
    try:
        import_module(library)
    finally:
        for name, each in missing.items():
            # The real one has its place if the library did look something up.
            if sys.modules.get(name) is each:
                del sys.modules[name]
