"""Explain: what a code means, and what to do; all codes where none is named."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from rae_auto.errors import SchedulerError
from rae_auto.model.primitives.formatting import quote
from rae_auto.screens import CodeEntry, all_codes, find_codes
from rae_plugins.commands.ui.site import page


async def answer(request: Request) -> dict[str, Any]:
    """Return the explanations of a code as JSON. Raises UnknownCode."""
    return {"codes": [_record(entry) for entry in find(request)]}


class UnknownCode(SchedulerError, LookupError):
    """There is no explanation of a code."""


def find(request: Request) -> list[CodeEntry]:
    """Return the explanations of the code of an address. Raises UnknownCode."""
    code = request.path_params["code"][:200]
    found = find_codes(code)
    if not found:
        raise UnknownCode(f"unknown code {quote(code)}; 'rae-auto explain' lists all codes")
    return found


async def show(request: Request) -> Response:
    """Answer with the page of a code."""
    found = find(request)
    return await page(request, "explain.html", title=found[0].code, section="", values={"entries": found})


async def show_all(request: Request) -> Response:
    """Answer with all codes."""
    values = {"entries": all_codes()}
    return await page(request, "explain.html", title="All codes", section="", values=values)


def _record(entry: CodeEntry) -> dict[str, str]:
    return {
        "code": entry.code,
        "set": entry.set.value,
        "cause": entry.cause,
        "hint": entry.hint,
        "page": entry.page,
    }
