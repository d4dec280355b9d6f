"""Each chart of a page has its numbers in a table beside it, for those who don't see it."""

import re
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from tests.core.views.charts.test_charts import CHARTS
from tests.plugins.commands.ui.conftest import Page

PLACES = {
    "draw_strip": ("/", "strip", "strip-numbers"),
    "draw_row": ("/timeline?span=1h", "lane-good", "numbers"),
    "draw_concurrency": ("/timeline?span=1h", "lanes", "concurrency-numbers"),
    "draw_day": ("/day/{day}", "grid", "grid-numbers"),
    "draw_lanes": ("/what-if", "lapse", "lapse-numbers"),
    "draw_occurrences": ("/jobs/good", "occurrences", "occurrences-numbers"),
    "draw_run": ("/runs/{run}", "life", "life-numbers"),
    "draw_trend": ("/jobs/good", "trends", "trend-1"),
}
"""The address of the page of each chart, and the ids of the chart's place and of its twin."""


def part_of(text: str, name: str) -> str:
    """Return what begins with the element of an id."""
    _, found, after = text.partition(f'id="{name}"')
    assert found, f"{name} is missing"
    return after


@pytest.mark.parametrize("chart", CHARTS)
def test_chart_has_its_twin_on_its_page(page: Page, chart: str) -> None:
    address, place, twin = PLACES[chart]
    [run] = page.daemons.ask("history", run=page.runs["good"])
    day = datetime.fromisoformat(run["queued_at"]).astimezone(ZoneInfo("Europe/Berlin")).date()
    path = address.format(day=day, run=run["run_id"])
    answer = page.submit(path, days="2") if path == "/what-if" else page.ask(path)
    assert answer.status == 200
    assert "<svg" in part_of(answer.text, place)
    table = part_of(answer.text, twin).split("</table>")[0]
    headings = re.findall('<th scope="col">([^<]+)</th>', table)
    rows = [re.findall("<t[hd][ >]", row) for row in table.split("<tbody>")[1].split("</tr>")[:-1]]
    assert len(headings) >= 3
    assert rows
    assert {len(row) for row in rows} == {len(headings)}


def test_table_of_runs_has_the_words_of_the_chart(page: Page) -> None:
    text = page.ask(f"/runs/{page.runs['bad']}").text
    table = part_of(text, "life-numbers").split("</table>")[0]
    drawn = part_of(text, "life").split("</svg>")[0]
    spoken = re.findall("<td>([^<]*)</td></tr>", table)
    assert len(spoken) >= 3
    assert [words for words in spoken if words not in drawn] == []
