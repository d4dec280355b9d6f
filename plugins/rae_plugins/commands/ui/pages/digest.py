"""The digest of a span, as JSON; as a page it is what Now, Timeline and Month show."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request

from rae_auto.errors import BadRequest
from rae_auto.model.primitives.local_times import parse_past_time
from rae_auto.screens import Digest, RecordSource, load_digest
from rae_plugins.commands.ui.pages.requests import optional_text
from rae_plugins.commands.ui.processes.doctor import doctor_of
from rae_plugins.commands.ui.site import site_of

DEFAULT_SPAN = "24h"


def query(request: Request) -> Callable[[RecordSource], Awaitable[Digest]]:
    """Return what reads the digest, by default of the last day."""
    text, site = optional_text(request, "since", limit=64) or DEFAULT_SPAN, site_of(request)

    async def load(source: RecordSource) -> Digest:
        now = source.now()
        try:
            since = parse_past_time(text, source.zone, now).instants[0]
        except ValueError as error:
            raise BadRequest(f"since: {error}") from None
        doctor = doctor_of(site).latest(site.context.config, now)
        return await load_digest(source, since, now, doctor=doctor)

    return load
