"""Changes that a person asks for: each is a command of the control socket, and is answered with the page again."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any
from urllib.parse import parse_qs

from attrs import frozen
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from rae_auto.errors import BadRequest, SchedulerError
from rae_auto.model.primitives.formatting import format_count, format_local_time, quote
from rae_plugins.commands.ui.site import session_of, site_of

Form = Mapping[str, str]


@frozen
class PageChange:
    """A change: the command of the daemon, its arguments from the form, and what to say when it is done."""

    command: str
    arguments: Callable[[Form], dict[str, Any]]
    describe: Callable[[Form, Any, tzinfo], str]
    """Makes the sentence of the form, the answer, and the time zone of the page."""


def _pause(form: Form) -> dict[str, Any]:
    return {"job": form["target"], "until": form.get("until") or None, "note": form.get("note") or None}


def _started(form: Form, answer: Any, _: tzinfo) -> str:
    return f"{quote(form['target'])} was started: run {answer['run_id']}"


def _skipped(_: Form, answer: Any, zone: tzinfo) -> str:
    at = format_local_time(datetime.fromisoformat(answer["at"]), zone, datetime.now(UTC))
    return f"the start at {at} will be skipped"


CHANGES: Mapping[str, PageChange] = {
    "run": PageChange("trigger", lambda form: {"job": form["target"]}, _started),
    "cancel": PageChange(
        "cancel",
        lambda form: {"run": form["target"]},
        lambda _, answer, __: f"{format_count(len(answer['cancelled']), 'run')} cancelled",
    ),
    "pause": PageChange("pause", _pause, lambda form, *_: f"{quote(form['target'])} is paused"),
    "resume": PageChange(
        "resume", lambda form: {"job": form["target"]}, lambda form, *_: f"{quote(form['target'])} is resumed"
    ),
    "skip": PageChange("skip", lambda form: {"job": form["target"]}, _skipped),
    "reload": PageChange("reload", lambda _: {}, lambda *_: "the configuration was loaded again"),
    "retry_notices": PageChange("change_outbox", lambda _: {}, lambda *_: "notices are delivered again"),
}


async def do(request: Request) -> Response:
    """Carry out the change of a form, and lead back to the page that it came from."""
    form = await read_form(request)
    session = session_of(request)
    try:
        text = await carry_out(request, form)
    except (SchedulerError, OSError) as error:
        session.messages.append(("refused", str(error)))
    else:
        session.messages.append(("done", text))
    return RedirectResponse(own_path(form.get("back", "/")), 303)


async def carry_out(request: Request, form: Form) -> str:
    """Carry out a change and say what was done. Errors: those of the daemon, BadRequest."""
    change = CHANGES.get(form.get("kind", ""))
    if change is None:
        return f"nothing was changed, because {quote(form.get('kind', ''))} is an unknown action"
    given = {name: value for name, value in change.arguments({"target": "", **form}).items() if value is not None}
    if change.command == "trigger" and form.get("run"):
        given["event"] = await _event_of(request, form["run"])
    records = site_of(request).records
    # First: what fails after the change would say that it was refused.
    zone = (await records.open()).zone
    answer = await ask(request, change.command, **{name: value for name, value in given.items() if value is not None})
    if change.command == "reload":
        await records.close()
    return change.describe(form, answer, zone)


async def _event_of(request: Request, run: str) -> Any:
    """Return the event of an earlier run, so that a new one gets the same. Raises BadRequest if it isn't known."""
    # Only the document of a run has its event.
    found = await ask(request, "history", run=run, limit=1, documents=True)
    if not found:
        raise BadRequest(f"run {run[:40]} is no longer on record, so its event is not known; start the job without it")
    return found[0].get("event")


async def ask(request: Request, command: str, **arguments: Any) -> Any:
    """Return the daemon's answer to a command, without blocking other pages."""
    context = site_of(request).context

    def call() -> Any:
        with context.connect() as client:
            return client.call(command, **arguments)

    return await asyncio.to_thread(call)


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of a form, of each the first value. The gate has bounded its size."""
    text = (await request.body()).decode(errors="replace")
    return {name: values[0] for name, values in parse_qs(text, keep_blank_values=True, max_num_fields=200).items()}


def own_path(path: str) -> str:
    """Return a path of this page, and the first page for anything that could lead elsewhere."""
    is_own = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if is_own else "/"
