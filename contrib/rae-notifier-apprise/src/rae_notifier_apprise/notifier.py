"""The notifier `apprise`."""

import asyncio
import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

from attrs import field, frozen

from rae_auto.api import Notice, Notifier
from rae_auto.model.primitives.problems import invalid
from rae_auto.model.primitives.units import parse_duration
from rae_auto.toolkit.notices import notice_body, notice_title
from rae_auto.toolkit.secrets import SecretText, to_secret_text
from rae_notifier_apprise.child import FAILED, INVALID, MISSING

_CHILD = Path(__file__).with_name("child.py")


def _check_url(url: str) -> None:
    if not url.startswith("${") and "://" not in url:
        raise invalid(
            'must be an address of Apprise, as in "ntfy://my-topic", or a reference such as ${file:PATH}', "url"
        )


@frozen(kw_only=True)
class AppriseNotifier(Notifier):
    """Sends each notice to a service that Apprise knows."""

    type: ClassVar[str] = "apprise"
    example: ClassVar[Mapping[str, Any]] = {"url": "ntfy://my-topic"}

    url: SecretText = field(
        converter=to_secret_text,
        metadata={
            "help": "the address as Apprise writes it; ${file:PATH} or another reference for one that is a secret"
        },
    )
    timeout: timedelta = field(
        default=timedelta(seconds=25), converter=parse_duration, metadata={"help": "time that sending may take"}
    )

    @classmethod
    def available(cls) -> str | None:
        """Return that Apprise is missing."""
        return None if find_spec("apprise") else "apprise is not installed; run 'pip install apprise'"

    def __attrs_post_init__(self) -> None:
        _check_url(self.url.unresolved_text)

    async def notify(self, notice: Notice) -> None:
        """Send the notice. Errors: RuntimeError, with the service and not with the rest of its address."""
        url = await self.url.reveal_async("url")
        _check_url(url)
        message = {
            "url": url,
            "title": notice_title(notice),
            "body": notice_body(notice),
            "type": "success" if notice.kind.is_good else "failure",
        }
        service = f"the service {url.partition('://')[0]}"
        seconds = self.timeout.total_seconds()
        try:
            code = await asyncio.wait_for(_run_child(json.dumps(message).encode()), seconds)
        except TimeoutError:
            raise RuntimeError(f"{service} did not answer within {seconds:g} s") from None
        problems = {
            FAILED: f"{service} did not take the notice; try its address with the program apprise",
            INVALID: f"{service} is unknown to Apprise, or its address is incomplete; check url",
            MISSING: "apprise is not installed; run 'pip install apprise'",
        }
        if code:
            raise RuntimeError(problems.get(code, f"the process for {service} failed with exit code {code}"))


async def _run_child(message: bytes) -> int:
    """Return the exit code of a process that sends the message; it ends with this call in any case."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", str(_CHILD),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await process.communicate(message)
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return process.returncode or 0
