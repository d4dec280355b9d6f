"""The page of configuration keys, held against the classes that read a file."""

import re
import tomllib
from pathlib import Path

import pytest

from rae_auto.config.structure import options_of, structure
from rae_auto.config.tables import FileTable, JobTable, PluginsTable
from rae_auto.model.expectations import ExpectPolicy
from rae_auto.model.policies import Limits, NotifyPolicy, Retention, RetryPolicy

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "configuration.md"
SECTIONS = {"## The file": FileTable, "## A job": JobTable, "### retry": RetryPolicy, "### limits": Limits}
SECTIONS |= {"### notify": NotifyPolicy, "### expect": ExpectPolicy, "### history": Retention}
_EMPTY = (None, "", (), {}, NotifyPolicy(), ExpectPolicy(), Limits(), Retention(), PluginsTable())


def rows_below(heading: str) -> dict[str, str]:
    """The defaults of a section's table, by key."""
    section = PAGE.read_text().split(f"\n{heading}\n")[1].split("\n#")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", section, re.MULTILINE))


@pytest.mark.parametrize("heading", SECTIONS)
def test_a_table_has_every_key_and_no_other(heading: str) -> None:
    beside = {"jobs", "defaults"} if heading == "## The file" else set()
    assert set(rows_below(heading)) == {*options_of(SECTIONS[heading]), *beside}


@pytest.mark.parametrize("heading", SECTIONS)
def test_the_defaults_of_a_table_are_those_of_the_program(heading: str) -> None:
    cls = SECTIONS[heading]
    given = {key: default[1:-1] for key, default in rows_below(heading).items() if default.startswith("`")}
    written = tomllib.loads("\n".join(f"{key} = {default}" for key, default in given.items()))
    structured, default = structure(written, cls, short_plugins=True), cls()
    assert {key: getattr(structured, key) for key in written} == {key: getattr(default, key) for key in written}


@pytest.mark.parametrize("heading", SECTIONS)
def test_a_key_without_a_default_in_the_table_has_none_in_the_program(heading: str) -> None:
    default = SECTIONS[heading]()
    bare = [key for key, text in rows_below(heading).items() if not text.startswith("`") and hasattr(default, key)]
    assert [key for key in bare if getattr(default, key) not in _EMPTY] == []
