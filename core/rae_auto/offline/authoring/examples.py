"""Examples of a plugin on its page, and the place in which they are tried.

The place is a home with the files that examples name, and with the socket of a system bus, so that an example means the
same on each machine. A project keeps the files of its examples in docs/examples/home.
"""

import os
import re
import shlex
import shutil
import socket
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import attrs

from rae_auto.api.plugin import Kind, Plugin
from rae_auto.config.options import build
from rae_auto.registry import Registry
from rae_auto.registry.describe import describe
from rae_auto.registry.inspection import Inspection

HOME_OF_EXAMPLES = Path("docs", "examples", "home")

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_END_OF_COMMAND = re.compile(r"[|;&<>#]")


@contextmanager
def example_place(project: Path | None) -> Iterator[Path]:
    """Provide a home with a copy of a project's files for examples, which is removed at the end."""
    with TemporaryDirectory(prefix="rae-") as name, socket.socket(socket.AF_UNIX) as bus:
        home = Path(name)
        if project is not None and (project / HOME_OF_EXAMPLES).is_dir():
            shutil.copytree(project / HOME_OF_EXAMPLES, home, dirs_exist_ok=True)
        for path in home.rglob("*"):
            path.chmod(0o700 if path.is_dir() else 0o600)
        address = home / ".bus"
        bus.bind(os.fspath(address))
        bus.listen()
        variables = {"HOME": name, "USERPROFILE": name, "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={address}"}
        with patch.dict(os.environ, variables):
            yield home


def try_examples(
    inspection: Inspection, page: Path | None, project: Path | None
) -> tuple[frozenset[str], Mapping[str, str]]:
    """Return the options in examples that make the plugin, and the problem of each that is only in others.

    The examples are its own, and on its page those in TOML, or the lines that run the command.
    """
    cls = inspection.plugin_class
    assert cls is not None
    shown, problems = set[str](), dict[str, str]()
    with example_place(project):
        for options in [dict(cls.example), *_examples_on(page, inspection.info.kind, cls)]:
            try:
                build(cls, options, timezone="UTC", plugins=Registry())
                shown |= set(options)
            except Exception as error:
                problems |= dict.fromkeys(options, " ".join(str(error).split()))
    return frozenset(shown), {name: text for name, text in problems.items() if name not in shown}


def _examples_on(page: Path | None, kind: Kind, cls: type[Plugin]) -> Iterator[dict[str, Any]]:
    # Others, such as the id of a trigger, are of the place where the plugin is used.
    known = {option.name for option in describe(cls).options}
    for language, text in _BLOCK.findall("" if page is None else page.read_text(encoding="utf-8")):
        if kind is Kind.COMMAND:
            if language != "text":
                yield from _command_lines(text, cls)
        elif language == "toml":
            with suppress(ValueError):
                for table in _tables(tomllib.loads(text)):
                    if table.get("type") == cls.type:
                        yield {name: value for name, value in table.items() if name in known}


def _command_lines(text: str, cls: type[Plugin]) -> Iterator[dict[str, Any]]:
    """Yield the options of each line that runs a command."""
    for _, _, line in (line.partition(f"rae-auto {cls.type}") for line in text.splitlines()):
        with suppress(ValueError):
            yield _read_words(shlex.split(_END_OF_COMMAND.split(line)[0]), cls)


def _read_words(words: list[str], cls: type[Plugin]) -> dict[str, Any]:
    """Return the options that the words of a command line give."""
    fields = {field.name.rstrip("_"): field for field in attrs.fields(cls) if field.init}  # type: ignore[arg-type]
    arguments = [name for name, field in fields.items() if field.metadata.get("argument")]
    options: dict[str, Any] = {}
    while words:
        word = words.pop(0)
        if not word.startswith("--"):
            name = arguments[0] if len(arguments) == 1 else arguments.pop(0)
            options[name] = [*options.get(name, ()), word] if _is_list(fields[name]) else word
            continue
        name, _, value = word.removeprefix("--").replace("-", "_").partition("=")
        is_flag = isinstance(fields[name].default, bool) if name in fields else True
        given: Any = True if is_flag else value or (words.pop(0) if words else "")
        if not is_flag and "int" in str(fields[name].type):
            given = int(given)
        options[name] = [*options.get(name, ()), given] if name in fields and _is_list(fields[name]) else given
    return {name: value for name, value in options.items() if name not in ("config", "help")}


def _is_list(field: "attrs.Attribute[Any]") -> bool:
    return isinstance(field.default, tuple | list)


def _tables(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for one in value.values():
            yield from _tables(one)
    elif isinstance(value, list):
        for one in value:
            yield from _tables(one)
