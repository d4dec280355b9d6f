"""iCalendar files, as programs write them and as RFC 5545 defines them."""

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rae_plugins.calendars.content_lines import CalendarSyntaxError
from rae_plugins.calendars.ical_parser import parse_calendar
from rae_plugins.guards.calendar import CalendarGuard

NEW_YORK = "America/New_York"
BERLIN = "Europe/Berlin"
OUTLOOK_ZONE = """\
BEGIN:VTIMEZONE
TZID:Custom Berlin
BEGIN:STANDARD
DTSTART:16011028T030000
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:16010325T020000
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
END:DAYLIGHT
END:VTIMEZONE"""


def calendar(*events: str, before: str = "") -> str:
    """Return a file with these events, each given by its lines."""
    bodies = "".join(f"BEGIN:VEVENT\nUID:{number}\n{event}\nEND:VEVENT\n" for number, event in enumerate(events))
    return f"BEGIN:VCALENDAR\nVERSION:2.0\n{before}{bodies}END:VCALENDAR\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "c.ics"


def covered_periods(path: Path, text: str, zone: str = BERLIN, start: int = 1990, end: int = 2040) -> list[str]:
    """Return the periods that the file covers between two years, in wall times of the zone: start/end."""
    path.write_bytes(text.encode())
    guard, place = CalendarGuard(file=str(path), mode="include", timezone=zone), ZoneInfo(zone)
    found: list[str] = []
    instant: datetime | None = datetime(start, 1, 1, tzinfo=UTC)
    while instant is not None and instant.year < end:
        change = guard.changes_after(instant)
        if change is not None and guard.evaluate(change).allows:
            over = guard.changes_after(change)
            assert over is not None
            begin, finish = (moment.astimezone(place).strftime("%Y-%m-%dT%H:%M") for moment in (change, over))
            found.append(f"{begin}/{finish}".replace("T00:00", ""))
        instant = change
    return found


def starts(path: Path, rule: str, start: str = "19970902T090000", zone: str = NEW_YORK, **bounds: int) -> list[str]:
    """Return the starts of events of one hour, by a rule in the notation of the RFC's examples."""
    text = calendar(f"DTSTART;TZID={zone}:{start}\nDURATION:PT1H\n{rule}")
    return [period.split("/")[0] for period in covered_periods(path, text, zone, **bounds)]


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ("DTSTART;VALUE=DATE:20260601", "2026-06-01/2026-06-02"),
        ("DTSTART:20260601", "2026-06-01/2026-06-02"),
        ("DTSTART;VALUE=DATE:20260601\nDTEND;VALUE=DATE:20260603", "2026-06-01/2026-06-03"),
        ("DTSTART;VALUE=DATE:20260601\nDTEND;VALUE=DATE:20260601", "2026-06-01/2026-06-02"),
        ("DTSTART;VALUE=DATE:20260328\nDURATION:P2D", "2026-03-28/2026-03-30"),
        ("DTSTART;VALUE=DATE:20260601\nDURATION:P1W", "2026-06-01/2026-06-08"),
        ("DTSTART:20260601T100000\nDTEND:20260601T113000", "2026-06-01T10:00/2026-06-01T11:30"),
        ("DTSTART:20260601T100000Z\nDTEND:20260601T113000Z", "2026-06-01T12:00/2026-06-01T13:30"),
        ("DTSTART:20260601T100000Z\nDURATION:+P1DT1H30M5S", "2026-06-01T12:00/2026-06-02T13:30"),
        (
            'DTSTART;TZID="America/New_York":20260601T100000\nDTEND;TZID=Asia/Tokyo:20260602T000000',
            "2026-06-01T16:00/2026-06-01T17:00",
        ),
        ("DTSTART;TZID=/example.org/20240101/Europe/London:20260601T100000\nDURATION:PT1H",
         "2026-06-01T11:00/2026-06-01T12:00"),
        # A day on the calendar has 23 hours here, and 24 hours are a day and an hour.
        ("DTSTART:20260328T120000\nDURATION:P1D", "2026-03-28T12:00/2026-03-29T12:00"),
        ("DTSTART:20260328T120000\nDURATION:PT24H", "2026-03-28T12:00/2026-03-29T13:00"),
    ],
)  # fmt: skip
def test_event_covers_its_start_and_excludes_its_end(path: Path, event: str, expected: str) -> None:
    assert covered_periods(path, calendar(event)) == [expected]


@pytest.mark.parametrize(
    "event",
    [
        "DTSTART:20260601T100000",
        "DTSTART:20260601T100000\nDTEND:20260601T100000",
        "DTSTART;VALUE=DATE:20260601\nSTATUS:CANCELLED",
        "DTSTART:99991231T235959Z\nDURATION:P1D",
        "DTSTART:00010101T000000\nDURATION:PT1H",
    ],
)
def test_event_without_duration_or_cancelled_covers_nothing(path: Path, event: str) -> None:
    assert covered_periods(path, calendar(event)) == []


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        # Examples of RFC 5545, section 3.8.5.3.
        ("RRULE:FREQ=DAILY;COUNT=3", ["1997-09-02", "1997-09-03", "1997-09-04"]),
        ("RRULE:FREQ=DAILY;INTERVAL=10;COUNT=3", ["1997-09-02", "1997-09-12", "1997-09-22"]),
        ("RRULE:FREQ=WEEKLY;UNTIL=19970916T130000Z", ["1997-09-02", "1997-09-09", "1997-09-16"]),
        ("RRULE:FREQ=WEEKLY;UNTIL=19970916T125959Z", ["1997-09-02", "1997-09-09"]),
        ("RRULE:FREQ=WEEKLY;UNTIL=19970909", ["1997-09-02", "1997-09-09"]),
        ("RRULE:FREQ=WEEKLY;COUNT=4;WKST=SU;BYDAY=TU,TH", ["1997-09-02", "1997-09-04", "1997-09-09", "1997-09-11"]),
        ("RRULE:FREQ=MONTHLY;COUNT=3;BYDAY=1TU", ["1997-09-02", "1997-10-07", "1997-11-04"]),
        ("RRULE:FREQ=MONTHLY;BYMONTHDAY=-3,2;COUNT=3", ["1997-09-02", "1997-09-28", "1997-10-02"]),
        ("RRULE:FREQ=YEARLY;COUNT=3;BYMONTH=9,10", ["1997-09-02", "1997-10-02", "1998-09-02"]),
        ("RRULE:FREQ=YEARLY;INTERVAL=2;COUNT=2", ["1997-09-02", "1999-09-02"]),
        ("RRULE:FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=2;COUNT=2", ["1997-09-02", "1997-10-02"]),
        ("RRULE:FREQ=DAILY;COUNT=3\nEXDATE;TZID=America/New_York:19970903T090000", ["1997-09-02", "1997-09-04"]),
        ("RRULE:FREQ=DAILY;COUNT=4\nEXDATE:19970903T130000Z,19970904T130000Z", ["1997-09-02", "1997-09-05"]),
        ("RRULE:FREQ=DAILY;COUNT=3\nEXDATE;VALUE=DATE:19970903", ["1997-09-02", "1997-09-04"]),
        ("RDATE;TZID=America/New_York:19970905T090000,19970906T090000", ["1997-09-02", "1997-09-05", "1997-09-06"]),
        ("RDATE:19970906T130000Z", ["1997-09-02", "1997-09-06"]),
    ],
)
def test_recurrence_follows_the_examples_of_the_rfc(path: Path, rule: str, expected: list[str]) -> None:
    assert starts(path, rule) == [f"{day}T09:00" for day in expected]


def test_recurrence_follows_the_clock_of_its_zone(path: Path) -> None:
    """After the clocks were set in New York and before they are in Berlin."""
    text = calendar(f"DTSTART;TZID={NEW_YORK}:20260306T090000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;COUNT=2")
    assert [period[:16] for period in covered_periods(path, text)] == ["2026-03-06T15:00", "2026-03-13T14:00"]


def test_recurrence_without_an_end_goes_on(path: Path) -> None:
    text = calendar("DTSTART;VALUE=DATE:20001225\nRRULE:FREQ=YEARLY")
    found = covered_periods(path, text, start=2090, end=2099)
    assert found == [f"{year}-12-25/{year}-12-26" for year in range(2090, 2100)]


def test_recurrence_of_a_leap_day_is_in_leap_years(path: Path) -> None:
    text = calendar("DTSTART;VALUE=DATE:20000229\nRRULE:FREQ=YEARLY")
    found = covered_periods(path, text, start=2000, end=2007)
    assert [period[:10] for period in found] == ["2000-02-29", "2004-02-29", "2008-02-29"]


def test_event_with_recurrence_id_replaces_an_occurrence(path: Path) -> None:
    series = "DTSTART:20260601T100000\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=4"
    moved = "RECURRENCE-ID:20260602T100000\nDTSTART:20260602T150000\nDURATION:PT2H"
    dropped = "RECURRENCE-ID:20260603T080000Z\nDTSTART:20260603T100000\nSTATUS:CANCELLED"
    text = calendar(series, moved, dropped).replace("UID:1", "UID:0").replace("UID:2", "UID:0")
    assert covered_periods(path, text) == [
        "2026-06-01T10:00/2026-06-01T11:00",
        "2026-06-02T15:00/2026-06-02T17:00",
        "2026-06-04T10:00/2026-06-04T11:00",
    ]


def test_event_with_recurrence_id_has_one_start_whatever_rule_it_has(path: Path) -> None:
    series = "DTSTART;VALUE=DATE:20260601\nRRULE:FREQ=WEEKLY;COUNT=3"
    moved = "RECURRENCE-ID;VALUE=DATE:20260608\nDTSTART;VALUE=DATE:20260609\nRRULE:FREQ=WEEKLY;COUNT=3"
    text = calendar(series, moved).replace("UID:1", "UID:0")
    found = covered_periods(path, text)
    assert [period[:10] for period in found] == ["2026-06-01", "2026-06-09", "2026-06-15"]


def test_time_zone_is_read_from_its_vtimezone(path: Path) -> None:
    event = "DTSTART;TZID=Custom Berlin:20260328T120000\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=2"
    assert covered_periods(path, calendar(event, before=OUTLOOK_ZONE + "\n"), "UTC") == [
        "2026-03-28T11:00/2026-03-28T12:00",
        "2026-03-29T10:00/2026-03-29T11:00",
    ]


def test_parser_reads_folded_lines_escapes_and_nested_components(path: Path) -> None:
    text = calendar(
        "SUMMARY;LANGUAGE=de:Tag der\n  Arbeit\\, 1. Mai\nDTSTART;VALUE=D\n ATE:20260501\n"
        "BEGIN:VALARM\nTRIGGER:-PT15M\nSUMMARY:ring\nDURATION:PT1H\nEND:VALARM\nX-OWN;X-A=\"b;c:d\":e"
    )  # fmt: skip
    text = "\ufeff" + text.replace("END:VCALENDAR", "BEGIN:VTODO\nSUMMARY:x\nEND:VTODO\n\nEND:VCALENDAR")
    for version in (text, text.replace("\n", "\r\n")):
        assert covered_periods(path, version) == ["2026-05-01/2026-05-02"]
    result = CalendarGuard(file=str(path), timezone=BERLIN).evaluate(datetime(2026, 5, 1, 10, tzinfo=UTC))
    assert result.reason.endswith('within "Tag der Arbeit, 1. Mai" of c.ics')


def test_event_without_a_name_is_described_as_such(path: Path) -> None:
    covered_periods(path, calendar("DTSTART:20260501"))
    result = CalendarGuard(file=str(path), timezone=BERLIN).evaluate(datetime(2026, 5, 1, 10, tzinfo=UTC))
    assert result.reason.endswith("within an event without a name of c.ics")


@pytest.mark.parametrize(
    ("event", "line", "problem"),
    [
        ("SUMMARY:x", 3, "BEGIN: event without DTSTART"),
        ("DTSTART:tomorrow", 5, 'DTSTART: invalid date or time "tomorrow"; use 20261224'),
        ("DTSTART:20260230", 5, 'invalid date or time "20260230"'),
        ("DTSTART:20260101\nDTSTART:20260102", 6, "DTSTART: given twice"),
        ("DTSTART:20260101\nDTEND:20260101T100000", 6, "DTEND: must be a date, or a time at midnight"),
        ("DTSTART:20260102\nDTEND:20260101", 6, "DTEND: must not be before DTSTART"),
        ("DTSTART:20260102T100000\nDTEND:20260102T090000", 6, "DTEND: must not be before DTSTART"),
        ("DTSTART:20260102\nDURATION:-P1D", 6, "invalid duration"),
        ("DTSTART:20260102\nDURATION:P", 6, "invalid duration"),
        ("DTSTART:20260102\nDURATION:PT99999999999999H", 6, "DURATION: longer than 100 years"),
        ("DTSTART:20260102\nDURATION:P999999999999999999W", 6, "DURATION: longer than 100 years"),
        ("DTSTART;TZID=Mars/Olympus:20260102T100000", 5, 'DTSTART: unknown time zone "Mars/Olympus"; export'),
        ("DTSTART:20260102\nRRULE:FREQ=HOURLY", 6, "unsupported or missing FREQ; use one of YEARLY"),
        ("DTSTART:20260102\nRRULE:COUNT=3", 6, "missing FREQ"),
        ("DTSTART:20260102\nRRULE:FREQ=DAILY;INTERVAL=0", 6, 'invalid part "INTERVAL=0"'),
        ("DTSTART:20260102\nRRULE:FREQ=DAILY;COUNT=x", 6, 'invalid part "COUNT=x"'),
        ("DTSTART:20260102\nRRULE:FREQ=YEARLY;BYMONTH=13", 6, 'invalid part "BYMONTH=13"'),
        ("DTSTART:20260102\nRRULE:FREQ=YEARLY;BYHOUR=3", 6, 'invalid part "BYHOUR=3"'),
        ("DTSTART:20260102\nRRULE:FREQ=YEARLY;BYDAY=XX", 6, "RRULE: invalid rule"),
        ("DTSTART:20260102\nRRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", 6, "matches no date"),
        ("DTSTART:20260102\nEXRULE:FREQ=DAILY", 6, "EXRULE: not supported; list the excluded times in EXDATE"),
        ("DTSTART:20260102\nRDATE;VALUE=PERIOD:20260102T100000Z/20260101T100000Z", 6, "a period must not end before"),
        ("RECURRENCE-ID;RANGE=THISANDFUTURE:20260102\nDTSTART:20260102", 5, "a change of all following"),
        ("DTSTART:20260102\nRRULE", 6, 'invalid line "RRULE"'),
    ],
)
def test_parser_refuses_an_invalid_event_with_its_line(path: Path, event: str, line: int, problem: str) -> None:
    path.write_text(calendar(event))
    with pytest.raises(ValueError, match=problem) as caught:
        CalendarGuard(file=str(path), timezone=BERLIN, on_bad="refuse")
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert len(str(caught.value)) < 200 + len(str(path))


def test_refused_event_is_named(path: Path) -> None:
    path.write_text(calendar("SUMMARY:Christmas party\nDTSTART:0NaNaNaNTaNaNaN"))
    with pytest.raises(ValueError, match=r':6: event "Christmas party": .*DTSTART'):
        CalendarGuard(file=str(path), timezone=BERLIN, on_bad="refuse")


@pytest.mark.parametrize("line", ["DTSTART:0NaNaNaNTaNaNaN", "DTSTART;TZID=Mars/Olympus:20260101T100000", "DTSTART 1"])
def test_bad_event_is_left_out_with_a_warning(path: Path, line: str) -> None:
    good = "DTSTART:20260105\nSUMMARY:Holiday"
    assert covered_periods(path, calendar(f"SUMMARY:TBA\n{line}", good)) == ["2026-01-05/2026-01-06"]
    (warning,) = CalendarGuard(file=str(path), timezone=BERLIN).warnings()
    assert warning.startswith((f'{path}:6: event "TBA" is skipped: ', f'{path}:3: event "TBA" is skipped: '))


@pytest.mark.parametrize("end", ["END:VTODO", "END:VEVNT", "BEGIN:VALARM"])
def test_event_with_another_end_is_skipped_and_the_next_counts(path: Path, end: str) -> None:
    first = f"BEGIN:VEVENT\nSUMMARY:A\nDTSTART:20260101\n{end}\n"
    second = "BEGIN:VEVENT\nDTSTART:20260105\nEND:VEVENT\n"
    if end.startswith("BEGIN"):
        # The alarm has no end of its own, so that the end of the event is that of both.
        first += "END:VEVENT\n"
        assert covered_periods(path, f"BEGIN:VCALENDAR\n{first}{second}END:VCALENDAR\nX-COMMENT:1\n") == [
            "2026-01-01/2026-01-02",
            "2026-01-05/2026-01-06",
        ]
        return
    assert covered_periods(path, f"BEGIN:VCALENDAR\n{first}{second}END:VCALENDAR\n") == ["2026-01-05/2026-01-06"]
    (warning,) = CalendarGuard(file=str(path), timezone=BERLIN).warnings()
    assert f'{path}:5: event "A" is skipped: END: found V' in warning


def test_days_without_an_end_are_not_searched_for_ever(path: Path) -> None:
    path.write_text(calendar("DTSTART:20200101\nRRULE:FREQ=DAILY"))
    guard = CalendarGuard(file=str(path), timezone=BERLIN)
    now = datetime(2026, 1, 1, 12, tzinfo=UTC)
    change = guard.changes_after(now)
    assert change is not None
    assert 2030 <= change.year <= 2032
    assert not guard.evaluate(change).allows


def test_warnings_about_many_bad_events_are_few(path: Path) -> None:
    path.write_text(calendar(*["SUMMARY:x"] * 12))
    warnings = CalendarGuard(file=str(path), timezone=BERLIN).warnings()
    assert len(warnings) == 6
    assert warnings[-1] == "7 more of its events are skipped"


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ("DTSTART:20260601\nDTEND:20260601\nRRULE:", "2026-06-01/2026-06-02"),
        ("DTSTART:20260601\nRRULE:;\nEXDATE:\nRDATE:\nDTEND:\nDURATION:", "2026-06-01/2026-06-02"),
        ("DTSTART:20260601T100000\nDTEND:20260601T113000\nDURATION:PT5H", "2026-06-01T10:00/2026-06-01T11:30"),
        ("DTSTART;VALUE=DATE:20260601\nDTEND:20260603T000000", "2026-06-01/2026-06-03"),
        ("DTSTART;VALUE=DATE:20260601\nDTEND;VALUE=DATE:20260603T130000Z", "2026-06-01/2026-06-03"),
        ("DTSTART:20260601T180000\nDTEND;VALUE=DATE:20260602", "2026-06-01T18:00/2026-06-02"),
        ("DTSTART:20260601t100000z\nDURATION:pt1h", "2026-06-01T12:00/2026-06-01T13:00"),
        ("DTSTART:20260601\nDTSTART:20260601", "2026-06-01/2026-06-02"),
        ('DTSTART:20260601\nDESCRIPTION:a\nthis is broken\nX-ALT;FMT="a:b\n:', "2026-06-01/2026-06-02"),
        *(
            (f"DTSTART;TZID={name}:20260601T100000\nDURATION:PT1H", "2026-06-01T10:00/2026-06-01T11:00")
            for name in (
                *("W. Europe Standard Time", "w. europe standard time", "europe/berlin", "Europe/Berlin "),
                *("/freeassociation.sourceforge.net/Tzfile/Europe/Berlin", "/citadel.org/20210210_1/Europe/Berlin"),
                *("tzone://Microsoft/Europe/Berlin", "mozilla.org/Europe/Berlin"),
            )
        ),
        (
            "DTSTART;TZID=/x.org/2007_1/America/Argentina/Buenos_Aires:20260601T100000\nDURATION:PT1H",
            "2026-06-01T15:00/2026-06-01T16:00",
        ),
        ("DTSTART;TZID=tzone://Microsoft/Utc:20260601T100000\nDURATION:PT1H", "2026-06-01T12:00/2026-06-01T13:00"),
    ],
)
def test_event_is_read_as_programs_mean_it(path: Path, event: str, expected: str) -> None:
    assert covered_periods(path, calendar(event)) == [expected]
    assert CalendarGuard(file=str(path), timezone=BERLIN).warnings() == ()


def test_zone_with_a_colon_that_is_not_quoted_is_found_in_the_file(path: Path) -> None:
    zone = OUTLOOK_ZONE.replace("TZID:Custom Berlin", "TZID:(UTC+01:00) Amsterdam\\, Berlin") + "\n"
    event = "DTSTART;TZID=(UTC+01:00) Amsterdam\\, Berlin:20260601T100000\nDURATION:PT1H"
    assert covered_periods(path, calendar(event, before=zone)) == ["2026-06-01T10:00/2026-06-01T11:00"]


@pytest.mark.parametrize(
    "line", ["X-LIC-LOCATION:europe/berlin", "X-MICROSOFT-CDO-TZID:4\nTZURL:http://x\nLAST-MODIFIED:20200101T000000Z"]
)
def test_zone_with_further_properties_is_read(path: Path, line: str) -> None:
    zone = OUTLOOK_ZONE.replace("BEGIN:STANDARD", f"{line}\nBEGIN:STANDARD\nX-RULE:1") + "\n"
    event = "DTSTART;TZID=Custom Berlin:20260601T100000\nDURATION:PT1H"
    assert covered_periods(path, calendar(event, before=zone)) == ["2026-06-01T10:00/2026-06-01T11:00"]


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=WEEKLY; BYDAY = MO, TU ;COUNT=3;",
        "FREQ=WEEKLY\\;BYDAY=MO\\,TU\\;COUNT=3",
        "freq=weekly;byday=mo,tu;count=3;X-A=1",
    ],
)
def test_blanks_and_escapes_in_a_rule_are_ignored(path: Path, rule: str) -> None:
    event = f"DTSTART:20260601T100000\nDURATION:PT1H\nRRULE:{rule}\nEXDATE:20260602T100000, 20260603T100000"
    periods = ["2026-06-01T10:00/2026-06-01T11:00", "2026-06-08T10:00/2026-06-08T11:00"]
    assert covered_periods(path, calendar(event)) == periods


@pytest.mark.parametrize(
    ("series", "recurrence_id"),
    [
        ("DTSTART;TZID=Europe/Berlin:20260601T100000\nDURATION:PT1H", ":20260602T080000Z"),
        ("DTSTART;TZID=Europe/Berlin:20260601T100000\nDURATION:PT1H", ";TZID=Asia/Tokyo:20260602T170000"),
        ("DTSTART;TZID=Europe/Berlin:20260601T100000\nDURATION:PT1H", ";VALUE=DATE:20260602"),
        ("DTSTART;VALUE=DATE:20260601", ":20260602T000000Z"),
        ("DTSTART;VALUE=DATE:20260601", ";TZID=Europe/Berlin:20260602T000000"),
        ("DTSTART;VALUE=DATE:20260601", ":20260601T220000Z"),
    ],
)
def test_recurrence_id_names_an_occurrence_in_any_form(path: Path, series: str, recurrence_id: str) -> None:
    text = calendar(f"{series}\nRRULE:FREQ=DAILY;COUNT=3", f"RECURRENCE-ID{recurrence_id}\nDTSTART:20260901")
    text = text.replace("UID:1", "UID:0")
    assert [period[:10] for period in covered_periods(path, text, start=2026)][-1] == "2026-09-01"
    assert (
        not CalendarGuard(file=str(path), timezone=BERLIN, mode="include")
        .evaluate(datetime(2026, 6, 2, 8, 30, tzinfo=UTC))
        .allows
    )


def test_periods_have_lengths_of_their_own(path: Path) -> None:
    event = (
        "DTSTART:20260310T080000Z\nDTEND:20260310T100000Z\n"
        "RDATE;VALUE=PERIOD:20260312T080000Z/PT3H,20260314T080000Z/20260314T120000Z"
    )
    assert covered_periods(path, calendar(event), zone="UTC") == [
        "2026-03-10T08:00/2026-03-10T10:00",
        "2026-03-12T08:00/2026-03-12T11:00",
        "2026-03-14T08:00/2026-03-14T12:00",
    ]


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("", 1, "the file is empty"),
        ("<html>\n</html>\n", 1, "invalid line"),
        ("BEGIN:VEVENT\n", 1, "starts with BEGIN:VCALENDAR"),
        ("BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20260101\n", 3, "the file ends inside a calendar"),
        ("BEGIN:VCALENDAR\nEND:VCALENDAR\nBEGIN:VEVENT\n", 3, "outside of a calendar"),
    ],
)
def test_parser_refuses_an_incomplete_file_with_its_line(path: Path, text: str, line: int, problem: str) -> None:
    path.write_text(text)
    with pytest.raises(ValueError, match=problem) as caught:
        CalendarGuard(file=str(path), timezone=BERLIN)
    assert str(caught.value).startswith(f"{path}:{line}: ")


def test_calendar_without_events_is_valid(path: Path) -> None:
    assert covered_periods(path, calendar()) == []


WORDS = st.sampled_from(
    [
        *("BEGIN:VCALENDAR", "END:VCALENDAR", "BEGIN:VEVENT", "END:VEVENT", "DTSTART:20260101", "DTSTART;TZID=:1"),
        *(
            "DTEND:20260102T000000Z",
            "DURATION:P1D",
            "RRULE:FREQ=DAILY",
            "RRULE:FREQ=YEARLY;BYDAY=9MO",
            "EXDATE:20260101",
        ),
        " x",
    ]
)
WHOLE = ["BEGIN:VCALENDAR", "BEGIN:VEVENT", "DTSTART:20260101"], ["END:VEVENT", "END:VCALENDAR"]


@settings(deadline=None)
@given(st.lists(WORDS | st.text(max_size=20), max_size=8), st.booleans())
def test_any_text_is_parsed_or_refused_with_its_line(lines: list[str], whole: bool) -> None:
    text = "\n".join([*WHOLE[0], *lines, *WHOLE[1]] if whole else lines)
    try:
        events = parse_calendar(text, ZoneInfo(BERLIN)).events
    except CalendarSyntaxError as error:
        assert str(error).isprintable()
        assert error.line_number >= 1
    else:
        assert all(event.start.tzinfo is None for event in events)
