"""Refusals of the commands of the control socket: one bounded line, of a known kind."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.control_peer import Peer, Refused
from tests.support.served_commands import NEW, Daemon, run_with_daemon

from rae_auto import errors
from rae_auto.control.requests import log_query
from rae_auto.errors import BadRequest
from rae_auto.testing.harness.strategies import json_values


def nested(depth: int) -> dict[str, Any]:
    return {"a": nested(depth - 1)} if depth else {}


LONG, HIDDEN = "x" * 257, "a\x1b[2J"

REFUSALS = [
    ("show", {}, "BadRequest", 'the request needs "job": at most'),
    ("show", {"job": None}, "BadRequest", '"job"'),
    ("show", {"job": 1}, "BadRequest", '"job"'),
    ("show", {"job": ["quick"]}, "BadRequest", '"job"'),
    ("show", {"job": ""}, "BadRequest", '"job"'),
    ("show", {"job": LONG}, "BadRequest", "at most 256 printable characters"),
    ("show", {"job": HIDDEN}, "BadRequest", "printable characters"),
    ("show", {"job": "quikc"}, "JobNotFound", 'did you mean "quick"?'),
    ("show", {"job": "quick", "jbo": 1}, "BadRequest", "unknown argument 'jbo'; did you mean \"job\"?"),
    ("ping", {"\x1b]" + LONG: 1}, "BadRequest", "unknown argument '\\x1b]xxx"),
    ("status", {"job": "quick"}, "BadRequest", "unknown argument 'job'"),
    ("remove", {}, "BadRequest", '"job"'),
    ("remove", {"job": "nobody"}, "JobNotFound", "nobody"),
    ("remove", {"job": "quick"}, "JobInUse", "configuration"),
    ("add", {}, "BadRequest", "'add' needs \"definition\""),
    ("add", {"definition": [NEW]}, "BadRequest", "'add' needs \"definition\""),
    ("add", {"definition": NEW, "replace": "yes"}, "BadRequest", "must be true or false"),
    ("add", {"definition": {}}, "InvalidJob", "job"),
    ("add", {"definition": {**NEW, "colour": 1}}, "InvalidJob", "colour"),
    ("add", {"definition": {**NEW, "name": "\x1b[2J"}}, "InvalidJob", 'invalid job id "\\x1b[2J"'),
    ("add", {"definition": {**NEW, "schedule": "61 * * * *"}}, "InvalidJob", "61"),
    ("add", {"definition": {**NEW, "env": nested(100)}}, "InvalidJob", "nested too deeply"),
    ("add", {"definition": {**NEW, "name": "quick"}, "replace": True}, "DuplicateJob", "configuration"),
    ("trigger", {"job": "nobody"}, "JobNotFound", "nobody"),
    ("trigger", {"job": "single"}, "NotStarted", "(overlap)"),
    ("trigger", {"job": "quick", "request": 1}, "BadRequest", '"request"'),
    ("trigger", {"job": "quick", "request": "\ud800"}, "BadRequest", '"request"'),
    ("trigger", {"job": "quick", "event": "x"}, "BadRequest", "trigger: event must be a mapping"),
    ("trigger", {"job": "quick", "event": [1]}, "BadRequest", "trigger: event must be a mapping"),
    ("trigger", {"job": "quick", "event": {"a": float("inf")}}, "BadRequest", "the event: a: invalid number inf"),
    ("trigger", {"job": "quick", "event": {"a": 1 << 64}}, "BadRequest", "64 bits"),
    ("trigger", {"job": "quick", "event": {"a": "\0"}}, "BadRequest", "NUL"),
    ("trigger", {"job": "quick", "event": nested(400)}, "BadRequest", "nested too deeply"),
    ("trigger", {"job": "quick", "event": nested(900)}, "BadRequest", "nested too deeply"),
    ("cancel", {}, "BadRequest", '"job"'),
    ("cancel", {"job": "nobody"}, "JobNotFound", "nobody"),
    ("cancel", {"run": "", "job": "single"}, "BadRequest", '"run"'),
    ("pause", {"job": "nobody"}, "JobNotFound", "nobody"),
    ("resume", {"job": "nobody"}, "JobNotFound", "nobody"),
    ("history", {"limit": 0}, "BadRequest", '"limit" must be a number from 1 to 100,000'),
    ("history", {"limit": True}, "BadRequest", "limit"),
    ("history", {"limit": 100_001}, "BadRequest", "limit"),
    ("history", {"limit": "1"}, "BadRequest", "limit"),
    ("history", {"states": "failed"}, "BadRequest", '"states" must be a list'),
    ("history", {"states": ["faild"]}, "BadRequest", 'did you mean "failed"?'),
    ("history", {"states": ["???"]}, "BadRequest", ', "lost" or "skipped"'),
    ("history", {"states": [{}]}, "BadRequest", 'unknown state "{}"'),
    ("history", {"since": "someday"}, "BadRequest", 'since: invalid time "someday"'),
    ("history", {"since": "tomorrow"}, "BadRequest", "is in the future; write yesterday"),
    ("decisions", {"since": "in 2 hours"}, "BadRequest", "is in the future; write yesterday"),
    ("stats", {"since": "in 2 hours"}, "BadRequest", "is in the future; write yesterday"),
    ("list_events", {"since": "2999-01-01"}, "BadRequest", "since: 2999-01-01 00:00:00"),
    ("history", {"until": "2026-01-32"}, "BadRequest", "until: "),
    ("history", {"job": "\ud800"}, "BadRequest", '"job"'),
    ("output", {}, "BadRequest", '"run"'),
    ("output", {"run": "../../x"}, "RunNotFound", "rae-auto history"),
    ("stop", {"now": 1}, "BadRequest", '"now" must be true or false'),
    ("stop", {"leave_running": "no"}, "BadRequest", "must be true or false"),
    ("reload", {"path": "/"}, "BadRequest", "unknown argument 'path'"),
]


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> list[Refused]:
    """The answers to all refusals, of one daemon, over one connection."""

    async def work(_: Daemon, peer: Peer) -> list[Refused]:
        await peer.ask("trigger", job="single")
        return [await peer.refusal(command, **arguments) for command, arguments, _, _ in REFUSALS]

    answers: list[Refused] = run_with_daemon(tmp_path_factory.mktemp("refusals"), work)
    return answers


@pytest.mark.requirement("S6")
@pytest.mark.parametrize("number", range(len(REFUSALS)), ids=lambda number: f"{number}-{REFUSALS[number][0]}")
def test_refusal_is_one_bounded_line_of_a_known_kind(refused, number):
    _, _, kind, words = REFUSALS[number]
    assert (refused[number].kind, words in refused[number].message) == (kind, True), refused[number]
    assert refused[number].message.isprintable()
    assert len(refused[number].message) < 500
    assert issubclass(getattr(errors, kind), errors.SchedulerError)


def test_exact_instants_of_programs_may_be_of_a_span_to_come() -> None:
    query = log_query({"since": "2999-01-01T00:00:00+00:00"}, ZoneInfo("Europe/Berlin"))
    assert query.since is not None
    assert query.since.year == 2999


@given(st.dictionaries(st.sampled_from(["job", "run", "states", "since", "until", "limit"]), json_values))
def test_log_query_parses_or_refuses_any_json(arguments):
    try:
        query = log_query(arguments, ZoneInfo("Europe/Berlin"))
    except BadRequest as error:
        assert str(error).isprintable()
        assert len(str(error)) < 400
    else:
        assert 0 < query.limit <= 100_000
