"""The trace of a run: valid, the same for ever, and that of its event where it has one."""

import pytest

from rae_auto.model.primitives.trace import traceparent_of

GIVEN = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"


def parts_of(run, attempt, event=None):
    return traceparent_of(run, attempt, event).split("-")


def test_trace_of_a_run_is_valid_and_the_same_for_ever():
    assert traceparent_of("01KDYP15007Z6P2WN1S386BXK6", 1, None) == (
        "00-a81b83688a0e028d9a0e07c0f0a067e6-3776d7abd4e8a6bc-01"
    )


def test_attempts_of_a_run_are_parts_of_one_trace():
    first, second = parts_of("R", 1), parts_of("R", 2)
    assert first[1] == second[1]
    assert first[2] != second[2]
    assert parts_of("S", 1)[1] != first[1]


@pytest.mark.parametrize("given", [GIVEN, f"cc{GIVEN[2:]}-what-comes-later"])
def test_run_belongs_to_the_trace_of_its_event(given):
    _, trace, span, flags = parts_of("R", 1, {"traceparent": given})
    assert (trace, flags) == ("4bf92f3577b34da6a3ce929d0e0e4736", "00")
    assert span == parts_of("R", 1)[2]


@pytest.mark.parametrize(
    "given",
    [
        None,
        7,
        "",
        "x",
        GIVEN.upper(),
        f"ff{GIVEN[2:]}",
        GIVEN[:-1],
        f"00-{'0' * 32}-{'1' * 16}-00",
        GIVEN + "\n",
        GIVEN + "-more",
    ],
)
def test_event_without_a_valid_trace_begins_another(given):
    assert traceparent_of("R", 1, {"traceparent": given}) == traceparent_of("R", 1, None)
