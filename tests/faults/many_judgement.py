"""The judgement of `tests.faults.many`: the store at the end against what the attempts wrote."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from attrs import define, field
from tests.faults import many_cluster
from tests.faults.many_daemons import EXIT_CODES, SCHEMA, STEP_SECONDS, Note, Pair, wait_for

KEEPER_GONE_SECONDS = 8.0
"""Time after the end of an attempt in which the death of its keeper may hide it, since a keeper may be stopped."""

STUCK_SECONDS = 60.0
"""Time in which each run has to end that was open after the last fault; a slot may take ten seconds to come."""

Key = tuple[str, str]


@define
class Report:
    """The findings of a campaign; `violations` is empty if all is well."""

    faults: Counter[str] = field(factory=Counter)
    violations: list[str] = field(factory=list)
    pauses: list[float] = field(factory=list)
    runs: int = 0
    states: Counter[str] = field(factory=Counter)
    killed_workers: set[Key] = field(factory=set)
    killed_keepers: list[tuple[str, float]] = field(factory=list)
    """Daemons whose keeper was killed, and when."""
    cluster_harms: list[float] = field(factory=list)
    """When a part of the cluster was killed with which attempts end."""

    def text(self) -> str:
        """Return it as lines."""
        pauses = sorted(self.pauses)
        named = ", ".join(f"{count} {name}" for name, count in sorted(self.faults.items()))
        states = ", ".join(f"{count} {state}" for state, count in sorted(self.states.items()))
        lines = [
            f"{sum(self.faults.values())} faults: {named}",
            f"{self.runs} runs ({states}), {len(self.violations)} violations",
        ]
        if pauses:
            p99 = pauses[min(int(len(pauses) * 0.99), len(pauses) - 1)]
            median = pauses[len(pauses) // 2]
            lines.append(
                f"leader dead, stopped or cut off to next start elsewhere: {len(pauses)} times, median {median:.1f} s, "
                f"p99 {p99:.1f} s, greatest {pauses[-1]:.1f} s"
            )
            lines.append("all pauses: " + " ".join(f"{pause:.1f}" for pause in pauses))
        return "\n".join([*lines, *self.violations[:20]])


def judge(pair: Pair, report: Report, began: datetime, ended: datetime) -> None:
    """Add to a report what contradicts the promises, from the first fault to the last."""
    query = f"SELECT log, body FROM {SCHEMA}.entries WHERE log IN ('runs', 'decisions')"
    rows = [(log, json.loads(body)) for log, body in pair.server.execute(query)]
    runs = [body for log, body in rows if log == "runs"]
    report.runs = len(runs)
    report.states = Counter(body["state"] for body in runs)
    report.violations += _find_stuck(pair)
    decided = Counter((body["job"], at) for _, body in rows for at in _instants(body))
    report.violations += _find_undecided(decided, began, ended)
    notes = pair.notes()
    report.violations += _find_doubled(notes)
    report.violations += _find_untrue(runs, notes, report)
    report.violations += [f"{process.pid} is left, alive" for process in pair.workers()]


def _instants(body: Any) -> Iterator[datetime]:
    """Yield the instants that a run or a decision is about: those that were skipped together have one decision."""
    if "at" not in body:
        yield datetime.fromisoformat(body["scheduled_for"])
        return
    last, step = datetime.fromisoformat(body["at"]), timedelta(seconds=STEP_SECONDS[body["job"]])
    yield from (last - number * step for number in range(body.get("count", 1)))


def find_waiting(pair: Pair) -> Iterator[str]:
    """Yield the runs that are open now, and still are when `STUCK_SECONDS` are over, while both daemons work."""
    before = dict(_open_runs(pair))
    wait_for(lambda: not before.keys() & dict(_open_runs(pair)).keys(), STUCK_SECONDS)
    left = before.keys() & dict(_open_runs(pair)).keys()
    yield from (f"open for {STUCK_SECONDS:g} s after the last fault: {before[run][:300]}" for run in left)


def _open_runs(pair: Pair) -> Iterator[tuple[str, str]]:
    for (body,) in pair.query(f"SELECT body FROM {SCHEMA}.documents WHERE kind = 'run'"):
        yield json.loads(body)["id"], body


def _find_stuck(pair: Pair) -> Iterator[str]:
    for (body,) in pair.server.execute(f"SELECT body FROM {SCHEMA}.documents WHERE kind = 'run'"):
        yield f"stuck: {body[:300]}"


def _find_undecided(decided: Counter[tuple[str, datetime]], began: datetime, ended: datetime) -> Iterator[str]:
    """Yield the occurrences that have no decision, or more than one."""
    for job, seconds in STEP_SECONDS.items():
        if not any(name == job for name, _ in decided):
            continue
        step = timedelta(seconds=seconds)
        at = min(at for name, at in decided if name == job)
        at += max(-((at - began) // step), 0) * step
        while at < ended:
            if decided[job, at] != 1:
                yield f"{job} at {at:%H:%M:%S}: decided {decided[job, at]} times"
            at += step


def _find_doubled(notes: list[Note]) -> Iterator[str]:
    counts = Counter(note.key for note in notes if note.what == "begin")
    yield from (f"began {count} times: {key}" for key, count in counts.items() if count > 1)
    yield from (f"twins: {note.key}" for note in notes if note.what == "twin")


def _find_untrue(runs: list[Any], notes: list[Note], report: Report) -> Iterator[str]:
    """Yield runs whose end isn't the one that the last attempt had."""
    begins = {note.key: note for note in notes if note.what == "begin"}
    ends = {note.key: note for note in notes if note.what == "end"}
    for body in runs:
        job, state, code = body["job"], body["state"], body.get("exit_code", 0)
        key = (body["id"], str(body.get("attempt", 0)))
        begin, end = begins.get(key), ends.get(key)
        # One whose keeper was killed just when it had ended has no exit status.
        is_known = state == "succeeded" or "exit_code" in body
        if end is not None and is_known and state in ("succeeded", "failed") and code != EXIT_CODES[job]:
            yield f"wrong exit status: {job} {key} {code}"
        if end is None and state == "succeeded":
            yield f"succeeded without an end: {job} {key}"
        if begin is None and state == "failed" and "output file" in json.dumps(body):
            yield f"failed before it began: {job} {key} {body}"
        if begin is None or _lost_its_keeper(job, begin, end, report):
            continue
        is_killed = body.get("reason", {}).get("code") == "killed"
        if state == "lost" or (state == "failed" and "exit_code" not in body and not is_killed):
            yield f"lost, although its keeper lived: {job} {key} {body}"
        elif end is None and state == "failed" and key not in report.killed_workers:
            yield f"failed, although nothing harmed it: {job} {key} {body}"


def _lost_its_keeper(job: str, begin: Note, end: Note | None, report: Report) -> bool:
    last = float("inf") if end is None else end.at + KEEPER_GONE_SECONDS
    if job in many_cluster.NAMES:
        return any(begin.at - 1 <= at <= last for at in report.cluster_harms)
    # One whose keeper was killed just then doesn't know its node.
    nodes = {begin.node} if begin.node != "?" else {node for node, _ in report.killed_keepers}
    return any(node in nodes and begin.at - 1 <= at <= last for node, at in report.killed_keepers)
