"""Words on pages: runs as links, and limits as they are written in addresses."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from starlette.requests import Request

from rae_auto.errors import BadRequest
from rae_auto.views.times import due_time
from rae_plugins.commands.ui.pages.requests import number
from rae_plugins.commands.ui.rendering import due_text, format_table_rows, link_runs

RUN = "01M8K3XN49A36DJ4GH0Z1NQS07"


def test_runs_in_a_sentence_are_links() -> None:
    text = f"run {RUN} of <the> same job had been open, and run {RUN}"
    link = f'<a href="/runs/{RUN}">run …QS07</a>'
    assert str(link_runs(text)) == f"{link} of &lt;the&gt; same job had been open, and {link}"
    assert str(link_runs("exit code 3")) == "exit code 3"


@pytest.mark.parametrize(
    ("given", "limits", "message"),
    [
        ("13", (1, 12), 'month must be a whole number from 1 to 12, not "13"'),
        ("abc", (1971, 9000), 'month must be a whole number from 1971 to 9000, not "abc"'),
        ("-3", (0, 1 << 53), 'month must be a whole number of at least 0, not "-3"'),
        ("x", (1, 1 << 20), 'month must be a whole number from 1 to 1,048,576, not "x"'),
    ],
)
def test_number_that_does_not_fit_is_refused_with_its_limits(given: str, limits: tuple[int, int], message: str) -> None:
    request = Request({"type": "http", "query_string": f"month={given}".encode(), "headers": []})
    with pytest.raises(BadRequest) as refused:
        number(request, "month", 1, low=limits[0], high=limits[1])
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("seconds", "words"), [(3, "in 3 s"), (0.5, "due now"), (-2, "due now"), (-59, "due now"), (-150, "due 2 min ago")]
)
def test_start_is_due_now_for_a_minute(seconds: float, words: str) -> None:
    now = datetime(2026, 11, 28, 12, tzinfo=UTC)
    at = now + timedelta(seconds=seconds)
    assert due_text(at, now) == due_time(at.isoformat(), now) == words


@pytest.mark.parametrize("cell", ["plain", "<b>&'\"", "a\x1fb", "\x1f", ""])
def test_cells_of_a_table_are_escaped_and_stay_apart(cell: str) -> None:
    rows = str(format_table_rows([("first", cell, "last"), (cell, "x", cell)]))
    found = re.findall('<tr><th scope="row">(.*?)</th><td>(.*?)</td><td>(.*?)</td></tr>', rows)
    assert [tuple(map(unescape, row)) for row in found] == [("first", cell, "last"), (cell, "x", cell)]
    assert "<b>" not in rows
