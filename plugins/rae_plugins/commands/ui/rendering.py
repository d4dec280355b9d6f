"""Pages from templates: everything that is filled in is escaped, and times and states look the same everywhere."""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from itertools import islice
from typing import Any
from urllib.parse import quote as quote_path

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from rae_auto.model.primitives.formatting import format_bytes, format_count, format_elapsed
from rae_plugins.commands.ui.assets import load_assets
from rae_plugins.commands.ui.inks import format_output_lines, format_parts

GLYPHS = {
    "succeeded": ("good", "●"),
    "failed": ("bad", "✕"),
    "timed_out": ("bad", "⊘"),
    "lost": ("bad", "?"),
    "cancelled": ("stopped", "■"),
    "interrupted": ("stopped", "◩"),
    "skipped": ("skipped", "○"),
    "queued": ("waiting", "◔"),
    "retrying": ("waiting", "↻"),
    "starting": ("running", "▸"),
    "running": ("running", "▶"),
    "was_starting": ("waiting", "▹"),
    "was_running": ("waiting", "▷"),
    "yes": ("good", "●"),
    "no": ("bad", "✕"),
    "unknown": ("skipped", "?"),
    "ok": ("good", "●"),
    "warning": ("waiting", "▲"),
    "critical": ("bad", "✕"),
    "problem": ("bad", "✕"),
    "paused": ("stopped", "‖"),
    "disabled": ("stopped", "■"),
    "idle": ("quiet", "·"),
    "done": ("quiet", "✓"),
    "waiting": ("waiting", "◔"),
}
"""The colour and the shape of each state; shapes differ, so that colour is never alone."""

_RUN_ID = re.compile(r" \(run [0-7][0-9A-HJKMNP-TV-Z]{25}\)")
"""The id of a run in a sentence; a page has it beside the sentence, as a link."""

_NAMED_RUN = re.compile(r"\brun ([0-7][0-9A-HJKMNP-TV-Z]{25})\b")


DUE_NOW_SECONDS = 60
"""Time for which a start is due now; after it, it is late."""


@lru_cache(maxsize=1)
def make_environment() -> Environment:
    """Return the templates with their filters."""
    environment = Environment(
        loader=PackageLoader("rae_plugins.commands.ui"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters |= {
        "when": format_when,
        "relative": format_relative,
        "due": format_due,
        "with_due": format_with_due,
        "duration": format_duration,
        "size": lambda value: "" if value is None else format_bytes(int(value)),
        "count": format_count,
        "number": "{:,}".format,
        "state": format_state,
        "argv": shlex.join,
        "path": format_path,
        "pretty": lambda value: json.dumps(value, indent=2, ensure_ascii=False, default=str),
        "instant": lambda value: datetime.fromisoformat(value) if isinstance(value, str) else value,
        "brief": lambda text: _RUN_ID.sub("", text),
        "linked": link_runs,
        "table_rows": format_table_rows,
        "output_lines": format_output_lines,
        "output_parts": format_parts,
        "sentence": lambda text: text[:1].upper() + text[1:],
        "words": lambda value: str(value).replace("_", " "),
    }
    environment.globals |= {
        name.partition(".")[0] + "_" + asset.path.rpartition(".")[2]: asset.path
        for name, asset in load_assets().items()
    }
    return environment


def render(template: str, values: Mapping[str, Any]) -> bytes:
    """Return a page; bytes in names of files that are no UTF-8 are escaped as in Python, `\\udce9`."""
    return make_environment().get_template(template).render(values).encode(errors="backslashreplace")


def inlined(svg: str) -> Markup:
    """Return a picture of `rae_auto.charts` for a template, which then doesn't escape it: all words in it are."""
    return Markup(svg)  # noqa: S704


class PageTimes:
    """The times of one page: elements with a text for people and a title with everything else.

    A page can have a thousand of them, often the same ones, so each is made once.
    """

    def __init__(self, zone: tzinfo, now: datetime) -> None:
        self.zone, self.now = zone, now
        self._today = now.astimezone(zone)
        self._made: dict[tuple[datetime, bool], Markup] = {}

    def when(self, instant: datetime, *, seconds: bool = False) -> Markup:
        """Return the time, with the day unless it is today.

        Times of today have their seconds, unless these are 0, because runs can follow each other within a minute.
        """
        found = self._made.get((instant, seconds))
        if found is None:
            found = self._made[instant, seconds] = self._make(instant, seconds)
        return found

    def _make(self, instant: datetime, has_seconds: bool) -> Markup:
        local = instant.astimezone(self.zone)
        day = _day_text(local, self._today)
        clock = f"{local:%H:%M:%S}" if has_seconds or (local.second and not day) else f"{local:%H:%M}"
        title = f"{local:%a %Y-%m-%d %H:%M:%S %Z}, {relative_text(instant, self.now)}"
        return _time_element(instant, title, f"{day}{clock}")

    def relative(self, instant: datetime) -> Markup:
        """Return the distance from now, which the script keeps up to date."""
        title = f"{instant.astimezone(self.zone):%a %Y-%m-%d %H:%M:%S %Z}"
        return _time_element(instant, title, relative_text(instant, self.now), " data-relative")

    def due(self, instant: datetime) -> Markup:
        """Return the distance of a start to come, which is due now once its instant is there."""
        title = f"{instant.astimezone(self.zone):%a %Y-%m-%d %H:%M:%S %Z}"
        return _time_element(instant, title, due_text(instant, self.now), " data-relative data-due")

    def text(self, instant: datetime) -> str:
        """Return the time as words, with the day unless it is today."""
        local = instant.astimezone(self.zone)
        return f"{_day_text(local, self._today)}{local:%H:%M}"


@pass_context
def format_when(context: Context, instant: datetime | None, *, seconds: bool = False) -> Markup:
    """Return an instant as `PageTimes.when` does, or a dash for None."""
    return _NO_TIME if instant is None else context["times"].when(instant, seconds=seconds)


@pass_context
def format_relative(context: Context, instant: datetime | None) -> Markup:
    """Return an instant as `PageTimes.relative` does, or nothing for None."""
    return Markup("") if instant is None else context["times"].relative(instant)


@pass_context
def format_due(context: Context, instant: datetime | None) -> Markup:
    """Return the instant of a start to come as `PageTimes.due` does, or nothing for None."""
    return Markup("") if instant is None else context["times"].due(instant)


@pass_context
def format_with_due(context: Context, text: str, instant: datetime | None, now: datetime) -> Markup:
    """Return a sentence with the distance of a start in it, which was written at `now`, as `PageTimes.due` has it."""
    before, distance, after = (text, "", "") if instant is None else text.rpartition(due_text(instant, now))
    return Markup("{}{}{}").format(before, format_due(context, instant) if distance else "", after)


_NO_TIME = Markup('<span class="none">-</span>')


def _time_element(instant: datetime, title: str, text: str, attributes: str = "") -> Markup:
    # Filling in a template of markup would take a third of the time of a page.
    iso = instant.astimezone(UTC).isoformat()
    return Markup(f'<time datetime="{iso}" title="{escape(title)}"{attributes}>{escape(text)}</time>')  # noqa: S704


def _day_text(local: datetime, today: datetime) -> str:
    days = local.toordinal() - today.toordinal()
    if days == 0:
        return ""
    if -7 < days < 7:
        return f"{local:%a} "
    return f"{local.day} {local:%b} " if local.year == today.year else f"{local:%Y-%m-%d} "


def relative_text(instant: datetime, now: datetime) -> str:
    """Return "in 4 min" or "3 h ago"."""
    seconds = (instant - now).total_seconds()
    if abs(seconds) < 1:
        return "now"
    distance = format_elapsed(int(abs(seconds)), parts=1)
    return f"in {distance}" if seconds >= 0 else f"{distance} ago"


def due_text(instant: datetime, now: datetime) -> str:
    """Return the distance of a start to come, which is "due now" once its instant is there."""
    seconds = (instant - now).total_seconds()
    if seconds >= 1:
        return relative_text(instant, now)
    return "due now" if seconds > -DUE_NOW_SECONDS else f"due {relative_text(instant, now)}"


def link_runs(text: str) -> Markup:
    """Return a sentence in which each run that it names is a link, which is shorter than its id."""
    parts = _NAMED_RUN.split(text)
    links = [f'<a href="/runs/{run}">run …{run[-4:]}</a>' for run in parts[1::2]]
    words = [escape(part) for part in parts[::2]]
    return Markup("".join(part for pair in zip(words, [*links, ""], strict=True) for part in pair))  # noqa: S704


@lru_cache(maxsize=1_024)
def format_path(name: object) -> str:
    """Return a name as a part of an address; a page has that of each of its jobs several times."""
    return quote_path(str(name), safe="", errors="replace")


def format_duration(value: timedelta | float | None) -> str:
    """Return a duration, or a dash for None."""
    return "-" if value is None else format_elapsed(value)


@lru_cache(maxsize=64)
def format_state(state: str, label: str | None = None) -> Markup:
    """Return a state as an element: its shape, in its colour, and its word."""
    group, glyph = GLYPHS.get(state, ("skipped", "·"))
    text = state.replace("_", " ") if label is None else label
    return Markup('<span class="state {}"><i aria-hidden="true">{}</i>{}</span>').format(group, glyph, escape(text))


def format_table_rows(rows: Sequence[Sequence[str]]) -> Markup:
    """Return the rows of a table, each with a heading as its first cell."""
    cells = [cell for row in rows for cell in row]
    # Escaped together, because a page can have thousands of them.
    escaped = str(escape(_BETWEEN_CELLS.join(cells))).split(_BETWEEN_CELLS)
    if len(escaped) != len(cells):
        escaped = [str(escape(cell)) for cell in cells]
    found = iter(escaped)
    return Markup("".join([_table_row(list(islice(found, len(row)))) for row in rows]))  # noqa: S704


def _table_row(cells: Sequence[str]) -> str:
    return f'<tr><th scope="row">{cells[0]}</th><td>{"</td><td>".join(cells[1:])}</td></tr>'


_BETWEEN_CELLS = "\x1f"
"""A character that hardly any text has."""


def zone_name(zone: tzinfo, now: datetime) -> str:
    """Return the abbreviation of a zone now."""
    return now.astimezone(zone).tzname() or str(zone)
