"""Start the keeper as a script.

The packages around it are declared, not imported: they need modules that aren't there without site packages.
"""

import os
import sys
import types


def _declare_packages() -> None:
    directory = os.path.dirname(os.path.abspath(__file__))
    name = "rae_plugins.executors.process.keeper"
    while name:
        module = types.ModuleType(name)
        module.__path__ = [directory]
        sys.modules[name] = module
        name, directory = name.rpartition(".")[0], os.path.dirname(directory)


if __name__ == "__main__":
    _declare_packages()
    from rae_plugins.executors.process.keeper.loop import main

    main()
