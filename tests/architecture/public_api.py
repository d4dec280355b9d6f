"""The public names with their signatures, as one text: `python -m tests.architecture.public_api` writes the snapshot.

Public are `rae_auto` itself and the rooms that plugins may import. A line that goes or changes breaks plugins: it needs
an entry in `rae_auto.deprecations` first, and a new major version in `rae_auto.hookspecs.API_VERSION`.
"""

import enum
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import GenericAlias, ModuleType
from typing import Any, NewType

import attrs

SNAPSHOT = Path(__file__).parents[1] / "snapshots" / "public_api.txt"

PACKAGES = ("rae_auto.api", "rae_auto.toolkit", "rae_auto.testing")
MODULES = ("rae_auto", "rae_auto.errors", "rae_auto.hookspecs", "rae_auto.deprecations")


def public_modules() -> list[str]:
    """Return the names of all public modules."""
    found = list(MODULES)
    for package in PACKAGES:
        path = importlib.import_module(package).__path__
        found += [package, *(info.name for info in pkgutil.walk_packages(path, f"{package}."))]
    return sorted(name for name in found if not any(part.startswith("_") for part in name.split(".")))


def public_names(module: ModuleType) -> list[str]:
    """Return what a module offers: `__all__`, or what it defines without an underscore."""
    if hasattr(module, "__all__"):
        return sorted(module.__all__)
    return sorted(
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    )


def describe_api() -> Iterator[str]:
    """Yield a line for each public name, and for each public member of a class."""
    for name in public_modules():
        module = importlib.import_module(name)
        for public in public_names(module):
            yield from _describe(f"{name}.{public}", getattr(module, public))


def _describe(name: str, value: Any) -> Iterator[str]:
    if inspect.isclass(value) and not value.__module__.startswith("rae_auto"):
        yield f"{name}: {value.__module__}.{value.__qualname__}"
    elif inspect.isclass(value):
        yield f"class {name}{_bases(value)}"
        for member in _members(value):
            yield f"    {member}"
    elif callable(value) and hasattr(value, "__name__"):
        yield f"{'async ' if inspect.iscoroutinefunction(value) else ''}{name}{_signature(value)}"
    else:
        yield f"{name}: {type(value).__name__}"


def _bases(cls: type) -> str:
    names = [base.__name__ for base in cls.__bases__ if base is not object]
    return f"({', '.join(names)})" if names else ""


def _members(cls: type) -> Iterator[str]:
    if issubclass(cls, enum.Enum):
        yield from (f"{member.name} = {member.value!r}" for member in cls)
        return
    fields = {field.name: field for field in attrs.fields(cls)} if attrs.has(cls) else {}
    for name, field in fields.items():
        # A private field may be a public argument of the constructor.
        if not field.inherited and (field.init or not name.startswith("_")):
            required = "" if field.default is not attrs.NOTHING else " (required)"
            yield f"{field.alias}{required}"
    for name, member in sorted(vars(cls).items()):
        if name.startswith("_") or name in fields:
            continue
        plain = member.__func__ if isinstance(member, classmethod | staticmethod) else member
        if inspect.isfunction(plain):
            kind = type(member).__name__ + " " if plain is not member else ""
            waits = "async " if inspect.iscoroutinefunction(plain) else ""
            yield f"{kind}{waits}{name}{_signature(plain)}"
        elif isinstance(member, property):
            yield f"property {name}"


def _signature(function: Any) -> str:
    if isinstance(function, NewType | GenericAlias):
        # Newer versions of Python tell the parameters of what these are made of.
        return "(…)"
    try:
        found = inspect.signature(function)
    except (TypeError, ValueError):
        return "(…)"
    # Without types, whose text differs between versions of Python; mypy holds them.
    bare = [one.replace(annotation=inspect.Parameter.empty) for one in found.parameters.values()]
    text = str(found.replace(parameters=bare, return_annotation=inspect.Signature.empty))
    return re.sub(r"<(function|built-in function|bound method|\w+) [^,)]* at 0x[0-9a-f]+>", r"<\1>", text)


def write() -> str:
    """Return the text of the snapshot."""
    return "\n".join(describe_api()) + "\n"


if __name__ == "__main__":
    SNAPSHOT.write_text(write(), encoding="utf-8")
