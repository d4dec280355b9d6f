"""The table as Markdown, for a page of the docs: rae-auto, the floor, and the peers side by side."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from tests.benchmarks.table.lines import FLOOR, LINES, OURS
from tests.benchmarks.table.text import format_number

MAX_LINE_CHARACTERS = 100

MARKS = ("<!-- figures -->", "<!-- end of figures -->")
"""Lines of the page between which the table stands."""


def with_figures(page: str, document: Mapping[str, Any]) -> str:
    """Return a page with the figures of a measurement in place of those between its marks. Errors: ValueError."""
    before, begin, rest = page.partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if not begin or not end:
        raise ValueError(f"the page has no place for figures: lines {MARKS[0]} and {MARKS[1]}")
    return f"{before}{MARKS[0]}\n\n{format_figures(document)}\n\n{MARKS[1]}{after}"


def format_figures(document: Mapping[str, Any]) -> str:
    """Return a section for each line: what it means, and a table of medians with least and greatest."""
    parts = [_fill(f"Machine: {document['machine']}.")]
    meanings = {line.name: line for line in LINES}
    for measured in document["lines"]:
        line = meanings[measured["line"]]
        meaning = line.meaning.format(size=measured["size"])
        parts.append(f"### {meaning[0].upper()}{meaning[1:]}")
        parts.append(_describe_round(measured))
        parts.append("\n".join(_rows(measured)))
        parts += [_fill(f"- {name}: {reason}", "  ") for name, reason in measured["left_out"].items()]
    return "\n\n".join(parts)


def _describe_round(measured: Mapping[str, Any]) -> str:
    """Return when and how often a line was measured, and beside how much else."""
    repeats = measured["repeats"]
    counted = "one round" if repeats == 1 else f"medians of {repeats} rounds"
    return f"{measured['measured_on']}, {counted}, load {measured['load']:g}."


def _fill(text: str, indent: str = "") -> str:
    return textwrap.fill(text, MAX_LINE_CHARACTERS, subsequent_indent=indent, break_on_hyphens=False)


def _rows(measured: Mapping[str, Any]) -> Iterator[str]:
    """Yield a row for each figure and subject."""
    values: Mapping[str, Mapping[str, Sequence[float]]] = measured["values"]
    yield f"| {measured['unit']} | of | median | least to greatest | of rae-auto | of the floor |"
    yield "|---|---|---|---|---|---|"
    for figure in dict.fromkeys(name for figures in values.values() for name in figures):
        middles = {name: median(figures[figure]) for name, figures in values.items() if figure in figures}
        for name, middle in middles.items():
            found = values[name][figure]
            spread = f"{format_number(min(found))} to {format_number(max(found))}"
            ratios = [_ratio(name, other, middle, middles) for other in (OURS, FLOOR)]
            yield f"| `{figure}` | {name} | {format_number(middle)} | {spread} | {' | '.join(ratios)} |"


def _ratio(name: str, other: str, middle: float, middles: Mapping[str, float]) -> str:
    if name == other or not middles.get(other):
        return ""
    return f"{middle / middles[other]:.2f}"
