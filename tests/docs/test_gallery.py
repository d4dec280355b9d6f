"""The gallery shows every plugin that is here, and takes entries of other people that are complete."""

import importlib.util
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from rae_auto.api.plugin import Kind

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "plugins" / "index.md"

ENTRY = {
    "kind": "notifier",
    "name": "ntfy",
    "distribution": "rae-notifier-ntfy",
    "summary": "Posts each notice to a topic.",
    "grade": "silver",
    "link": "https://example.org/ntfy",
}


@pytest.fixture(scope="module")
def gallery() -> Iterator[ModuleType]:
    """The module that writes the gallery, which is a program and no package."""
    spec = importlib.util.spec_from_file_location("gallery_page", ROOT / "docs" / "gallery_page.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [*sys.path])
        patch.setitem(sys.modules, "gallery_page", module)
        spec.loader.exec_module(module)
        yield module


def entries(**changed: Any) -> str:
    """Return the text of a file with one entry."""
    values = {**ENTRY, **changed}
    return "[[plugin]]\n" + "".join(f'{key} = "{value}"\n' for key, value in values.items() if value is not None)


def test_every_entry_point_of_the_repository_has_a_row() -> None:
    page, missing = PAGE.read_text(), []
    for project in [ROOT / "pyproject.toml", *sorted(ROOT.glob("contrib/*/pyproject.toml"))]:
        table = tomllib.loads(project.read_text())["project"]
        for kind in Kind:
            for name in table.get("entry-points", {}).get(f"rae_auto.{kind}s", {}):
                row = rf"^\| \[{name}\]\([^)]+\) \| [^|]+\. \| {table['name']} \| \[(gold|platinum)\]"
                section = page.partition(f"<!-- gallery of {kind} -->")[2].partition("<!-- end -->")[0]
                if not re.search(row, section, re.MULTILINE):
                    missing.append(f"{kind} {name}")
    assert missing == []


def test_the_gallery_takes_a_complete_entry(gallery: ModuleType) -> None:
    (entry,) = gallery.read_others(entries(), [])
    assert (entry.kind, entry.name, entry.link) == (Kind.NOTIFIER, "ntfy", "https://example.org/ntfy")
    assert "| notifier | [ntfy](https://example.org/ntfy) |" in gallery._table([entry], with_kind=True)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"grade": None}, "give distribution, grade, kind, link, name, summary"),
        ({"kind": "trigerr"}, '"trigerr" is no kind; use one of trigger'),
        ({"name": "Ntfy"}, "small letters"),
        ({"distribution": "ntfy"}, 'name the distribution "rae-notifier-ntfy"'),
        ({"grade": "good"}, "'rae-auto plugins grade' prints"),
        ({"link": "http://example.org"}, "with https"),
        ({"summary": "no sentence"}, "one plain sentence"),
        ({"summary": "A [link](https://example.org)."}, "one plain sentence"),
    ],
)
def test_the_gallery_says_what_to_change(gallery: ModuleType, changed: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValueError, match=re.escape(expected)):
        gallery.read_others(entries(**changed), [])


def test_a_name_in_the_gallery_has_one_owner(gallery: ModuleType) -> None:
    with pytest.raises(ValueError, match=r"entry 2 \(ntfy\): the notifier \"ntfy\" is that of rae-notifier-ntfy"):
        gallery.read_others(entries() + entries(), [])
