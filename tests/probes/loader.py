"""Start of a process whose modules are measured: the modules come with probes, from where `__main__.py` put them.

Executed at the start of each Python process of a run, before anything else; therefore it imports next to nothing. What
the probes write stands in a file that all processes map into their memory: nothing is left to do when a process ends,
however it ends, and nothing is left to put together.
"""

import builtins
import marshal
import mmap
import os
import sys
from _frozen_importlib_external import PathFinder, SourceFileLoader

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing these takes longer than all the rest
    from types import CodeType
    from typing import Any

FOLDER_VARIABLE = "RAE_TEST_PROBES"
PACKAGES = ("rae_auto", "rae_plugins")


class ProbeLoader(SourceFileLoader):
    """A loader of modules that are compiled with probes already."""

    def get_code(self, fullname: str) -> "CodeType":
        """Return the code with probes, which was compiled once for all processes."""
        with open(sources[self.path], "rb") as file:
            # Five times as fast as `marshal.load(file)`, which reads each number by a call of its own.
            code: CodeType = marshal.loads(file.read())
        return code


class ProbeFinder:
    """A finder of the modules that are measured; all others are left to those after it."""

    @staticmethod
    def find_spec(name: str, path: "Any" = None, target: "Any" = None) -> "Any":
        """Return where a module is, as Python does, with a loader that gives it probes."""
        if name.partition(".")[0] not in PACKAGES:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.origin in sources:
            spec.loader = ProbeLoader(name, spec.origin)
        return spec


sources: dict[str, str] = {}
"""Files with code that has probes, by the source files."""


def start() -> None:
    """Measure this process, if its parent is measured and it may write where the parent does."""
    folder = os.environ[FOLDER_VARIABLE]
    try:
        with open(os.path.join(folder, "hits"), "r+b") as file:
            builtins.__dict__["__probes__"] = mmap.mmap(file.fileno(), 0)
        with open(os.path.join(folder, "sources"), "rb") as file:
            sources.update(marshal.loads(file.read()))
    except OSError:
        return
    sys.meta_path.insert(0, ProbeFinder)


if __name__ == "probes":
    start()
