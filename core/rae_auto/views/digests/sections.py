"""The contents of a digest as sections with rows of words, which each format lays out in its own way."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import tzinfo
from itertools import islice

from attrs import evolve, frozen

from rae_auto.model.primitives.formatting import format_count, format_elapsed
from rae_auto.model.run import RunState
from rae_auto.views.screens.digest import Digest, FailureRow, SkippedRow
from rae_auto.views.screens.parts.base import Extent
from rae_auto.views.times import describe_day_and_time

MAX_ROWS = 15
"""Rows of a section; the rest is counted."""

Row = tuple[str, ...]


@frozen
class Section:
    """A titled table. `note` says how much of it is missing, if anything is."""

    title: str
    headers: Row
    rows: Sequence[Row]
    note: str = ""
    has_advice: bool = False
    """True if the last column says what to do."""


def list_sections(digest: Digest, zone: tzinfo) -> Iterator[Section]:
    """Yield the sections of a digest that have something to say, the most important first."""

    def section(title: str, headers: Row, rows: Iterable[Row], count: int, noun: str) -> Iterator[Section]:
        # The first alone are described: there may be hundreds.
        shown = list(islice(rows, MAX_ROWS))
        if shown:
            cut = Extent(len(shown), count)
            note = "" if cut.is_complete else cut.describe(noun, lambda at: describe_day_and_time(at, zone))
            yield Section(title, headers, shown, note)

    attention = ((one.why, one.action.command) for one in digest.attention)
    matters = len(digest.attention) + digest.attention_extent.total - digest.attention_extent.shown
    for found in section("Needs you", ("why", "what to do"), attention, matters, "matter"):
        yield evolve(found, has_advice=True)
    ran = [(RunState(state).text, f"{count:,}") for state, count in digest.states.items() if state != RunState.SKIPPED]
    ran += [("skips", f"{digest.skipped:,}")] if digest.skipped else []
    yield from section("Ran", ("outcome", "number"), ran, len(ran), "outcome")
    failures = _group_failures(digest.failures)
    failed = (_failure_row(found, zone) for found in failures)
    headers: Row = ("job", "how often", "last at", "why", "since then")
    for found in section("Failed", headers, failed, len(failures), "job"):
        yield _note_examined(found, digest.failures_extent, "failure", zone)
    skipped = ((row.job, _describe_skips(row), _describe_reason(row, zone)) for row in digest.skips)
    for found in section("Skipped", ("job", "skips", "why"), skipped, len(digest.skips), "group"):
        yield _note_examined(found, digest.skips_extent, "skip", zone)
    slower = ((row.job, format_elapsed(row.before), format_elapsed(row.now)) for row in digest.slower)
    headers = ("job", "before", "now")
    listed = list(section("Slower", headers, slower, len(digest.slower), "job"))
    for found in listed or [Section("Slower", headers, ())]:
        noted = _note_examined(found, digest.slower_extent, "job", zone)
        if noted.rows or noted.note:
            yield noted
    world = ((describe_day_and_time(span.since, zone), span.text) for span in digest.world)
    yield from section("Downtime and clock", ("from", "what"), world, len(digest.world), "span")
    upcoming = (
        (describe_day_and_time(one.starts_at or one.due_at, zone), one.job, one.note) for one in digest.upcoming
    )
    yield from section("Next start of each job", ("at", "job", "note"), upcoming, len(digest.upcoming), "start")


def _note_examined(section: Section, extent: Extent, noun: str, zone: tzinfo) -> Section:
    """Return a section whose note also says which part of the records was examined for it, if not all of them were."""
    if extent.is_complete:
        return section
    since = "" if extent.since is None else f" since {describe_day_and_time(extent.since, zone)}"
    examined = f"examined {extent.shown:,} of {format_count(extent.total, noun)}{since}"
    return evolve(section, note="; ".join(filter(None, (section.note, examined))))


def _describe_skips(row: SkippedRow) -> str:
    """Return how many skips there were: "1"; or of how many starts, where one is about several: "4 starts"."""
    if row.starts <= row.count:
        return f"{row.count:,}"
    starts = f"{'more than ' * row.has_more_starts}{format_count(row.starts, 'start')}"
    return starts if row.count == 1 else f"{starts} in {format_count(row.count, 'skip')}"


def _describe_reason(row: SkippedRow, zone: tzinfo) -> str:
    """Return why they were skipped: of several of them how many there were of each kind, and the newest one's words."""
    if row.count == 1:
        return row.text
    kinds = [f"{kind} {format_count(count, 'time')}" for kind, count in row.kinds.items()] if len(row.kinds) > 1 else []
    if kinds and row.examined < row.count:
        kinds[0] = f"of the newest {row.examined:,}: {kinds[0]}"
    return "; ".join([*kinds, f"the newest, of {describe_day_and_time(row.last_at, zone)}: {row.text}"])


def _group_failures(failures: Sequence[FailureRow]) -> list[list[FailureRow]]:
    """Return the failures of each job, given newest first."""
    by_job: dict[str, list[FailureRow]] = {}
    for failure in failures:
        by_job.setdefault(failure.job, []).append(failure)
    return list(by_job.values())


def _failure_row(failures: Sequence[FailureRow], zone: tzinfo) -> Row:
    """Return the row of a job that failed, given its failures newest first."""
    newest = failures[0]
    return (
        newest.job,
        format_count(len(failures), "time"),
        describe_day_and_time(newest.ended_at, zone),
        newest.text or newest.state,
        "it has succeeded" if newest.is_over else "",
    )


def describe_span(digest: Digest, zone: tzinfo) -> str:
    """Return the line below the verdict: "From Fri 2026-11-27 18:00 to Sat 2026-11-28 18:00, 41 jobs"."""
    since, until = (describe_day_and_time(at, zone) for at in (digest.since, digest.until))
    return f"From {since} to {until}, {format_count(digest.jobs, 'job')}"
