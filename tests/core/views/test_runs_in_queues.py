"""A run whose attempt is in a queue elsewhere waits in every view, and nothing of it has started."""

from datetime import UTC, datetime, timedelta

from attrs import evolve
from tests.support.log_lines import captured_log
from tests.support.runs import make_run

from rae_auto.engine.effects import QueueLeft, Step
from rae_auto.model.reasons import InQueue, Unconfirmed
from rae_auto.model.reasons.base import time_text
from rae_auto.model.run import RunState
from rae_auto.runtime.reporting.announcements import announce
from rae_auto.runtime.reporting.decision_log import DecisionLog
from rae_auto.runtime.reporting.event_stream import EventStream
from rae_auto.runtime.reporting.run_log import log_run
from rae_auto.views.screens.run_page import list_phases
from rae_auto.views.screens.timeline import bar_of

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
REASON = InQueue("tcp://10.0.0.5:8786", "a worker with label gpu", NOON + timedelta(minutes=3))
RUN = make_run("train", at=NOON, state=RunState.STARTING, attempt=1, reason=REASON, waited_for=(REASON,))
TEXT = "it has been in the queue of tcp://10.0.0.5:8786 since 2026-06-01T12:03:00+00:00, for a worker with label gpu"


def test_run_page_shows_the_queue_as_a_wait() -> None:
    *_, waiting = list_phases(RUN, time_text)
    assert (waiting.kind, waiting.since, waiting.until, waiting.text) == ("waiting", NOON, None, TEXT)


def test_timeline_shows_no_attempt_of_a_run_in_a_queue() -> None:
    bar = bar_of(RUN, NOON + timedelta(hours=1), time_text)
    assert (bar.started_at, bar.attempts, bar.text) == (None, (), f"starting: {TEXT}")


def test_log_says_what_took_a_run_out_of_its_queue() -> None:
    end = QueueLeft(RUN, REASON, timedelta(minutes=3), "worker gpu-1 (tcp://10.0.0.7:4000)")
    assert log_of(end) == (
        "taken (01M8JMYEQZY8): from the queue of tcp://10.0.0.5:8786 after 3 min, by worker gpu-1 (tcp://10.0.0.7:4000)"
    )
    assert log_of(evolve(end, taken_by="")).endswith("after 3 min")


def test_log_says_that_a_machine_has_confirmed_a_start() -> None:
    unconfirmed = Unconfirmed("nas", "an answer", NOON)
    with captured_log() as lines:
        log_run(evolve(RUN, reason=unconfirmed))
    assert "waits (01M8JMYEQZY8): not confirmed by nas, for an answer" in lines[0]
    assert log_of(QueueLeft(RUN, unconfirmed, timedelta(0))) == "confirmed (01M8JMYEQZY8): nas has started it"


def log_of(end: QueueLeft) -> str:
    """Return what the log says of the end of a wait elsewhere."""
    with captured_log() as lines:
        announce(Step(effects=[end]), EventStream(), DecisionLog())
    (line,) = lines
    return line


def test_log_says_in_which_queue_a_run_waits() -> None:
    with captured_log() as lines:
        log_run(RUN)
    assert "waits (01M8JMYEQZY8): in the queue of tcp://10.0.0.5:8786, for a worker with label gpu" in lines[0]
