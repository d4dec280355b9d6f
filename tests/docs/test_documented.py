"""Whatever a person can meet is on a page: hooks, variables of the environment, exit codes, metrics."""

import re
import tomllib
from pathlib import Path

import pluggy

from rae_auto import hookspecs
from rae_auto.cli.failures import EXIT_CODES
from rae_auto.model.expectations import Overdue, Overrun

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
SOURCES = [path for top in ("core", "plugins") for path in (ROOT / top).rglob("*.py")]

INTERNAL = {"RAE_API", "RAE_STATE", "RAE_AUTO_COMPLETE", "RAE_TRIAL_FOLDER"}
"""The version that a plugin module declares, a field of the journal, and what completion and 'plugins try' set."""


def test_every_hook_is_on_the_page_of_plugins() -> None:
    marker = f"{hookspecs.PROJECT}_spec"
    hooks = {name for name, value in vars(hookspecs).items() if hasattr(value, marker)}
    assert isinstance(hookspecs.hookspec, pluggy.HookspecMarker)
    assert len(hooks) >= 6
    page = (DOCS / "guides" / "writing-plugins.md").read_text()
    assert {hook for hook in hooks if hook not in page and hook.removeprefix("rae_") not in page} == set()


def test_every_variable_of_the_environment_is_on_its_page() -> None:
    used = {name for path in SOURCES for name in re.findall(r"\bRAE_[A-Z]+(?:_[A-Z]+)*\b", path.read_text())}
    page = (DOCS / "reference" / "environment.md").read_text()
    assert {name for name in used - INTERNAL if f"`{name}`" not in page} == set()


def test_every_exit_code_is_on_its_page() -> None:
    page = (DOCS / "reference" / "exit-codes.md").read_text()
    assert {code for _, code in EXIT_CODES if f"\n## {code}\n" not in page} == set()


def test_every_message_of_the_event_stream_is_on_its_page() -> None:
    published = (ROOT / "core" / "rae_auto" / "runtime" / "reporting" / "announcements.py").read_text()
    engine = "".join(path.read_text() for path in (ROOT / "core" / "rae_auto" / "engine").rglob("*.py"))
    kinds = {*re.findall(r'"kind": "(\w+)"', published), Overdue.code, Overrun.code}
    changes = {*re.findall(r'JobChanged\([^)]*?"(\w+)"', engine), "paused", "resumed", "added", "changed", "removed"}
    page = (DOCS / "reference" / "event-stream.md").read_text()
    assert len(kinds) >= 6
    assert {kind for kind in kinds if f"| `{kind}` |" not in page} == set()
    assert {change for change in changes if f"`{change}`" not in page} == set()


def test_every_extra_for_users_is_on_the_first_pages() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = {name for path in SOURCES for name in re.findall(r"rae-auto\[([a-z]+)\]", path.read_text())}
    assert named <= extras.keys()
    assert {"ui", "mcp", "keyring"} <= extras.keys()
    for page in (ROOT / "README.md", DOCS / "guides" / "install.md"):
        text = page.read_text()
        assert {name for name in extras.keys() - {"dev", "docs", "peers"} if f"`{name}`" not in text} == set(), page
