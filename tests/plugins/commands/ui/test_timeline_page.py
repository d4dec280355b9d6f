"""The timeline as a page: complete, or with a line about what it doesn't show."""

import asyncio
import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from html import unescape
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import pytest
from tests.plugins.commands.ui.conftest import Page
from tests.support.waiting import eventually

from rae_auto import Job
from rae_auto.charts import TimeAxis, axis_heading
from rae_auto.errors import NotStarted
from rae_auto.model import documents
from rae_auto.records.presence_log import PresenceSpan, note_presence
from rae_auto.screens import find_smallest_span
from rae_auto.views.screens.timeline import MAX_BARS


def test_timeline_says_where_expected_starts_end(page: Page) -> None:
    text = page.ask("/timeline?span=31d").text
    assert "More starts are expected than are shown: guarded after " in text


def test_timeline_that_shows_all_starts_says_nothing(page: Page) -> None:
    text = page.ask("/timeline?span=1h").text
    assert "More starts are expected" not in text
    in_chart = re.findall(r": expected(?: \([^<]*\))?</title>", text)
    assert text.count("expected</span>") == len(in_chart)


def test_young_home_is_shown_over_the_hour_that_it_has(page: Page) -> None:
    assert re.search(r'span=1h[^"]*" aria-current="true">1h</a>', page.ask("/timeline").text)
    assert re.search(r'span=24h[^"]*" aria-current="true">24h</a>', page.ask("/timeline?span=24h").text)


def test_marks_have_a_legend_and_the_axis_its_first_day(page: Page) -> None:
    text = page.ask("/timeline?span=24h").text
    for name in ("late", "waiting", "running", "good", "bad", "stopped", "skipped", "expected", "blocked", "now"):
        assert f'<li class="{name}">' in text
    assert re.search(r'<div class="lane-row axis"><span class="faint">(Sun|Mon|Tue|Wed|Thu|Fri|Sat) \d+ ', text)


def test_heading_of_the_axis_is_the_day_by_the_clock_of_the_zone() -> None:
    since = datetime(2026, 11, 29, 23, 30, tzinfo=UTC)
    axis = TimeAxis(since, since + timedelta(hours=6), ZoneInfo("Europe/Berlin"))
    assert axis_heading(axis) == "Mon 30 Nov"


class Records:
    """The newest records of a home, of which the oldest is some hours old."""

    def __init__(self, oldest_hours: float, *, is_skip: bool) -> None:
        self.oldest = self.now() - timedelta(hours=oldest_hours)
        self.is_skip = is_skip

    def now(self) -> datetime:
        return datetime(2026, 11, 29, 12, tzinfo=UTC)

    async def runs(self, *, until: datetime, limit: int) -> list[str]:
        return ["run"] if self.oldest < until and not self.is_skip else []

    async def skips(self, *, until: datetime, limit: int) -> list[str]:
        return ["skip"] if self.oldest < until and self.is_skip else []


@pytest.mark.parametrize("is_skip", [True, False], ids=["skip", "run"])
@pytest.mark.parametrize(("oldest_hours", "hours"), [(0.5, 1), (0.8, 6), (4.4, 6), (4.6, 24), (1000, 24)])
def test_smallest_span_that_holds_everything(oldest_hours: float, hours: int, is_skip: bool) -> None:
    spans = [timedelta(hours=1), timedelta(hours=6), timedelta(hours=24)]
    records = Records(oldest_hours, is_skip=is_skip)
    found = asyncio.run(find_smallest_span(records, spans, 0.25))  # type: ignore[arg-type]
    assert found == timedelta(hours=hours)


def test_limit_of_runs_at_once_is_always_said(page: Page) -> None:
    assert "at once (at most 4)" in page.ask("/timeline?span=1h&until=2020-03-02T00:00:00Z").text


def test_downtime_sleep_and_clock_changes_have_their_kinds(page: Page) -> None:
    noon, hour = datetime(2020, 3, 1, 12, tzinfo=UTC), timedelta(hours=1)
    kinds = ("down", "suspended", "clock_back", "clock_forward")
    note_presence(page.daemons.state, datetime.now(UTC), [PresenceSpan(kind, noon, noon + hour) for kind in kinds])
    text = page.ask("/timeline?span=24h&until=2020-03-02T00:00:00Z").text
    assert "Nothing could start" not in text
    bands = text.split('id="bands-title">Downtime, sleep and clock changes</h2>')[1].split("</section>")[0]
    assert re.findall(r"<b>([^<]+)</b>", bands) == ["downtime", "sleep", "clock change", "clock change"]


def test_cell_of_many_marks_leads_to_a_smaller_span_that_begins_with_it(page: Page) -> None:
    definition = Job(name="crowded", command=["sleep", "600"], overlap="skip")
    page.daemons.ask("add", definition=documents.dump(definition))
    try:
        for number in range(MAX_BARS + 2):
            with suppress(NotStarted):
                page.daemons.ask("trigger", job="crowded", request=str(number))
        text = page.ask("/timeline?span=6h&q=crowded").text
        smallest = page.ask("/timeline?span=1h&q=crowded").text
    finally:
        page.daemons.ask("cancel", job="crowded")
        eventually(lambda: page.daemons.ask("history", job="crowded", states=["running", "starting", "queued"]) == [])
        page.daemons.ask("remove", job="crowded")
    cells = re.findall(r'<li><span><a href="([^"]+)"><time datetime="([^"]+)".*?(\d+) skipped</span>', text)
    assert sum(int(skipped) for *_, skipped in cells) == MAX_BARS + 1
    for href, start in [cell[:2] for cell in cells]:
        given = parse_qs(urlsplit(unescape(href)).query)
        assert (given["span"], given["q"]) == (["1h"], ["crowded"])
        assert datetime.fromisoformat(given["until"][0]) - datetime.fromisoformat(start) == timedelta(hours=1)
        assert page.ask(unescape(href)).status == 200
    assert "succeeded, 0 failed" in smallest, "it has cells, too"
    assert not re.search(r"<li><span><a href", smallest)
