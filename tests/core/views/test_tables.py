"""Tables line up in the cells of a terminal and fit it; pipes get every cell whole."""

import re
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rae_auto.model.primitives.escaping import escape_line
from rae_auto.toolkit.text_cells import count_cells
from rae_auto.views import runs as run_views
from rae_auto.views import tables
from rae_auto.views.runs import OPTIONAL_RUN_HEADERS, RUN_HEADERS, run_rows
from rae_auto.views.table_layout import GAP, align_rows, fit_rows, fit_widths, natural_widths
from rae_auto.views.tables import print_wrapped, show_table, use_headers

BERLIN = ZoneInfo("Europe/Berlin")
AT = "2026-11-28T11:06:00+00:00"
REASON = "another run of the job was open, and its overlap policy says to skip this one"


def run(number, **facts):
    return {
        "run_id": f"01M8H4N3HB{number}".ljust(26, "0"),
        "job": "backup-of-everything",
        "state": "timed_out",
        "queued_at": AT,
        "started_at": AT,
        "finished_at": AT,
        "duration": 0.0,
        "attempt": 1,
        "exit_code": None,
        "reason_text": REASON,
        "remark": None,
        **facts,
    }


@pytest.fixture
def terminal(monkeypatch, capsys):
    """Show runs on a terminal of this width; return the lines."""

    def show(width, rows):
        monkeypatch.setenv("COLUMNS", str(width))
        for module in (tables, run_views):
            monkeypatch.setattr(module, "on_terminal", lambda: True)
        show_table(RUN_HEADERS, run_rows(rows, None), optional=OPTIONAL_RUN_HEADERS)
        return capsys.readouterr().out.splitlines()

    return show


@pytest.mark.parametrize("width", [60, 72, 80, 100, 200])
def test_table_fits_the_terminal(terminal, width):
    lines = terminal(width, [run(1), run(2, reason_text=None)])
    assert max(map(len, lines)) <= width
    assert all("01M8H4N3HB" in line for line in lines[1:])


def test_reason_is_cut_with_an_ellipsis(terminal):
    line = terminal(100, [run(1)])[1]
    assert line.endswith("…")
    assert REASON[:15] in line
    assert REASON in terminal(200, [run(1)])[1]


def test_instants_give_way_before_reasons_are_cut(terminal):
    beside = terminal(200, [run(1)])[1]
    assert re.search(r"\d\d:\d\d:\d\d( CET)? \([^()]+ ago\)", beside)
    at_80 = terminal(80, [run(1)])[1]
    assert " ago" not in at_80
    assert "(" not in at_80
    assert REASON[:15] in at_80


def test_long_line_is_wrapped_on_a_terminal_and_whole_in_a_pipe(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    line = f"rae-auto 0.1.0 (pid 4711) running since 18:00:05; state in /{'d' * 40}; store: sqlite; log: console, file"
    print_wrapped(line)
    assert capsys.readouterr().out == f"{line}\n"
    monkeypatch.setattr(tables, "on_terminal", lambda: True)
    print_wrapped(line)
    first, *others = capsys.readouterr().out.splitlines()
    assert max(map(len, (first, *others))) <= 80
    assert all(other.startswith("  ") for other in others)
    assert " ".join([first, *map(str.strip, others)]) == line


def test_columns_without_content_are_left_out(terminal):
    assert "EXIT" not in terminal(200, [run(1)])[0]
    assert "EXIT" in terminal(200, [run(1, exit_code=3)])[0]


def test_ids_are_shortened_to_unique_prefixes(terminal):
    apart = run(1, run_id="01M8H4N3HC0000000000000000")
    assert terminal(200, [run(1), apart])[1].split()[0] == "01M8H4N3HB10"
    ids = [line.split()[0] for line in terminal(200, [run(1), run(2)])[1:]]
    assert len(set(ids)) == 2


def test_pipe_gets_whole_cells_and_headers_on_request(capsys):
    show_table(RUN_HEADERS, run_rows([run(1)], None))
    (line,) = capsys.readouterr().out.splitlines()
    assert run(1)["run_id"] in line
    assert line.endswith(REASON)
    use_headers(True)
    show_table(RUN_HEADERS, run_rows([run(1)], None))
    use_headers(False)
    headed, lower = capsys.readouterr().out.splitlines()
    assert headed.split() == list(RUN_HEADERS)
    assert lower.split() == line.split()
    assert [headed.index(name) for name in ("run", "job")] == [0, lower.index("backup-of-everything")]


def test_pipe_gets_times_that_are_read_the_same_tomorrow(capsys):
    show_table(RUN_HEADERS, run_rows([run(1)], BERLIN))
    (line,) = capsys.readouterr().out.splitlines()
    assert "  2026-11-28 12:06:00 CET  " in line


LETTERS = st.sampled_from("a-日ｶ한👩🇩é")
WORDS = st.just("") | st.builds(
    str.__add__, LETTERS, st.text(st.sampled_from("ab -_日本語ｶ한👩🏽🇩🇪é\u0301\u0308\u200b\u200d\ufe0f"), max_size=30)
)


@given(
    rows=st.lists(st.tuples(*[WORDS] * 4), min_size=1, max_size=5), width=st.integers(8, 120), is_whole=st.booleans()
)
def test_columns_stay_aligned_and_within_the_terminal(rows, width, is_whole):
    headers = ("run", "job", "日付", "why")
    rows = [[escape_line(cell) for cell in row] for row in rows]
    lines = fit_rows(headers, rows, width, range(4), ("run",) if is_whole else ())
    assert max(map(count_cells, lines)) <= width
    widths = fit_widths(natural_widths(headers, rows, range(4)), 10**6, [False] * 4)
    for row, line in zip(rows, align_rows([headers, *rows])[1:], strict=True):
        for place, cell in enumerate(row):
            begin = sum(widths[:place]) + GAP * place
            assert _from_cell(line, begin).startswith(cell.rstrip())


def _from_cell(line, begin):
    """Return a line from a cell of the terminal on; no character may be drawn across it."""
    starts = {count_cells(line[:place]): place for place in range(len(line), -1, -1)}
    return line[starts[begin] :] if begin in starts else ""
