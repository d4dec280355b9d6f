"""Every example in the README and the pages is tried: Python runs, TOML loads, command lines parse."""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import click
import pytest

from rae_auto.api import Event
from rae_auto.api.plugin import Kind
from rae_auto.cli.command_index import COMMANDS
from rae_auto.cli.program import program
from rae_auto.config import check
from rae_auto.offline.authoring.examples import example_place
from rae_auto.registry import Registry
from rae_auto.toolkit.pattern_run import PatternRun

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Example(NamedTuple):
    place: str
    language: str
    text: str


# A page with a session is run as a whole, by test_session.py.
EXAMPLES = [
    Example(f"{page.relative_to(ROOT)}:{page.read_text()[: found.start()].count(chr(10)) + 1}", found[1], found[2])
    for page in PAGES
    if "<!-- session -->" not in page.read_text()
    for found in FENCE.finditer(page.read_text())
]


FILES = {
    found[1]: example.text
    for example in EXAMPLES
    if example.language == "python" and (found := re.match(r"# (\w+\.py)\n", example.text))
}
"""Examples that say of which file they are, so that others can import them."""


def written_in(language: str) -> list[object]:
    return [pytest.param(example.text, id=example.place) for example in EXAMPLES if example.language == language]


def test_every_example_is_in_a_language_that_is_tried_here() -> None:
    assert {example.language for example in EXAMPLES} <= {"python", "toml", "console", "sh", "text", "ini"}


@pytest.mark.parametrize("text", written_in("python"))
def test_a_python_example_runs_twice_in_a_row(text: str, tmp_path: Path) -> None:
    for _ in range(2):
        assert "failed" not in run("-c", text, cwd=tmp_path)


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith("test_")])
def test_the_tests_of_an_example_pass(name: str, tmp_path: Path) -> None:
    run("-m", "pytest", "-q", "-p", "no:cacheprovider", name, cwd=tmp_path)


def run(*arguments: str, cwd: Path) -> str:
    for name, text in FILES.items():
        (cwd / name).write_text(text)
    environment = {**os.environ, "RAE_STATE_DIR": str(cwd / "state"), "PYTHONPATH": str(cwd)}
    environment.pop("PYTEST_ADDOPTS", None)
    command = [sys.executable, *arguments]
    ran = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=100)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_the_pattern_of_the_page_on_plugins_counts_events_and_no_gaps() -> None:
    names: dict[str, Any] = {"__name__": "example"}
    exec(next(text for _, _, text in EXAMPLES if "class EveryThird" in text), names)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    play = PatternRun.start(names["EveryThird"](name="door"), now)
    fired = [play.skip(now, now, "down"), *(play.handle(Event(str(number), "door", now, {})) for number in range(3))]
    assert [len(firings) for firings in fired] == [0, 0, 0, 1]


OF_THIS_MACHINE = (
    "not found on PATH", "does not exist yet", "which can't be read: No such file or directory",
    "which is not set in the daemon's environment", "there are no jobs", "power-low may never fire",
)  # fmt: skip
"""Ends of warnings that an example may have: its programs, folders and secrets are made up."""


@pytest.mark.parametrize("text", written_in("toml"))
def test_a_toml_example_is_a_configuration_without_mistakes(text: str, tmp_path: Path) -> None:
    if text.startswith("[project."):
        groups = tomllib.loads(text)["project"]["entry-points"]
        assert set(groups) <= {f"rae_auto.{kind}s" for kind in Kind}
        return
    (tmp_path / "plugins").mkdir()
    path = tmp_path / "rae.toml"
    path.write_text(text)
    path.chmod(0o600)
    with example_place(ROOT):
        report = check(path, Registry())
    assert [line for line in report.errors if " is not available on this machine: " not in line] == []
    assert [line for line in report.warnings if not line.partition("; ")[0].endswith(OF_THIS_MACHINE)] == []


@pytest.mark.parametrize("text", written_in("console"))
def test_every_command_line_of_a_console_example_is_understood(text: str) -> None:
    for line in text.splitlines():
        assert line.startswith("$ rae-auto ")
        name, *arguments = shlex.split(line)[2:]
        context = click.Context(program, info_name="rae-auto")
        command = program.get_command(context, name)
        assert command is not None, line
        command.make_context(name, arguments, parent=context)


COMMANDS_OF_EXAMPLES = {"failures", "postgres"}
"""Commands of plugins that a page shows how to write, or that are in a distribution of their own."""


_MENTION = re.compile(r"(?:[`'(]|\$ |\| )rae-auto ([a-z]+(?:-[a-z]+)*)\b")
"""A command as pages write it: as code, in quotation marks, or after a prompt."""


def test_every_command_that_a_page_mentions_exists() -> None:
    mentioned = {name for page in PAGES for name in _MENTION.findall(page.read_text())}
    assert mentioned - {*COMMANDS, *Registry().names(Kind.COMMAND)} == COMMANDS_OF_EXAMPLES
