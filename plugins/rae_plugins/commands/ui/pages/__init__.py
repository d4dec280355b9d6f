"""The pages: a module and a template for each. A module is imported when its page is asked for."""

import asyncio
import linecache
import sys
from collections.abc import Awaitable, Callable
from importlib import import_module

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rae_auto.toolkit.threads.malloc_arenas import give_back_memory

GIVE_BACK_SECONDS = 2.0


def _page(path: str, place: str, *, methods: tuple[str, ...] = ("GET",)) -> Route:
    module, _, function = place.partition(".")

    async def show(request: Request) -> Response:
        is_new = (name := f"{__name__}.{module}") not in sys.modules
        endpoint: Callable[[Request], Awaitable[Response]] = getattr(import_module(name), function)
        if is_new:
            forget_generated_sources()
        _give_back_memory_later()
        return await endpoint(request)

    return Route(path, show, methods=list(methods))


PAGES = [
    _page("/", "overview.show"),
    _page("/timeline", "timeline.show"),
    _page("/month", "month.show"),
    _page("/month.ics", "month.export"),
    _page("/day/{date}", "month.show_day"),
    _page("/jobs", "jobs.show"),
    _page("/jobs/{job}", "job.show"),
    _page("/jobs/{job}/why", "why.show"),
    _page("/jobs/{job}/test-trigger", "trigger_trial.show"),
    _page("/jobs/{job}/test-trigger/follow", "trigger_trial.follow"),
    _page("/runs/{run}", "run.show"),
    _page("/runs/{run}/output", "output.show"),
    _page("/runs/{run}/output/follow", "output.follow"),
    _page("/runs/{run}/output/download", "output.download"),
    _page("/output", "output.show_merged"),
    _page("/output/download", "output.download_merged"),
    _page("/what-if", "what_if.show", methods=("GET", "POST")),
    _page("/health", "health.show"),
    _page("/palette", "palette.show"),
    _page("/explain", "explain.show_all"),
    _page("/explain/{code}", "explain.show"),
]


_timers: list[asyncio.TimerHandle] = []
"""The one that is running, if any."""


def _give_back_memory_later() -> None:
    """Have the memory that large pages took returned to the system, all of some seconds at once: 2 MB."""
    if not _timers:
        _timers.append(asyncio.get_running_loop().call_later(GIVE_BACK_SECONDS, _give_back_memory))


def _give_back_memory() -> None:
    _timers.clear()
    give_back_memory()


def import_first_page() -> None:
    """Import what the first page needs, in a thread, while a person or the browser is still on the way to it."""
    from rae_auto.screens import load_overview, open_records  # noqa: F401
    from rae_plugins.commands.ui.pages import overview  # noqa: F401
    from rae_plugins.commands.ui.rendering import make_environment

    for template in ("base.html", "parts.html", "overview.html"):
        make_environment().get_template(template)
    forget_generated_sources()


def forget_generated_sources() -> None:
    """Give up the sources of the methods that attrs has made for hundreds of classes, kept for tracebacks: 1 MB."""
    linecache.clearcache()
