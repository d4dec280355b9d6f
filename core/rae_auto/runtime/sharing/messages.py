"""Messages between nodes as JSON: the progress of attempts, requests to cancel them, confirmations of ends.

A node of another version, or a hand in the database, may have written one that can't be decoded. `read_message` logs
it, and its recipient discards it, so that it holds up no other. The report of an end whose result can't be decoded
still says that the attempt is over: it counts as lost, and `on_crash` decides.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from attrs import frozen
from loguru import logger

from rae_auto.api.shared_store import NodeMessage
from rae_auto.engine.events import AttemptDequeued, AttemptEnded, AttemptFound, AttemptStarted, Event
from rae_auto.model import documents
from rae_auto.model.primitives.names import RunId
from rae_auto.model.run import QueuePlace, Result

Body = Mapping[str, Any]

AttemptReport = AttemptEnded | AttemptFound | AttemptDequeued
"""Events about an attempt that a node reports to the leader."""

MAX_AGO_SECONDS = 10 * 365 * 86_400.0
"""Longest time since an attempt left its queue that is taken from a message, so that every clock can go back by it."""

T = TypeVar("T")


@frozen
class CancelRequest:
    """The leader's request to a node to end an attempt."""

    run: RunId
    attempt: int
    grace: timedelta


@frozen
class ConfirmedEnd:
    """The leader's word to a node that the end of an attempt, which the node has reported, is durable."""

    run: RunId
    attempt: int


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


def read_message(message: NodeMessage, decode: Callable[[Body], T]) -> T | None:
    """Return what a message says; None, with a line in the log, for one that can't be decoded."""
    try:
        return decode(message.body)
    except Exception as error:  # whatever another program has written
        problem = " ".join(f"{type(error).__name__}: {error}".split())
        logger.error(
            'message {} of node "{}" can\'t be read, so it is discarded; use one version of rae-auto on all nodes: {}',
            message.id,
            message.sender,
            problem[:300],
        )
        return None


def decode_event(body: Body) -> AttemptReport:
    """Return the event of a message. Raises an exception of any kind for any other message."""
    attempt = int(body["attempt"])
    if "ended" in body:
        run = _decode_run(body["ended"])
        try:
            return AttemptEnded(run, attempt, documents.load(Result, _check_mapping("result", body["result"])))
        except Exception as error:
            problem = " ".join(str(error).split()) or type(error).__name__
            logger.bind(run=run).error("its node has reported its end, but the result can't be read: {}", problem[:300])
            return AttemptFound(run, attempt)
    if "dequeued" in body:
        ago = timedelta(seconds=min(max(float(body["ago"]), 0.0), MAX_AGO_SECONDS))
        return AttemptDequeued(_decode_run(body["dequeued"]), attempt, ago, str(body.get("by", "")))
    handle = None if body["handle"] is None else _check_mapping("handle", body["handle"])
    return AttemptFound(
        _decode_run(body["found"]), attempt, handle, bool(body["started"]), _decode_place(body.get("queue"))
    )


def _check_mapping(name: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError(f"the {name} is {value!r:.60}")
    return value


def _decode_run(run: Any) -> RunId:
    if not isinstance(run, str):
        raise TypeError(f"the run is {run!r:.60}")
    return RunId(run)


def _decode_place(place: Sequence[Any] | None) -> QueuePlace | None:
    """Return a queue elsewhere; a node of an earlier version sends two values. Errors: ValueError."""
    if not place:
        return None
    queue, wanted, *rest = place
    return QueuePlace(str(queue), str(wanted), may_have_started=any(rest))


def encode_cancel(request: CancelRequest) -> Body:
    """Return the message of a request."""
    return {"cancel": request.run, "attempt": request.attempt, "grace": request.grace.total_seconds()}


def decode_cancel(body: Body) -> CancelRequest:
    """Return the request of a message. Raises an exception of any kind for any other message."""
    return CancelRequest(
        _decode_run(body["cancel"]), int(body["attempt"]), timedelta(seconds=max(float(body["grace"]), 0.0))
    )


def encode_confirmed_end(end: ConfirmedEnd) -> Body:
    """Return the message of an end that is durable."""
    return {"confirm": end.run, "attempt": end.attempt}


def decode_request(body: Body) -> CancelRequest | ConfirmedEnd:
    """Return what the leader tells a node. Raises an exception of any kind for any other message."""
    if "confirm" in body:
        return ConfirmedEnd(_decode_run(body["confirm"]), int(body["attempt"]))
    return decode_cancel(body)
