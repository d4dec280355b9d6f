"""The sections of the pages of codes: a heading for each code, which is its anchor, with its cause and what to do."""

import re
import textwrap

from rae_auto.explain.codes.catalog import all_codes
from rae_auto.explain.codes.entry import CodeEntry, CodeSet
from rae_auto.model.reasons import REASONS

WIDTH = 100

_GROUPS = {
    "started": "It started",
    "skipped": "It was skipped, or waits",
    "waits": "It waits",
    "refused": "It was refused",
}
_ENDED = "It ended"
"""The group of a reason, by the first word of its meaning."""


def reason_sections() -> str:
    """Return a section for each reason, in groups. Its meaning has links, which a terminal doesn't show."""
    groups: dict[str, list[str]] = {}
    for entry in _entries(CodeSet.REASON):
        meaning = REASONS[entry.code].meaning
        group = _GROUPS.get(meaning.replace(":", " ").replace(",", " ").split()[0], _ENDED)
        groups.setdefault(group, []).append(_section(entry, f"{meaning[0].upper()}{meaning[1:]}.", "###"))
    return "\n\n".join(f"## {group}\n\n" + "\n\n".join(sections) for group, sections in groups.items())


def code_sections(name: str) -> str:
    """Return a section for each code of a set, which is named as in `exit-code`."""
    entries = _entries(CodeSet(name.replace("-", " ")))
    return "\n\n".join(_section(entry, _with_code(entry.cause), "##") for entry in entries)


def _entries(set_: CodeSet) -> list[CodeEntry]:
    return [entry for entry in all_codes() if entry.set is set_]


def _section(entry: CodeEntry, cause: str, level: str) -> str:
    todo = _with_code(entry.hint)
    is_nothing = todo.startswith("Nothing to do")
    return "\n\n".join([f"{level} {entry.code}", _wrap(cause), _wrap(todo if is_nothing else f"**Do:** {todo}")])


def _wrap(text: str) -> str:
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def _with_code(text: str) -> str:
    """Return text of a terminal as Markdown: what stands in single quotes there is code."""
    text = re.sub(r"'((?:rae-auto|async|check|simulate|doctor|exec)\b[^']*)'", r"`\1`", text)
    return re.sub(r"(?<!\*)\*(?!\*)", r"\\*", text)
