"""One history, and all else that a person compares between two views of it: times, durations, outcomes and reasons."""

import re
from datetime import datetime, timedelta
from html import unescape
from math import ceil
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.plugins.commands.one_history import HISTORY, LATE, NEEDING_A_PERSON, Shown, list_section, show_everything

from rae_auto.model.primitives.formatting import format_elapsed
from rae_auto.model.run import RunState
from rae_plugins.commands.top.cells import clock_text, duration_text, state_mark

screens = pytest.fixture(scope="module")(show_everything)

OPEN = {"long": "running", "waiting": "queued"}
TRIED = [job for job, runs in HISTORY.items() if any(state is not RunState.SKIPPED for state, *_ in runs)]


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def plain(text: str) -> str:
    """Return a sentence with its instants as clock times: JSON has dates and offsets, and midnight may have passed."""
    return re.sub(r"\d{4}-\d\d-\d\d (\d\d:\d\d:\d\d)(\+00:00)?", r"\1", " ".join(text.split()))


def words_of(page: str) -> str:
    """Return the words of a page, as a person reads them."""
    return unescape(" ".join(re.sub(r"<[^>]+>", "", page).split()))


def row_of(table: str, job: str, column: int = 0) -> list[str]:
    """Return the cells of the first row of a job in a table for a pipe."""
    return next(cells for cells in map(split_row, table.splitlines()) if cells[column : column + 1] == [job])


def split_row(line: str) -> list[str]:
    return re.split(r"  +", line)


def top_row(screens: Shown, job: str) -> str:
    rows = screens.top.split("last ten")[1].splitlines()
    return next(line for line in rows if re.match(rf" \S {job} ", line))


def newest(job: str) -> tuple[RunState, float, float, int]:
    return min(HISTORY[job], key=lambda one: one[1])


@pytest.mark.parametrize("job", HISTORY)
def test_usual_durations_are_the_same(screens: Shown, job: str) -> None:
    took = sorted(seconds for state, _, seconds, _ in HISTORY[job] if state is RunState.SUCCEEDED)
    usual, statistics = screens.jobs[job]["usual"], screens.statistics[job]["usual"]
    page = screens.job_pages[job].split("usually takes")[1].split("</li>")[0]
    if not took:
        assert usual is statistics is None
        assert "usually takes" not in screens.statistics_text[job]
        assert "no run has succeeded" in page
        assert "~" not in top_row(screens, job)
        return
    p50, p95 = (took[ceil(len(took) * percent / 100) - 1] for percent in (50, 95))
    assert usual == statistics == {"p50": p50, "p95": p95, "runs": len(took)}
    line = f"usually takes      {format_elapsed(p50)}, 95 % at most {format_elapsed(p95)} "
    assert line in screens.statistics_text[job]
    assert f"<b>{format_elapsed(p50)}</b>" in page
    assert f"95 % at most {format_elapsed(p95)}<" in page
    assert f"~{duration_text(timedelta(seconds=p50))}" in top_row(screens, job)
    if job == "good":
        [planned] = screens.forecast["runs"]
        assert planned["duration"] == p50, "what a simulation by history takes for granted"


@pytest.mark.parametrize("job", TRIED)
def test_figures_of_a_run_are_the_same(screens: Shown, job: str) -> None:
    state, _, seconds, attempt = newest(job)
    run, page = screens.runs[job], screens.run_pages[job]
    record = next(one for one in screens.history if one["job"] == job)
    mark = next(one for one in screens.jobs[job]["history"] if one["run_id"] == run["run_id"])
    row = row_of(screens.history_text, run["run_id"])
    bar = next(
        bar for found in screens.timeline["rows"] if found["job"] == job for bar in found["bars"]
        if bar["run_id"] == run["run_id"]
    )  # fmt: skip
    assert record["run_id"] == mark["run_id"] == run["run_id"]
    assert record["state"] == mark["state"] == run["state"] == bar["state"] == row[2] == state
    took = None if state is RunState.LOST else seconds  # nothing knows when a lost run ended
    text = "-" if took is None else format_elapsed(took)
    assert record["duration"] == mark["duration"] == run["duration"] == took
    assert row[4] == text
    assert f"<li><span>took</span><b>{text}</b>" in page
    assert record["attempt"] == mark["attempt"] == int(row[5]) == attempt
    late = LATE.get(job, 0)
    assert mark["lateness"] == run["lateness"] == bar["lateness"] == late
    assert screens.statistics[job]["lateness"]["p50"] == late
    assert f"<small>{format_elapsed(late)} late</small>" in page
    for field, name in (("started_at", "started_at"), ("finished_at", "ended_at"), ("scheduled_for", "due_at")):
        assert instant(record[field]) == instant(mark[name]) == instant(bar[name])
    assert instant(record["finished_at"]) == instant(run["finished_at"])


@pytest.mark.parametrize("job", TRIED)
def test_last_outcome_is_the_same(screens: Shown, job: str) -> None:
    state = newest(job)[0]
    listed, row = screens.listed[job], row_of(screens.list_text, job)
    first = next(mark for mark in screens.jobs[job]["history"] if mark["run_id"])
    assert listed["last_state"] == screens.details[job]["last"]["state"] == row[2] == first["state"] == state
    assert listed["last_run"] == screens.details[job]["last"]["run_id"] == first["run_id"] == screens.why[job]["run_id"]
    assert instant(listed["last_finished_at"]) == instant(first["ended_at"])
    [last] = [line for line in screens.details_text[job].splitlines() if line.startswith("last ")]
    assert last.split()[1] == state
    at = clock_text(instant(first["ended_at"]), ZoneInfo("UTC"), instant(screens.overview["now"]))
    assert f"{state_mark(state).text} {at.split()[-1]}" in re.sub(
        r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun) ", "", top_row(screens, job)
    )
    assert state.replace("_", " ") in screens.why[job]["answer"]
    assert listed["failures"] == screens.jobs[job]["failures"]


@pytest.mark.parametrize("job", sorted(NEEDING_A_PERSON))
def test_state_reason_and_time_of_what_needs_a_person_are_the_same(screens: Shown, job: str) -> None:
    [overview], [digest], [status] = (
        [one for one in found if one["job"] == job]
        for found in (screens.overview["attention"], screens.digest["attention"], screens.status["failed"])
    )
    row = next(line for line in screens.status_text.splitlines()[2:] if re.split(r"  +", line)[1] == job)
    assert overview == digest
    assert overview["kind"] == status["state"] == re.split(r"  +", row)[0] == newest(job)[0]
    assert overview["run_id"] == status["run_id"] == re.split(r"  +", row)[-1]
    assert instant(overview["since"]) == instant(status["at"])
    assert overview["why"] in screens.page
    assert overview["why"] in screens.top
    assert overview["why"] in "\n".join(list_section(screens.digest_text, "Needs you"))
    times = f"{status['failures']} times in a row" if status["failures"] > 1 else "last time"
    assert times in row
    assert times in overview["why"] or status["failures"] == 1


@pytest.mark.parametrize(("job", "state"), OPEN.items())
def test_open_run_has_the_same_state_begin_and_reason(screens: Shown, job: str, state: str) -> None:
    name = "running" if state == "running" else "waiting"
    [status], [shown] = screens.status[name], screens.overview[name]
    cells = row_of(screens.status_text, job, 1)
    run, at = screens.runs[job], "started_at" if state == "running" else "queued_at"
    assert status["run_id"] == shown["run_id"] == run["run_id"] == cells[4] == screens.why[job]["run_id"]
    assert status["state"] == run["state"] == cells[0] == screens.details[job]["open"][0]["state"] == state
    assert (
        screens.listed[job]["activity"] == screens.jobs[job]["activity"] == row_of(screens.list_text, job)[1] == state
    )
    assert instant(status[at]) == instant(shown[at]) == instant(run[at])
    assert f'id="{"run" if state == "running" else "wait"}-{run["run_id"]}"' in screens.page
    if state == "queued":
        reason = status["waiting_for"]
        assert reason == shown["waiting_for"] == cells[3]
        texts = (screens.page, screens.top, screens.job_pages[job], screens.run_pages[job], screens.why_pages[job])
        answers = (screens.why[job]["answer"], screens.why_text[job], screens.why_api[job]["answer"])
        assert [text for text in (*texts, *answers) if reason not in text] == []


@pytest.mark.parametrize("job", [*HISTORY, *OPEN])
def test_answer_to_why_is_the_same(screens: Shown, job: str) -> None:
    record, value = screens.why[job], screens.why_api[job]
    answer = plain(record["answer"])
    assert plain(value["answer"]) == answer == plain(screens.why_text[job].splitlines()[0])
    assert (record["reason"], record["run_id"]) == (value["reason"], value["run_id"])
    assert plain(screens.jobs[job]["why"]) == answer
    facts = {fact["subject"]: plain(fact["text"]) for fact in record["facts"]}
    # What the answer says already stands once on the page and in the text; JSON has all.
    shown = {fact["subject"]: plain(fact["text"]) for fact in value["facts"]}
    assert shown.items() <= facts.items()
    text, page = plain(screens.why_text[job]), plain(words_of(screens.why_pages[job]))
    assert [one for subject, one in shown.items() if f"{subject}: {one}" not in text or one not in page] == []
    assert [one for subject, one in facts.items() if subject not in shown and says_more(one, answer)] == []
    assert names_of(record["checks"]) == names_of(value["checks"])


def says_more(fact: str, answer: str) -> bool:
    """Return whether a fact says more than the answer, in which its reason stands after the last colon."""
    return fact.rpartition(": ")[2] not in answer


def names_of(checks: list[dict[str, Any]]) -> list[Any]:
    return [(one["name"], one["result"], names_of(one["children"])) for one in checks]


def test_reasons_of_skips_are_the_same(screens: Shown) -> None:
    decisions = [one for one in screens.decisions if one["state"] == "skipped"]
    assert {one["job"] for one in decisions} == {"good", "guarded"}
    for one in decisions:
        job, text, code = one["job"], plain(one["reason_text"]), one["reason"]
        [mark] = [mark for mark in screens.jobs[job]["history"] if mark["state"] == "skipped"]
        [digest] = [row for row in screens.digest["skips"] if row["job"] == job]
        assert plain(mark["text"]) == plain(digest["text"]) == text
        assert mark["reason"] == digest["reason"] == code
        assert mark["count"] == one.get("count", 1) == digest["starts"]
        assert text in plain(screens.job_pages[job])
        assert text in plain(screens.history_text)
        assert text in plain(screens.digest_text)
        assert f'href="/explain/{code}"' in screens.job_pages[job]
    [skip] = [skip for row in screens.timeline["rows"] if row["job"] == "good" for skip in row["skips"]]
    assert plain(skip["text"]) == plain(next(one["reason_text"] for one in decisions if one["job"] == "good"))


def test_next_start_is_the_same_to_the_second(screens: Shown) -> None:
    [at] = [instant(text) for text in screens.next_starts]
    [planned] = screens.forecast["runs"]
    found = {
        "list": screens.listed["good"]["next_at"],
        "status": screens.status["next"][0]["at"],
        "overview": screens.overview["upcoming"][0]["due_at"],
        "digest": screens.digest["upcoming"][0]["due_at"],
        "job": screens.jobs["good"]["next_at"],
        "next ten": screens.jobs["good"]["upcoming"][0]["due_at"],
        "simulation": planned["scheduled_for"],
        "page": re.findall(r'<span>next</span><b><time datetime="([^"]+)"', screens.job_pages["good"])[0],
    }
    assert {name: instant(text) for name, text in found.items()} == dict.fromkeys(found, at)
    text = f"{at:%H:%M}"
    assert text in row_of(screens.list_text, "good")[3]
    assert text in row_of(screens.status_text, "good", 1)[2]
    assert text in list_section(screens.digest_text, "Next start of each job")[0]
    [details] = [line for line in screens.details_text["good"].splitlines() if line.startswith("next ")]
    assert text in details
    assert text in top_row(screens, "good")


def test_expected_starts_are_the_same(screens: Shown) -> None:
    [at] = [instant(text) for text in screens.next_starts]
    expected = [cell for cell in screens.overview["strip"]["cells"] if cell["expected"]]
    assert [cell["expected"] for cell in expected] == [1] == [len(screens.forecast["runs"])]
    assert instant(expected[0]["start"]) <= at < instant(expected[0]["start"]) + timedelta(minutes=15)
    days = [day for month in screens.months for day in month["days"] if day["date"] == str(at.date())]
    assert [day["expected"] for day in days] in ([1], []), "the next month isn't read"
    minutes = [
        (number, minute)
        for number, hour in enumerate(screens.day["hours"])
        for minute, count in enumerate(hour["expected"])
        if count
    ]
    assert minutes == [(at.hour, at.minute)]


def test_checks_of_the_daemon_are_the_same(screens: Shown) -> None:
    def without_figures(checks: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
        # The figures of a living daemon differ from one question to the next.
        return [(one["name"], one["level"], re.sub(r"[\d.,]+ ?\w?B?", "N", one["text"])) for one in checks]

    checks = screens.health["checks"]
    assert without_figures(checks) == without_figures(screens.health_api["checks"])
    assert screens.health["level"] == screens.health_api["level"]
    shown = words_of(screens.health_page)
    assert [one["name"] for one in checks if one["name"] not in shown] == []
