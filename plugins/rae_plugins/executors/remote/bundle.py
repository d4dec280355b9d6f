"""The one file that is shipped to a host: packages of an executor and the keeper's, as a zip named by its hash.

The host unpacks it, so that Python compiles it once. The packages around the keeper are empty in there, because theirs
need libraries.
"""

import hashlib
import io
import zipfile
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from attrs import frozen

KEEPER_PACKAGE = "rae_plugins.executors.process.keeper"
HOST_PACKAGE = "rae_plugins.executors.remote.host"

NEEDED_ON_POSIX = "exit_status.py"
"""The only module of the keeper's part for Windows that the rest imports."""

FUTURE = "from __future__ import annotations\n"
"""Put in front of each module, so that Python 3.9 doesn't evaluate annotations that it can't."""

EPOCH = (1980, 1, 1, 0, 0, 0)
"""Time of each file in the zip, so that equal contents have equal hashes."""


@frozen
class Bundle:
    """The content of the file, and its name on the host."""

    content: bytes
    name: str
    digest: str


@cache
def build_bundle(*packages: str) -> Bundle:
    """Return the file for this version of the code: the keeper, `host` and further packages."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, text in sorted(_modules((KEEPER_PACKAGE, HOST_PACKAGE, *packages)).items()):
            archive.writestr(zipfile.ZipInfo(path, EPOCH), text)
    content = buffer.getvalue()
    digest = hashlib.sha256(content).hexdigest()
    return Bundle(content, f"agent-{digest[:16]}", digest)


def _modules(packages: Iterable[str]) -> dict[str, str]:
    modules: dict[str, str] = {}
    for package in packages:
        directory = package.replace(".", "/")
        while directory:
            modules[f"{directory}/__init__.py"] = ""
            directory = directory.rpartition("/")[0]
        _add(modules, package.replace(".", "/"), files(package))
    windows = f"{KEEPER_PACKAGE.replace('.', '/')}/windows"
    modules[f"{windows}/__init__.py"] = ""
    modules[f"{windows}/{NEEDED_ON_POSIX}"] = FUTURE + _read(files(KEEPER_PACKAGE) / "windows" / NEEDED_ON_POSIX)
    return modules


def _add(modules: dict[str, str], directory: str, package: Traversable) -> None:
    """Add the modules of a package and of the packages in it, but for the part for Windows."""
    modules[f"{directory}/__init__.py"] = ""
    for file in package.iterdir():
        if file.name.endswith(".py") and file.name not in ("__init__.py", "__main__.py"):
            modules[f"{directory}/{file.name}"] = FUTURE + _read(file)
        elif file.name != "windows" and (file / "__init__.py").is_file():
            _add(modules, f"{directory}/{file.name}", file)


def _read(file: Traversable) -> str:
    """Return the source, without its leading docstring's effect on `from __future__`: that must come first."""
    return file.read_text(encoding="utf-8")
