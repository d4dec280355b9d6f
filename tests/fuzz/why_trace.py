"""The engine's own trace of its checks in random worlds, held against what `why` says of the same occurrences.

While a world is played, the functions by which the engine checks an occurrence note that they were called, and what
they returned. Afterwards each decision is explained from the records alone. `python -m tests.fuzz.why_trace 10000`
plays so many worlds; a sample is played by the tests.
"""

import sys
from collections.abc import Callable, Iterator, Set
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

from tests.fuzz.fuzz_run import FuzzRun
from tests.support.why import view_job

from rae_auto.engine.runs import admission, dependencies, dispatch, guards, loop_detection
from rae_auto.explain.answer import explain_at
from rae_auto.explain.check_lists import DECISION_CHECKS, START_CHECKS
from rae_auto.explain.check_node import CheckNode, CheckResult
from rae_auto.explain.check_tree import check_run, check_skip
from rae_auto.explain.instant_checks import check_instant
from rae_auto.explain.job_view import JobView
from rae_auto.model import documents
from rae_auto.model.decision import MANUAL, Decision
from rae_auto.model.job import Job
from rae_auto.model.policies import Overlap
from rae_auto.model.primitives.local_times import RequestedTime
from rae_auto.model.primitives.names import RunId
from rae_auto.model.reasons import Fired, Manual
from rae_auto.model.run import Run, RunState
from rae_auto.simulation.virtual_engine import VirtualWorld

STEPS = 50
FAR = timedelta(minutes=2)

Calls = dict[str, str | None]
"""The checks that were called, each with the code of the reason that it returned."""


class Trace:
    """The checks of the occurrences of a world, by job, trigger and key."""

    def __init__(self) -> None:
        self.asked: list[tuple[Job, datetime, Calls, Set[RunId]]] = []
        """The jobs of occurrences that stand alone, the instants of their decisions, and the runs that were open."""
        self.is_doubtful = False
        """True once the clock was set back, or the store went back: records don't say all of an instant then."""
        self.calls: dict[tuple[str, str, str], list[Calls]] = {}
        """Several where a crash, or a store that went back, undid a decision that was then made again."""
        self.starts: dict[tuple[str, str, str], list[str | None]] = {}
        """The reasons that kept a run from starting, one for each look of the engine, by the run's occurrence."""
        self._current: Calls = {}

    def record(self, stack: ExitStack) -> None:
        """Note the checks from now on."""
        find_refusal = admission.find_refusal

        def begin(turn: Any, entry: Any, candidate: Any) -> Any:
            self._current = {}
            self.calls.setdefault(candidate.occurrence.identity, []).append(self._current)
            if not candidate.batch:
                opened = frozenset(other.run.id for other in turn.state.open_runs(entry.job.id))
                self.asked.append((entry.job, turn.now.wall, self._current, opened))
            try:
                return find_refusal(turn, entry, candidate)
            finally:
                # The start of a run makes some of the same checks.
                self._current = {}

        stack.enter_context(patch.object(admission, "find_refusal", begin))
        set_clock, crash = VirtualWorld.set_clock, VirtualWorld.crash

        def step(world: VirtualWorld, by: timedelta) -> None:
            self.is_doubtful |= by < timedelta(0)
            set_clock(world, by)

        def restart(world: VirtualWorld, **options: Any) -> None:
            self.is_doubtful |= bool(options.get("reverts"))
            crash(world, **options)

        stack.enter_context(patch.object(VirtualWorld, "set_clock", step))
        stack.enter_context(patch.object(VirtualWorld, "crash", restart))
        find_obstacle = dispatch.find_obstacle

        def look(state: Any, entry: Any) -> Any:
            obstacle = find_obstacle(state, entry)
            run = entry.run
            found = self.starts.setdefault((run.job, run.trigger, run.key), [])
            found.append(None if obstacle is None else obstacle[0].code)
            return obstacle

        stack.enter_context(patch.object(dispatch, "find_obstacle", look))
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
        yield from (f"seed {seed}, {job}: {text}" for text in _compare_overlaps(view, trace))


def _compare(record: Decision | Run, view: JobView, trace: Trace) -> Iterator[str]:
    # As a store keeps them: nothing but the records may matter.
    stored = documents.load(type(record), documents.dump(record))
    is_run = isinstance(stored, Run)
    tree = check_run(stored, view) if is_run else check_skip(stored, view)
    decision = next(node for node in tree if node.name == "decision")
    results = {node.name: node for node in decision.children}
    known = trace.calls.get((record.job, record.trigger, record.key), [])
    unmade = _find_unmade(record)
    differences = [list(_compare_checks(calls, results, unmade)) for calls in known]
    # A store that went back may have forgotten a decision, and the instant is given up then.
    if differences and all(differences) and results["catch_up"].result is not CheckResult.NO:
        yield from differences[-1]
    refusals = [node.name for node in decision.children if node.result is CheckResult.NO]
    if len(refusals) != (not is_run):
        yield f"the tree has {len(refusals)} refusals"
    yield from _find_gaps(tree)
    looks = trace.starts.get((record.job, record.trigger, record.key), [])
    if isinstance(stored, Run):
        yield from _compare_start(stored, tree, view)
        if not trace.is_doubtful:
            yield from _compare_looks(stored, tree, looks)
    elif not looks:
        yield from _find_claims(tree)


def _find_gaps(tree: tuple[CheckNode, ...]) -> Iterator[str]:
    """Yield what a tree lacks: every one has every check, in the order of the engine."""
    parts = {node.name: [child.name for child in node.children] for node in tree}
    if list(parts) != ["trigger", "decision", "start", "attempts"]:
        yield f"the tree has {list(parts)}"
    elif (parts["decision"], parts["start"]) != (list(DECISION_CHECKS), list(START_CHECKS)):
        yield f"the tree lacks checks: {parts}"
    elif "retry" not in parts["attempts"]:
        yield "the tree says nothing of a retry"


def _find_claims(tree: tuple[CheckNode, ...]) -> Iterator[str]:
    """Yield what a tree claims of a start, or of an attempt, of what the engine never tried to start."""
    for node in tree[2:]:
        claims = [one.name for one in (node, *node.children) if one.result is not CheckResult.UNKNOWN]
        if claims:
            yield f"nothing was to start, but the tree answers {claims}"


def _compare_looks(run: Run, tree: tuple[CheckNode, ...], looks: list[str | None]) -> Iterator[str]:
    """Yield claims on a run that the engine never looked at, or found no free way for."""
    start = next(node for node in tree if node.name == "start")
    passed = {node.name for node in start.children if node.result is CheckResult.YES} - {"delay", "parallel"}
    if not looks and not run.attempt and passed:
        yield f"the engine never looked at it, but the tree says yes to {sorted(passed)}"
    if run.attempt and looks and None not in looks:
        yield f"it started, but each time that the engine looked {looks[-1]} was in the way"


def _find_unmade(record: Decision | Run) -> Set[str]:
    """Return the checks that let everything of this kind pass: the tree says that they are not made."""
    cause = record.cause if isinstance(record, Run) else Manual() if record.trigger == MANUAL else None
    if isinstance(cause, Manual):
        return {"guards", "needs"} if cause.forced else {"guards"}
    return {"needs"} if isinstance(cause, Fired) else set()


def _compare_checks(calls: Calls, results: dict[str, CheckNode], unmade: Set[str]) -> Iterator[str]:
    for name, reason in calls.items():
        if reason is None and results[name].result is not (CheckResult.UNKNOWN if name in unmade else CheckResult.YES):
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
        if answer.run is not None or answer.reason is not None:
            continue
        yield from (f"{text}, at {at}" for text in (*_find_gaps(answer.checks), *_find_claims(answer.checks)))
        decision = next(node for node in answer.checks if node.name == "decision")
        if decision.result is not CheckResult.UNKNOWN:
            yield f"a decision at {at}, where nothing was due"


def _compare_overlaps(view: JobView, trace: Trace) -> Iterator[str]:
    """Yield where an instant of the past is not answered as the engine decided it, of a job that is still the same.

    Ends of runs can be on record with an instant at which the engine did not know of them yet; those are left out.
    """
    for job, at, calls, opened in trace.asked:
        now = view.definition
        is_same = now is not None and (now.overlap, now.overlap_max) == (job.overlap, job.overlap_max)
        is_edge = any(run.started_at == at for run in view.runs)
        if job.id != view.job or not is_same or "overlap" not in calls or at > view.now or is_edge:
            continue
        if trace.is_doubtful and job.overlap is Overlap.QUEUE:
            # Whether a run was still in the queue depends on when it started, by a clock that was set back later.
            continue
        on_record = {run.id for run in view.runs if run.queued_at <= at and (run.finished_at or at + FAR) > at}
        decision = next(node for node in check_instant(at, view) if node.name == "decision")
        check = next(node for node in decision.children if node.name == "overlap")
        is_known = check.result is not CheckResult.UNKNOWN and not check.text.startswith("of the starts from")
        if on_record == opened and is_known and check.reason != calls["overlap"]:
            yield f"the engine found {calls['overlap']} at {at}, but the tree says {check}"


def main(arguments: list[str]) -> int:
    """Play so many worlds, print the differences, and return the exit code."""
    count = int(arguments[0]) if arguments else 200
    differences = [text for seed in range(count) for text in find_differences(seed)]
    sys.stdout.writelines(f"{text}\n" for text in differences[:20])
    sys.stdout.write(f"{count} worlds, {len(differences)} differences\n")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
