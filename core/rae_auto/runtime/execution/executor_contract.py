"""Return values of executors are checked: what `start`, `find` and `wait` return; a mistake names the method's line."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import TypeVar

from rae_auto.api.executor import Execution, NeverStarted
from rae_auto.model.primitives.formatting import blame
from rae_auto.model.run import Result

F = TypeVar("F")

_PLAIN_TYPES = (str, int, float, bool, type(None))


def check_execution(execution: Execution, start: object) -> Execution:
    """Return the result of `start` if it keeps the contract. Raises TypeError with the place of the method."""
    if not isinstance(execution, Execution):
        raise blame(TypeError(f"start returned {execution!r:.60}, which is not an Execution"), start)
    if handle := execution.handle:
        _check_json("handle", handle, start)
    return execution


def check_found(found: F, find: object) -> F:
    """Return what `find` found, if it keeps the contract. Raises TypeError with the place of the method."""
    if isinstance(found, Execution):
        check_execution(found, find)
    else:
        check_result(found, find, "find")
    return found


def _check_json(name: str, value: object, method: object) -> None:
    """Raise TypeError with the place of the method if a value can't be stored."""
    try:
        if not _is_plain(value):
            json.dumps(dict(value) if isinstance(value, Mapping) else value)
    except (TypeError, ValueError) as error:
        problem = f"the {name} is not JSON: {error}"
    except RecursionError:
        problem = f"the {name} contains itself, or is nested too deeply"
    else:
        return
    raise blame(TypeError(problem), method)


def _is_plain(value: object) -> bool:
    """Return True for what is JSON for certain: to write it costs several times as much as a look."""
    kind = type(value)
    if kind is dict:
        items: dict[object, object] = value  # type: ignore[assignment]
        return all(type(key) is str and _is_plain(one) for key, one in items.items())
    return kind in _PLAIN_TYPES or (kind is list and all(map(_is_plain, value)))  # type: ignore[call-overload]


def check_result(result: object, method: object, name: str = "wait") -> Result | NeverStarted | None:
    """Return the result of a method if it keeps the contract. Raises TypeError with the place of the method."""
    if not isinstance(result, Result | NeverStarted | None):
        raise blame(TypeError(f"{name} returned {result!r:.60}, which is not a Result"), method)
    if isinstance(result, Result):
        if result.value is not None:
            _check_json("value of the result", result.value, method)
        for at in (result.started_at, result.ended_at):
            if at is not None and (not isinstance(at, datetime) or at.tzinfo is None):
                raise blame(
                    TypeError(f"{name} returned the time {at!r:.60}, which is not a datetime with a zone"), method
                )
    return result
