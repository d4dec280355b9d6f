"""The calendar of a month, its days, and the file for other calendars."""

import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from tests.plugins.commands.ui.conftest import Page
from tests.support.day_numbers import day_numbers
from tests.support.waiting import eventually

from rae_auto import Job
from rae_auto.model import documents
from rae_auto.views.screens.day_grid import build_day_grid
from rae_auto.views.screens.month import build_month
from rae_auto.views.screens.parts.day_troubles import NO_TROUBLES
from rae_auto.views.screens.parts.record_source import ExpectedCounts
from rae_plugins.calendars.ical_parser import parse_calendar
from rae_plugins.commands.ui.pages.month import MAX_CALENDAR_ENTRIES, SHOWN_ROWS

BERLIN = ZoneInfo("Europe/Berlin")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def next_month() -> date:
    """Return the first day of the month after the present one."""
    return (datetime.now(BERLIN).date().replace(day=1) + 32 * DAY).replace(day=1)


def read_calendar_file(page: Page, month: date, job: str = "") -> str:
    answer = page.ask(f"/month.ics?year={month.year}&month={month.month}{job and f'&job={job}'}")
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    assert f'filename="rae-auto-{month.year}-{month.month:02}.ics"' in answer.headers["content-disposition"]
    parse_calendar(answer.text, BERLIN)
    return answer.text


def events(text: str, job: str) -> list[datetime]:
    """Return the local times of the events of a job."""
    found = re.findall(rf"DTSTART:(\w+)\r\nDURATION:PT1M\r\nSUMMARY:{job}\r\n", text)
    return [datetime.strptime(at, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).astimezone(BERLIN) for at in found]


def test_calendar_file_has_each_start_of_the_month_and_no_other(page: Page) -> None:
    month = next_month()
    text = read_calendar_file(page, month)
    days = [month + DAY * number for number in range(((month + 32 * DAY).replace(day=1) - month).days)]
    assert [(at.date(), at.hour) for at in events(text, "good")] == [(day, 3) for day in days]
    assert [(at.date(), at.hour) for at in events(text, "powered")] == [(day, 4) for day in days]
    assert "More starts" not in text


def test_job_that_starts_often_has_a_calendar_file_of_its_own(page: Page) -> None:
    """In that of all jobs it would hide the others."""
    month = next_month()
    days = [month + DAY * number for number in range(((month + 32 * DAY).replace(day=1) - month).days)]
    text = read_calendar_file(page, month)
    assert 'X-WR-CALDESC:Without "guarded"\\, which starts more than 200 times' in text.replace("\r\n ", "")
    assert events(text, "guarded") == []
    own = read_calendar_file(page, month, "guarded")
    assert {at.date() for at in events(own, "guarded")} == set(days)
    assert own.count("SUMMARY:guarded\r\nDESCRIPTION:") > 20 * len(days), "most of them are skipped"
    assert events(own, "good") == []


def test_calendar_file_has_short_lines_and_an_id_for_each_start(page: Page) -> None:
    month, name = next_month(), "ein-" + "sehr-langer-name-" * 3
    job = Job(name=name.strip("-"), command="true", schedule=["0 5 1 * *", "0 5 1,20 * *"])
    page.daemons.ask("add", definition=documents.dump(job))
    try:
        text = read_calendar_file(page, month)
    finally:
        page.daemons.ask("remove", job=job.id)
    assert max(len(line.encode()) for line in text.split("\r\n")) <= 75
    unfolded = text.replace("\r\n ", "")
    assert [at.day for at in events(unfolded, job.id)] == [1, 20], "each instant once"
    uids = re.findall(r"UID:(.+)\r\n", unfolded)
    assert len(uids) == len(set(uids)) == text.count("BEGIN:VEVENT")


def test_calendar_file_of_a_month_that_is_over_is_empty(page: Page) -> None:
    assert "VEVENT" not in read_calendar_file(page, date(2020, 2, 1))


def test_calendar_file_that_is_cut_says_so(page: Page) -> None:
    page.daemons.ask("add", definition=documents.dump(Job(name="often", command="true", schedule="* * * * *")))
    try:
        text = read_calendar_file(page, next_month(), "often")
    finally:
        page.daemons.ask("remove", job="often")
    assert text.count("BEGIN:VEVENT") == MAX_CALENDAR_ENTRIES
    last = max(events(text, "often"))
    assert f"X-WR-CALDESC:More starts are expected after {last:%Y-%m-%d %H:%M}" in text


def test_month_beyond_what_is_computed_has_no_numbers_of_starts(page: Page) -> None:
    text = page.ask(f"/month?year={datetime.now(UTC).year + 2}&month=3").text
    assert set(re.findall(r"◇</i>([^<]*)<", text)) == {"…"}
    assert "<b>…</b> expected" in text


def test_day_with_a_change_of_the_clock_is_noted(page: Page) -> None:
    assert "the clock changes: the day has 25 hours" in page.ask("/month?year=2026&month=10").text
    assert "the clock changes: the day has 23 hours" in page.ask("/month?year=2027&month=3").text
    assert "the clock changes" not in page.ask("/month?year=2027&month=5").text


def test_days_have_their_worst_outcome_and_the_holidays_of_guards() -> None:
    noon = datetime(2026, 12, 24, 12, tzinfo=UTC)
    month = build_month(
        2026, 12, counts=[], skips=[], expected=ExpectedCounts({noon: 2}, noon + 30 * DAY),
        notes={noon.date(): ["Christmas Eve"]}, now=noon - DAY, zone=BERLIN,
    )  # fmt: skip
    eve = month.days[23]
    assert (eve.notes, eve.expected, eve.worst) == (("Christmas Eve",), 2, None)
    assert [day.date for day in month.days if day.notes] == [noon.date()]


def test_free_slot_has_nothing_for_half_an_hour_on_both_sides() -> None:
    midnight = datetime(2026, 11, 29, tzinfo=UTC)
    counts = {midnight: 3, midnight + HOUR: 1}
    expected = ExpectedCounts(counts, midnight + DAY)
    day = build_day_grid(
        midnight.date(),
        day_numbers(midnight.date(), ZoneInfo("UTC")),
        expected,
        troubles=NO_TROUBLES,
        busiest=[],
        max_parallel=4,
        now=midnight - DAY,
        zone=ZoneInfo("UTC"),
    )
    assert day.free_slot == midnight + HOUR + timedelta(minutes=31)
    assert day.free_slot_text.startswith("The free slot is 01:31: no start in it, and 0 starts")


def test_day_page_has_busiest_minutes_and_a_free_slot(page: Page) -> None:
    path = f"/day/{next_month()}"
    # Not asked again once it is complete: an event of the daemon would have the month simulated again.
    text = eventually(lambda: found if "data-pending" not in (found := page.ask(path).text) else "")
    assert "The free slot is " in text
    busiest = text.split('id="busiest"')[1].split("</ol>")[0]
    assert re.findall(r'href="/jobs/(\w+)"', busiest) == ["good", "powered"]
    assert "guarded" not in busiest, "its window forbids all of its 24 starts"


def test_day_folds_failures_that_would_push_the_grid_down(page: Page) -> None:
    page.daemons.ask("add", definition=documents.dump(Job(id="flaky", command=["false"])))
    try:
        runs: list[str] = []
        for number in range(SHOWN_ROWS + 2):
            runs.append(page.daemons.ask("trigger", job="flaky", request=f"again-{number}")["run_id"])
            eventually(lambda: page.daemons.ask("history", run=runs[-1])[0]["state"] == "failed")
        ended = page.daemons.ask("history", run=runs[-1])[0]["finished_at"]
        day = datetime.fromisoformat(ended).astimezone(BERLIN).date()
        text = page.ask(f"/day/{day}").text
    finally:
        page.daemons.ask("remove", job="flaky")
    shown, _, rest = text.partition('id="troubles"')[2].partition('id="more-troubles"')
    assert len(re.findall(r'href="/runs/', shown)) >= SHOWN_ROWS
    assert shown.count("<li data-row") <= 2 * SHOWN_ROWS
    folded = rest.partition("</details>")[0]
    assert "more row" in folded
    listed = set(re.findall(r'href="/runs/([^"]+)"', shown + folded))
    assert set(runs[-SHOWN_ROWS:]) <= listed


def test_day_says_what_a_calendar_forbids_on_a_part_of_it() -> None:
    note = "a can't start from 10:00 to 11:30; it is a fire drill"
    found = ExpectedCounts({}, datetime(2026, 12, 11, tzinfo=UTC))
    day = date(2026, 12, 10)
    grid = build_day_grid(
        day, day_numbers(day, BERLIN), found, troubles=NO_TROUBLES, busiest=[], max_parallel=4,
        now=datetime(2026, 12, 10, 12, tzinfo=UTC), zone=BERLIN, notes=[note],
    )  # fmt: skip
    assert grid.to_json()["notes"] == [note]
