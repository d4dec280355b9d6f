"""Starts the keeper as a script. The packages around it are named, not imported: they need what isn't there."""

import os
import sys
import types


def _name_packages() -> None:
    place = os.path.dirname(os.path.abspath(__file__))
    name = "rae_plugins.executors.process.keeper"
    while name:
        module = types.ModuleType(name)
        module.__path__ = [place]
        sys.modules[name] = module
        name, place = name.rpartition(".")[0], os.path.dirname(place)


if __name__ == "__main__":
    _name_packages()
    from rae_plugins.executors.process.keeper.loop import main

    main()
