"""The engine's own trace of its checks in random worlds, held against what `why` says of the same occurrences.

While a world is played, the functions by which the engine checks an occurrence note that they were called, and what
they returned. Afterwards each decision is explained from the records alone. `python -m tests.fuzz.why_trace 10000`
plays so many worlds; a sample is played by the tests.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

from tests.fuzz.fuzz_run import FuzzRun
from tests.support.why import view_job

from rae_auto.engine.runs import admission, dependencies, guards, loop_detection
from rae_auto.explain.answer import explain_at
from rae_auto.explain.check_node import CheckNode, CheckResult
from rae_auto.explain.check_tree import check_run, check_skip
from rae_auto.explain.job_view import JobView
from rae_auto.model import documents
from rae_auto.model.decision import Decision
from rae_auto.model.primitives.local_times import RequestedTime
from rae_auto.model.run import Run, RunState

STEPS = 50
FAR = timedelta(minutes=2)

Calls = dict[str, str | None]
"""The checks that were called, each with the code of the reason that it returned."""


class Trace:
    """The checks of the occurrences of a world, by job, trigger and key."""

    def __init__(self) -> None:
        self.calls: dict[tuple[str, str, str], list[Calls]] = {}
        """Several where a crash, or a store that went back, undid a decision that was then made again."""
        self._current: Calls = {}

    def record(self, stack: ExitStack) -> None:
        """Note the checks from now on."""
        find_refusal = admission.find_refusal

        def begin(turn: Any, entry: Any, candidate: Any) -> Any:
            self._current = {}
            self.calls.setdefault(candidate.occurrence.identity, []).append(self._current)
            try:
                return find_refusal(turn, entry, candidate)
            finally:
                # The start of a run makes some of the same checks.
                self._current = {}

        stack.enter_context(patch.object(admission, "find_refusal", begin))
        for name, module, function in (
            ("overlap", admission, "_find_overlap"),
            ("needs", dependencies, "find_unmet_need"),
            ("guards", guards, "find_certain_block"),
            ("feedback_loop", loop_detection, "find_feedback_loop"),
        ):
            stack.enter_context(patch.object(module, function, self._noting(name, getattr(module, function))))

    def _noting(self, name: str, check: Callable[..., Any]) -> Callable[..., Any]:
        def note(*arguments: Any) -> Any:
            reason = check(*arguments)
            self._current.setdefault(name, None if reason is None else reason.code)
            return reason

        return note


def find_differences(seed: int, steps: int = STEPS) -> Iterator[str]:
    """Play a world, and yield where `why` and the engine's trace differ."""
    trace, run = Trace(), FuzzRun(seed)
    with ExitStack() as stack:
        trace.record(stack)
        failure = run.play(steps)
    if failure is not None:
        yield str(failure)
        return
    for job in sorted({decision.job for decision in run.world.decisions}):
        view = view_job(run.world, job)
        for record in (*view.decisions, *view.runs):
            yield from (f"seed {seed}, {job} at {record}: {text}" for text in _compare(record, view, trace))
        # Records often share an instant, and an answer costs more than all that a record is compared with.
        for at in sorted(
            {one.scheduled_for if isinstance(one, Run) else one.at for one in (*view.decisions, *view.runs)}
        ):
            yield from (f"seed {seed}, {job}: {text}" for text in _compare_answer(at, view))
        yield from (f"seed {seed}, {job}: {text}" for text in _compare_quiet_minutes(view))


def _compare(record: Decision | Run, view: JobView, trace: Trace) -> Iterator[str]:
    # As a store keeps them: nothing but the records may matter.
    stored = documents.load(type(record), documents.dump(record))
    is_run = isinstance(stored, Run)
    tree = check_run(stored, view) if is_run else check_skip(stored, view)
    decision = next(node for node in tree if node.name == "decision")
    results = {node.name: node for node in decision.children}
    known = trace.calls.get((record.job, record.trigger, record.key), [])
    differences = [list(_compare_checks(calls, results)) for calls in known]
    # A store that went back may have forgotten a decision, and the instant is given up then.
    if differences and all(differences) and results["catch_up"].result is not CheckResult.NO:
        yield from differences[-1]
    refusals = [node.name for node in decision.children if node.result is CheckResult.NO]
    if len(refusals) != (not is_run):
        yield f"the tree has {len(refusals)} refusals"
    if isinstance(stored, Run):
        yield from _compare_start(stored, tree, view)


def _compare_checks(calls: Calls, results: dict[str, CheckNode]) -> Iterator[str]:
    for name, reason in calls.items():
        if reason is None and results[name].result is not CheckResult.YES:
            yield f"{name} said yes, but the tree says {results[name]}"
        if reason is not None and (results[name].result, results[name].reason) != (CheckResult.NO, reason):
            yield f"{name} said {reason}, but the tree says {results[name]}"
    for name in ("overlap", "guards", "feedback_loop"):
        if name not in calls and results[name].result is not CheckResult.UNKNOWN:
            yield f"{name} was not reached, but the tree says {results[name]}"


def _compare_start(run: Run, tree: tuple[CheckNode, ...], view: JobView) -> Iterator[str]:
    start = next(node for node in tree if node.name == "start")
    blocking = [node.reason for node in start.children if node.result is CheckResult.NO]
    if run.attempt:
        return
    waiting = view.waiting.get(run.id, (None, ""))[0]
    if run.state is RunState.SKIPPED and run.reason is not None and blocking != [run.reason.code]:
        yield f"it was skipped because of {run.reason.code}, but the tree blames {blocking}"
    if run.state is RunState.QUEUED and waiting is not None and waiting.code not in (*blocking, start.reason):
        yield f"it waits because of {waiting.code}, but the tree blames {blocking}"


def _compare_answer(at: datetime, view: JobView) -> Iterator[str]:
    """The answer for an instant is about one of the records of about that instant."""
    answer = explain_at(RequestedTime((at,)), view)
    if not answer.checks:
        yield f"no checks at {at}"
    if answer.run is None and answer.reason is not None:
        codes = {decision.reason.code for decision in view.decisions} | {"repeated"}
        if answer.reason.code not in codes:
            yield f"the answer names {answer.reason.code}, which no decision gave"


def _compare_quiet_minutes(view: JobView) -> Iterator[str]:
    """At minutes far from all records and instants, nothing was due."""
    instants = [run.scheduled_for for run in view.runs] + [decision.at for decision in view.decisions]
    for instant in instants[:10]:
        at = instant + FAR + timedelta(seconds=7)
        is_near = any(abs(other - at) < FAR for other in instants) or at > view.now
        spans = [(decision.since or decision.at, decision.at) for decision in view.decisions]
        if is_near or any(first <= at <= last for first, last in spans):
            continue
        answer = explain_at(RequestedTime((at,)), view)
        if answer.run is None and answer.reason is None and any(node.name == "attempts" for node in answer.checks):
            yield f"an attempt at {at}, where nothing was due"


def main(arguments: list[str]) -> int:
    """Play so many worlds, print the differences, and return the exit code."""
    count = int(arguments[0]) if arguments else 200
    differences = [text for seed in range(count) for text in find_differences(seed)]
    sys.stdout.writelines(f"{text}\n" for text in differences[:20])
    sys.stdout.write(f"{count} worlds, {len(differences)} differences\n")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
