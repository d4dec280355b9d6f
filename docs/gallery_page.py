"""The gallery of plugins: a table for each kind, from the plugins that are here, and one of those of other people."""

import re
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

sys.path.insert(0, str(Path(__file__).resolve().parent))
from grade_page import ROOT, graded

from rae_auto.api.plugin import Kind
from rae_auto.registry.describe import describe
from rae_auto.registry.index import OWN_DISTRIBUTION

OTHERS = ROOT / "docs" / "reference" / "plugins" / "others.toml"
GRADES = ("bronze", "silver", "gold", "platinum")
MAX_SUMMARY_LENGTH = 120

_KEYS = frozenset({"kind", "name", "distribution", "summary", "grade", "link"})


@frozen
class GalleryEntry:
    """A row of the gallery."""

    kind: Kind
    name: str
    distribution: str
    summary: str
    grade: str
    link: str


def gallery_table(kind: Kind) -> str:
    """Return the table of the plugins of a kind that come with rae-auto, or are in contrib."""
    return _table([entry for entry in _own_entries() if entry.kind is kind])


def others_table() -> str:
    """Return the table of the plugins of other people."""
    entries = read_others(OTHERS.read_text(encoding="utf-8"), list(_own_entries()))
    return _table(entries, with_kind=True) if entries else "None yet: yours can be the first."


def distributions_text() -> str:
    """Return the data of the hints at plugins that aren't installed."""
    own = [
        evolve(entry, link=f"contrib/{entry.distribution}")
        for entry in _own_entries()
        if entry.distribution != OWN_DISTRIBUTION
    ]
    lines = ["# Plugins in distributions of their own, for hints. Written by docs/generate.py."]
    entries = [*own, *read_others(OTHERS.read_text(encoding="utf-8"), list(_own_entries()))]
    for kind in Kind:
        rows = sorted((entry for entry in entries if entry.kind is kind), key=lambda entry: entry.name)
        lines += ["", f"[{kind}]"] if rows else []
        lines += [f'{row.name} = {{ distribution = "{row.distribution}", place = "{row.link}" }}' for row in rows]
    return "\n".join(lines) + "\n"


def read_others(text: str, own: Sequence[GalleryEntry]) -> list[GalleryEntry]:
    """Return the plugins of other people, by kind and name. Errors: ValueError says which entry to change, and how."""
    taken = {(entry.kind, entry.name): entry.distribution for entry in own}
    entries = []
    for number, table in enumerate(tomllib.loads(text).get("plugin", []), 1):
        if problem := _find_problem(table, taken):
            raise ValueError(f"{OTHERS.name}: entry {number} ({table.get('name', 'without a name')}): {problem}")
        entry = GalleryEntry(Kind(table["kind"]), *(table[key] for key in GalleryEntry.__slots__[1:6]))
        taken[entry.kind, entry.name] = entry.distribution
        entries.append(entry)
    return sorted(entries, key=lambda entry: (list(Kind).index(entry.kind), entry.name))


def _find_problem(table: Mapping[str, Any], taken: Mapping[tuple[Kind, str], str]) -> str | None:
    """Return what is wrong with an entry, or None."""
    if table.keys() != _KEYS or not all(isinstance(value, str) for value in table.values()):
        return f"give {', '.join(sorted(_KEYS))}, each as text, and nothing else"
    if table["kind"] not in list(Kind):
        return f'"{table["kind"]}" is no kind; use one of {", ".join(Kind)}'
    kind, name = Kind(table["kind"]), table["name"]
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        return "a name has small letters, digits and single hyphens"
    if owner := taken.get((kind, name)):
        return f'the {kind} "{name}" is that of {owner}; a name belongs to one distribution'
    if table["distribution"] != f"rae-{kind}-{name}":
        return f'name the distribution "rae-{kind}-{name}"'
    if table["grade"] not in GRADES:
        return f"give the grade that 'rae-auto plugins grade' prints: {', '.join(GRADES)}"
    if not table["link"].startswith("https://") or set(table["link"]) & set(" ()<>|"):
        return "link to the page of the project, with https"
    summary = table["summary"]
    if not summary.endswith(".") or len(summary) > MAX_SUMMARY_LENGTH or set(summary) & set("\n|<>[]"):
        return f"write one plain sentence of at most {MAX_SUMMARY_LENGTH} characters as the summary"
    return None


def _own_entries() -> Iterator[GalleryEntry]:
    for report in graded():
        inspection = report.evidence.inspection
        info, cls = inspection.info, inspection.plugin_class
        assert cls is not None
        is_built_in = info.distribution == OWN_DISTRIBUTION
        link = f"{info.kind}s/{info.name}.md" if is_built_in else f"../../../contrib/{info.distribution}/README.md"
        summary = re.split(r"(?<=\.) (?=[A-Z])", describe(cls).help)[0]
        yield GalleryEntry(info.kind, info.name, info.distribution, summary, str(report.grade or "none"), link)


def _table(entries: Sequence[GalleryEntry], *, with_kind: bool = False) -> str:
    first = "kind | " if with_kind else ""
    lines = [f"| {first}plugin | what it is for | comes with | grade |", "|---" * (5 if with_kind else 4) + "|"]
    for entry in entries:
        kind = f"{entry.kind} | " if with_kind else ""
        summary = entry.summary.replace("|", "\\|")
        lines.append(
            f"| {kind}[{entry.name}]({entry.link}) | {summary} | {entry.distribution} |"
            f" [{entry.grade}](../plugin-api/grades.md) |"
        )
    return "\n".join(lines)
