"""Messages between nodes as JSON: the progress of attempts, and requests to cancel them."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from attrs import frozen

from rae_auto.engine.events import AttemptDequeued, AttemptEnded, AttemptFound, AttemptStarted, Event
from rae_auto.model import documents
from rae_auto.model.primitives.names import RunId
from rae_auto.model.run import QueuePlace, Result

Body = Mapping[str, Any]

AttemptReport = AttemptEnded | AttemptFound | AttemptDequeued
"""Events about an attempt that a node reports to the leader."""


@frozen
class CancelRequest:
    """The leader's request to a node to end an attempt."""

    run: RunId
    attempt: int
    grace: timedelta


def encode_event(event: Event) -> Body | None:
    """Return the message about an attempt; None for an event that isn't about one."""
    match event:
        case AttemptEnded(run, attempt, result):
            return {"ended": run, "attempt": attempt, "result": documents.dump(result)}
        case AttemptFound(run, attempt, handle, started, queue):
            place = queue and [queue.queue, queue.wanted, queue.may_have_started]
            return {"found": run, "attempt": attempt, "handle": handle, "started": started, "queue": place}
        case AttemptStarted(run, attempt, handle, queue):
            return encode_event(AttemptFound(run, attempt, handle, queue=queue))
        case AttemptDequeued(run, attempt, ago, taken_by):
            return {"dequeued": run, "attempt": attempt, "ago": ago.total_seconds(), "by": taken_by}
        case _:
            return None


def decode_event(body: Body) -> AttemptReport | None:
    """Return the event of a message; None if it is none."""
    try:
        attempt = int(body["attempt"])
        if "ended" in body:
            return AttemptEnded(RunId(body["ended"]), attempt, documents.load(Result, body["result"]))
        if "dequeued" in body:
            ago = timedelta(seconds=float(body["ago"]))
            return AttemptDequeued(RunId(body["dequeued"]), attempt, ago, str(body.get("by", "")))
        return AttemptFound(
            RunId(body["found"]), attempt, body["handle"], bool(body["started"]), _decode_place(body.get("queue"))
        )
    except (LookupError, TypeError, ValueError):
        return None


def _decode_place(place: Sequence[Any] | None) -> QueuePlace | None:
    """Return a queue elsewhere; a node of an earlier version sends two values. Errors: ValueError."""
    if not place:
        return None
    queue, wanted, *rest = place
    return QueuePlace(str(queue), str(wanted), may_have_started=any(rest))


def encode_cancel(request: CancelRequest) -> Body:
    """Return the message of a request."""
    return {"cancel": request.run, "attempt": request.attempt, "grace": request.grace.total_seconds()}


def decode_cancel(body: Body) -> CancelRequest | None:
    """Return the request of a message; None if it is none."""
    try:
        return CancelRequest(RunId(body["cancel"]), int(body["attempt"]), timedelta(seconds=float(body["grace"])))
    except (LookupError, TypeError, ValueError):
        return None
