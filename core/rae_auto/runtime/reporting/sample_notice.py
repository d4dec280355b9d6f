"""Notices that are delivered because a person asked for them: a sample that tries a notifier, and others."""

import asyncio
import socket
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rae_auto.api.notifier import Notice, Notifier
from rae_auto.errors import BadRequest, PluginError
from rae_auto.model.policies import NotifyOn
from rae_auto.model.primitives.formatting import describe_error, format_elapsed, quote
from rae_auto.model.primitives.names import JobId, did_you_mean
from rae_auto.model.run import RunState
from rae_auto.runtime.reporting.notifications import NOTIFY_TIMEOUT_SECONDS
from rae_auto.toolkit.notices import SAMPLE_RUN


async def deliver_sample(name: str, notifiers: Mapping[str, Notifier], now: datetime) -> dict[str, Any]:
    """Deliver a sample notice, and return its text and the seconds that it took. Errors: as `deliver_at_once`."""
    notice = Notice(
        kind=NotifyOn.SUCCESS,
        job=JobId("test-notice"),
        run=SAMPLE_RUN,
        state=RunState.SUCCEEDED,
        at=now,
        text=f"a test notice from rae-auto, by way of {name}",
        id=f"test-notice.{now:%Y%m%dT%H%M%S.%f}",
        exit_code=0,
        attempt=1,
        host=socket.gethostname(),
    )
    return await deliver_at_once(name, notifiers, notice)


async def deliver_at_once(name: str, notifiers: Mapping[str, Notifier], notice: Notice) -> dict[str, Any]:
    """Deliver a notice that a person asked for, once, and return its text and the seconds that it took.

    Errors: BadRequest if there is no notifier of this name; PluginError, with the cause, if it fails.
    """
    notifier = notifiers.get(name)
    if notifier is None:
        hint = did_you_mean(name, notifiers) or "; add [notifiers.NAME] to the configuration"
        raise BadRequest(f"no notifier {quote(name)}{hint}")
    started = time.monotonic()
    try:
        async with asyncio.timeout(NOTIFY_TIMEOUT_SECONDS):
            await notifier.notify(notice)
    except TimeoutError:
        limit = format_elapsed(NOTIFY_TIMEOUT_SECONDS)
        raise PluginError(f"notifier {quote(name)} did not deliver the notice within {limit}") from None
    except (Exception, SystemExit) as error:  # whatever a notifier raises is the answer
        raise PluginError(f"notifier {quote(name)} failed: {describe_error(error)}") from None
    return {"notifier": name, "text": notice.text, "seconds": round(time.monotonic() - started, 3)}
