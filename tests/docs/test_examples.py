"""Every example in the README and the pages is tried: Python runs, TOML loads, command lines parse."""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from rae_auto.api.plugin import Kind
from rae_auto.cli.program import COMMANDS, program
from rae_auto.config import Report, check
from rae_auto.registry import Registry

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Example(NamedTuple):
    place: str
    language: str
    text: str


EXAMPLES = [
    Example(f"{page.relative_to(ROOT)}:{page.read_text()[: found.start()].count(chr(10)) + 1}", found[1], found[2])
    for page in PAGES
    for found in FENCE.finditer(page.read_text())
]


def written_in(language: str) -> list[object]:
    return [pytest.param(example.text, id=example.place) for example in EXAMPLES if example.language == language]


def test_every_example_is_in_a_language_that_is_tried_here() -> None:
    assert {example.language for example in EXAMPLES} <= {"python", "toml", "console", "sh", "text"}


@pytest.mark.parametrize("text", written_in("python"))
def test_a_python_example_runs(text: str, tmp_path: Path) -> None:
    environment = {**os.environ, "RAE_STATE_DIR": str(tmp_path / "state")}
    ran = subprocess.run(
        [sys.executable, "-c", text], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100
    )
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("text", written_in("toml"))
def test_a_toml_example_is_a_configuration_without_mistakes(text: str, tmp_path: Path) -> None:
    if text.startswith("[project."):
        groups = tomllib.loads(text)["project"]["entry-points"]
        assert set(groups) <= {f"rae_auto.{kind}s" for kind in Kind}
        return
    path = tmp_path / "rae.toml"
    path.write_text(text)
    path.chmod(0o600)
    assert check(path, Registry()) == Report(())


@pytest.mark.parametrize("text", written_in("console"))
def test_every_command_line_of_a_console_example_is_understood(text: str) -> None:
    for line in text.splitlines():
        assert line.startswith("$ rae-auto ")
        name, *arguments = shlex.split(line)[2:]
        context = click.Context(program, info_name="rae-auto")
        command = program.get_command(context, name)
        assert command is not None, line
        command.make_context(name, arguments, parent=context)


def test_every_command_that_a_page_mentions_exists() -> None:
    mentioned = {name for page in PAGES for name in re.findall(r"rae-auto ([a-z]+(?:-[a-z]+)*)\b", page.read_text())}
    assert mentioned - set(COMMANDS) == set()
