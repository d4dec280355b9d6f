"""Import every module of the wheel, and print those that can't be: run by `test_windows_imports`."""

import importlib
import pkgutil
import sys
import traceback

from tests.support.pretended_windows import BLOCKED_MODULES

import rae_auto
import rae_plugins

NOT_IMPORTED = ("rae_auto.__main__", "rae_plugins.executors.remote.host.")
"""The program itself, and what only runs on other machines, to which it is shipped: hosts with POSIX."""


def main() -> None:
    failed = []
    for package in (rae_auto, rae_plugins):
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            if module.name.startswith(NOT_IMPORTED):
                continue
            try:
                importlib.import_module(module.name)
            except ModuleNotFoundError as missing:
                # Of an extra that isn't installed.
                if str(missing.name).startswith(("rae_", *BLOCKED_MODULES)):
                    failed.append(f"{module.name}: {missing}")
            except Exception:
                error = traceback.format_exc().splitlines()
                place = [line.strip() for line in error if line.strip().startswith("File")][-1]
                failed.append(f"{module.name}: {error[-1]} ({place})")
    print("\n".join(failed), file=sys.stderr)
    raise SystemExit(bool(failed))


main()
