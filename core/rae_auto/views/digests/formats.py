"""A digest as text for a terminal or a mail, as Markdown, and as a whole HTML page."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import tzinfo
from html import escape
from textwrap import wrap

from rae_auto.model.primitives.escaping import escape_line
from rae_auto.model.primitives.formatting import format_count, format_elapsed
from rae_auto.toolkit.text_cells import count_cells
from rae_auto.views.charts.occurrence_chart import draw_occurrences, occurrences_table
from rae_auto.views.charts.strip_chart import draw_strip, strip_table
from rae_auto.views.charts.svg import CHART_STYLE, ChartTable
from rae_auto.views.charts.trend_chart import draw_trend, trend_table
from rae_auto.views.digests.sections import Section, describe_span, list_sections
from rae_auto.views.screens.digest import Digest
from rae_auto.views.screens.parts.digest_pictures import DigestPictures
from rae_auto.views.screens.parts.strip import Strip
from rae_auto.views.table_layout import GAP, align_rows

MAX_TEXT_WIDTH = 96
"""Width of the text, in cells, from which it is wrapped, and a matter and its remedy have lines of their own."""

MIN_WRAPPED_WIDTH = 24
"""A column is wrapped to this width at least."""

_INDENT = "  "

_STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c2024}
table{border-collapse:collapse;margin:0 0 1.5rem}th,td{text-align:left;padding:.2rem 1rem .2rem 0;vertical-align:top}
th{border-bottom:1px solid #9aa4ae}h1{font-size:1.4rem}h2{font-size:1.1rem}.bad{color:#b3261e}.good{color:#0a6b3d}
@media(prefers-color-scheme:dark){body{background:#14171a;color:#e6e9ec}.bad{color:#ff8a80}.good{color:#6fd19b}}"""


def digest_text(digest: Digest, zone: tzinfo, width: int | None = None) -> str:
    """Return the digest as plain text: the verdict as the first line, then a table for each section.

    `width` is that of the terminal, in cells; without one it is for a mail, whose verdict is one line.
    """
    room = MAX_TEXT_WIDTH if width is None else max(min(width - len(_INDENT), MAX_TEXT_WIDTH), MIN_WRAPPED_WIDTH)
    lines = [escape_line(digest.verdict), escape_line(describe_span(digest, zone))]
    if width is not None:
        lines = [part for line in lines for part in _wrap(line, width, rest=_INDENT)]
    for section in list_sections(digest, zone):
        lines += ["", section.title]
        lines += [f"{_INDENT}{line}" for line in _text_rows(section, room)]
        if section.note:
            lines += _wrap(f"({section.note})", room, first=_INDENT, rest=_INDENT)
    return "\n".join(lines) + "\n"


def _text_rows(section: Section, width: int) -> list[str]:
    """Return rows in columns, of which the widest is wrapped where a row would be too long.

    A remedy then has a line of its own.
    """
    rows = [[escape_line(cell) for cell in row] for row in section.rows]
    aligned = align_rows(rows)
    if all(count_cells(line) <= width for line in aligned):
        return aligned
    if not section.has_advice:
        return align_rows(list(_wrap_widest_column(rows, width)))
    lines = []
    for text, advice in rows:
        lines += _wrap(text, width, rest=_INDENT)
        lines.append(f"{_INDENT}→ {advice}")
    return lines


def _wrap_widest_column(rows: Sequence[Sequence[str]], width: int) -> Iterator[Sequence[str]]:
    """Yield rows as lines of cells, with the parts of the widest column below each other."""
    widths = [max(map(count_cells, column)) for column in zip(*rows, strict=True)]
    widest = max(range(len(widths)), key=widths.__getitem__)
    others = sum(widths) - widths[widest] + GAP * (len(widths) - 1)
    for row in rows:
        first, *rest = _wrap(row[widest], max(width - others, MIN_WRAPPED_WIDTH)) or [""]
        yield [*row[:widest], first, *row[widest + 1 :]]
        yield from ([part if n == widest else "" for n in range(len(row))] for part in rest)


def _wrap(text: str, width: int, first: str = "", rest: str = "") -> list[str]:
    """Return the lines of a text with their indents; an address or a path is kept whole."""
    return wrap(
        text, width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False, break_long_words=False
    )


def digest_markdown(digest: Digest, zone: tzinfo) -> str:
    """Return the digest as Markdown."""
    lines = [f"# {_markdown(digest.verdict)}", "", _markdown(describe_span(digest, zone))]
    for section in list_sections(digest, zone):
        lines += ["", f"## {section.title}", "", *_markdown_table(section)]
        if section.note:
            lines += ["", _markdown(section.note)]
    return "\n".join(lines) + "\n"


def _markdown_table(section: Section) -> list[str]:
    rows = [[_markdown(cell) for cell in row] for row in section.rows]
    rule = ["---"] * len(section.headers)
    return [f"| {' | '.join(row)} |" for row in (section.headers, rule, *rows)] if rows else []


def _markdown(text: str) -> str:
    plain = escape_line(text)
    for character in "\\`*_[]<>|#":
        plain = plain.replace(character, f"\\{character}")
    return plain


def digest_html(digest: Digest, zone: tzinfo) -> str:
    """Return the digest as an HTML page that needs nothing else: no script, no image, no other file."""
    verdict = "good" if digest.ok else "bad"
    body = [
        f'<h1 class="{verdict}">{_html(digest.verdict)}</h1>',
        f"<p>{_html(describe_span(digest, zone))}</p>",
        *([] if digest.pictures is None else [_html_strip(digest.pictures.strip, digest.zone, zone)]),
        *(_html_section(section) for section in list_sections(digest, zone)),
        *([] if digest.pictures is None else _html_job_pictures(digest.pictures, zone)),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_html(digest.verdict)}</title>\n<style>{_STYLE}{CHART_STYLE}</style></head>\n<body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def _html_strip(strip: Strip, zone_name: str, zone: tzinfo) -> str:
    """Return a day back and a day ahead as a picture, and the same numbers as a table."""
    return _html_picture(draw_strip(strip, zone_name), strip_table(strip, zone))


def _html_job_pictures(pictures: DigestPictures, zone: tzinfo) -> Iterator[str]:
    """Yield the last occurrences of jobs that failed, and how long runs took of those that got slower."""
    for job, marks in pictures.occurrences.items():
        yield f"<h2>{_html(job)}: the last {format_count(len(marks), 'occurrence')}</h2>"
        yield _html_picture(draw_occurrences(marks, None, zone), occurrences_table(marks, zone))
    for job, trends in pictures.trends.items():
        points, name = trends.duration, "duration"
        yield f"<h2>{_html(job)}: how long its runs take</h2>"
        picture = draw_trend(points, trends.step, format_elapsed, name, zone)
        yield _html_picture(picture, trend_table(points, name, format_elapsed, zone))


def _html_picture(picture: str, table: ChartTable) -> str:
    """Return a picture with its numbers as a table."""
    numbers = _html_section(Section(table.caption, table.headers, table.rows))
    return f"{picture}\n<details><summary>The same as numbers</summary>{numbers}</details>"


def _html_section(section: Section) -> str:
    head = "".join(f'<th scope="col">{_html(name)}</th>' for name in section.headers)
    rows = "".join(f"<tr>{''.join(f'<td>{_html(cell)}</td>' for cell in row)}</tr>\n" for row in section.rows)
    note = f"<p>{_html(section.note)}</p>\n" if section.note else ""
    table = f"<table><thead><tr>{head}</tr></thead>\n<tbody>{rows}</tbody></table>\n" if rows else ""
    return f"<h2>{_html(section.title)}</h2>\n{table}{note}"


def _html(text: str) -> str:
    return escape(escape_line(text))


FORMATS: Mapping[str, Callable[[Digest, tzinfo], str]] = {
    "text": digest_text,
    "markdown": digest_markdown,
    "html": digest_html,
}
"""The formats by their names on the command line."""
