"""The page that edits the configuration and shows what that would change. Nothing of it is saved."""

import asyncio
import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import Response

from rae_auto.charts import draw_lanes, lanes_table
from rae_auto.errors import BadRequest
from rae_auto.screens import Extent
from rae_plugins.commands.ui.changes import read_form
from rae_plugins.commands.ui.processes.what_if import WhatIfAnswer, WhatIfChoices
from rae_plugins.commands.ui.rendering import inlined
from rae_plugins.commands.ui.site import page, site_of

SLIDERS = (
    ("days", "days to simulate", 1, 31, 1),
    ("down_after_hours", "hours until the machine goes off", 0, 167, 1),
    ("down_for_hours", "hours it stays off", 0, 72, 1),
    ("duration_factor", "run time multiplied by", 0.25, 10, 0.25),
)
"""The assumptions that a person can move: name, words, least, most and step."""


FIELDS = {"durations": "runs take"}
"""The labels of the fields that are read as words, by the names with which their errors begin."""

PREVIEW_SECONDS = 0.1
"""Time for which the answer of a check waits for that of the simulation, which often follows at once."""


async def answer(request: Request, form: Mapping[str, str]) -> Mapping[str, Any]:
    """Return what a form's text would change, or the configuration as it is where it has none. Raises BadRequest."""
    config = find_config(request)
    text = await read_text(config, form.get("text"))
    # Shielded, because another page may wait for the same answer.
    return await asyncio.shield(site_of(request).what_if.ask(config, text, choices_of(form)).complete)


def find_config(request: Request) -> Path:
    """Return the file that is edited. Raises BadRequest if there is none."""
    config = site_of(request).context.config
    if config is None:
        raise BadRequest("there is nothing to edit, because no rae.toml was found; name one with --config")
    return config


async def read_text(config: Path, edited: str | None) -> str:
    """Return an edited text with the ends of lines of a file, or that of the file. Raises BadRequest."""
    if edited is not None:
        return edited.replace("\r\n", "\n")
    try:
        return await asyncio.to_thread(config.read_text, encoding="utf-8")
    except (OSError, ValueError) as error:
        why = "it isn't UTF-8 text" if isinstance(error, ValueError) else error.strerror
        raise BadRequest(f"{config} can't be read ({why})") from None


GUARD_FIELD = "guard:"
"""The begin of the names of fields that have the answer of a guard."""


def choices_of(form: Mapping[str, str]) -> WhatIfChoices:
    """Return the assumptions of a form. Raises BadRequest, also for a number outside its limits."""
    given: dict[str, float] = {}
    if form.get("for_days"):
        # The button of a week or a month, which comes with the slider as it was.
        form = {**form, "days": form["for_days"]}
    for name, _, low, high, _ in SLIDERS:
        if not form.get(name):
            continue
        try:
            found = float(form[name])
        except ValueError:
            found = math.nan
        given[name] = found
        if not low <= found <= high:
            raise BadRequest(f"{name} must be a number from {low:g} to {high:g}")
    default = WhatIfChoices()
    return WhatIfChoices(
        days=given.get("days", default.days),
        down_after_hours=given.get("down_after_hours", default.down_after_hours),
        down_for_hours=given.get("down_for_hours", default.down_for_hours),
        durations=form.get("durations", ""),
        duration_factor=given.get("duration_factor", default.duration_factor),
        ignores_pauses=form.get("ignores_pauses", "") not in ("", "0", "false"),
        guards=form.get("guards", ""),
        chosen_guards=tuple("=".join(pair) for pair in _list_chosen(form)),
    )


def _list_chosen(form: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the answers of a form's guards, each with the name of the guard: ("backup.power", "no")."""
    return [(name.removeprefix(GUARD_FIELD), form[name]) for name in form if name.startswith(GUARD_FIELD)]


async def show(request: Request) -> Response:
    """Answer with the page: of the configuration as it is, at once, or of an edit with what it would change.

    The script of the page asks with "preview" for what is not there yet. It gets what the check has found first, and
    asks again, then with "checked".
    """
    form = await read_form(request) if request.method == "POST" else {}
    config, choices = find_config(request), choices_of(form)
    text = await read_text(config, form.get("text"))
    found, error = site_of(request).what_if.ask(config, text, choices), None
    if form:
        try:
            await _wait_for(found, is_preview="preview" in form, is_checked="checked" in form)
        except BadRequest as problem:
            error = str(problem)
    screen: Mapping[str, Any] = {"text": text, "problems": None, "patch": None}
    if is_simulated := _has_result(found.complete):
        screen = found.complete.result()
    elif _has_result(found.checked):
        screen = found.checked.result()
    name, _, refusal = (error or "").partition(": ")
    values: dict[str, Any] = {"screen": screen, "choices": choices, "sliders": SLIDERS}
    values |= {"is_simulated": is_simulated, "error": f"“{FIELDS[name]}”: {refusal}" if name in FIELDS else error}
    values["bad_field"] = name if name in FIELDS else None
    # What was chosen stays while a text with errors says nothing of guards.
    values["has_guards"] = has_guards = is_simulated and screen["is_usable"]
    known = [(f"{one['job']}.{one['guard']}", one["answer"]) for one in screen["guards"]] if has_guards else None
    values["guards"] = _list_chosen(form) if known is None else known
    if is_simulated:
        values |= {name: Extent(**screen[name]) for name in ("start_groups_extent", "durations_extent")}
        values["moved_jobs"] = _find_moved(screen["start_groups"])
        values["days_shown"], values["days_asked"] = (
            round((datetime.fromisoformat(screen[end]) - datetime.fromisoformat(screen["since"])) / timedelta(days=1))
            for end in ("until", "asked_until")
        )
        if playback := screen["playback"]:
            values["lanes"] = [(job, inlined(lane)) for job, lane in draw_lanes(playback)]
            values["lane_numbers"] = lanes_table(playback, ZoneInfo(screen["zone"]))
            values["lanes_extent"] = Extent(**playback["lanes_extent"])
    title = "What if"
    return await page(request, "what_if.html", title=title, section=title, values=values, status=400 if error else 200)


def _find_moved(groups: Sequence[Mapping[str, Any]]) -> set[str]:
    """Return the jobs with added and with removed starts, which may be less than a minute apart."""
    jobs = {change: {one["job"] for one in groups if one["change"] == change} for change in ("added", "removed")}
    return jobs["added"] & jobs["removed"]


async def _wait_for(found: WhatIfAnswer, *, is_preview: bool, is_checked: bool) -> None:
    """Wait for an answer: for all of it, or in a preview for what the check has found. Raises BadRequest."""
    if is_preview and not is_checked:
        await asyncio.shield(found.checked)
        await asyncio.wait({found.complete}, timeout=PREVIEW_SECONDS)
        if not found.complete.done():
            return
    await asyncio.shield(found.complete)


def _has_result(future: "asyncio.Future[Mapping[str, Any]]") -> bool:
    return future.done() and future.exception() is None
