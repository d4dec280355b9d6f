"""The page that edits the configuration and shows what that would change. Nothing of it is saved."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from rae_auto.charts import draw_lanes
from rae_auto.errors import BadRequest
from rae_auto.screens import Extent
from rae_plugins.commands.ui.changes import read_form
from rae_plugins.commands.ui.rendering import inlined
from rae_plugins.commands.ui.site import page, site_of
from rae_plugins.commands.ui.what_if_process import WhatIfChoices, ask_what_if

SLIDERS = (
    ("days", "days to simulate", 1, 31, 1),
    ("down_after_hours", "machine off in … hours", 0, 167, 1),
    ("down_for_hours", "and for … hours", 0, 72, 1),
    ("duration_factor", "runs take … times as long", 0.25, 10, 0.25),
)
"""The assumptions that a person can move: name, words, least, most and step."""


MAX_WORDS_CHARACTERS = 20_000


async def answer(request: Request, form: Mapping[str, str]) -> dict[str, Any]:
    """Return what a form's text would change, or the configuration as it is where it has none. Raises BadRequest."""
    config = site_of(request).context.config
    if config is None:
        raise BadRequest("there is nothing to edit, because no rae.toml was found; name one with --config")
    return await ask_what_if(config, form.get("text"), choices_of(form))


GUARD_FIELD = "guard:"
"""The begin of the names of fields that have the answer of a guard."""


def choices_of(form: Mapping[str, str]) -> WhatIfChoices:
    """Return the assumptions of a form, each within its limits. Raises BadRequest."""
    given: dict[str, float] = {}
    for name, _, low, high, _ in SLIDERS:
        if not form.get(name):
            continue
        try:
            given[name] = min(max(float(form[name]), low), high)
        except ValueError:
            raise BadRequest(f"{name} must be a number from {low:g} to {high:g}") from None
    default = WhatIfChoices()
    answers = [f"{name.removeprefix(GUARD_FIELD)}={form[name]}" for name in form if name.startswith(GUARD_FIELD)]
    return WhatIfChoices(
        days=int(given.get("days", default.days)),
        down_after_hours=given.get("down_after_hours", default.down_after_hours),
        down_for_hours=given.get("down_for_hours", default.down_for_hours),
        durations=form.get("durations", "")[:MAX_WORDS_CHARACTERS],
        duration_factor=given.get("duration_factor", default.duration_factor),
        ignores_pauses=form.get("ignores_pauses", "") not in ("", "0", "false"),
        guards=" ".join([form.get("guards", ""), *answers])[:MAX_WORDS_CHARACTERS],
    )


async def show(request: Request) -> Response:
    """Answer with the page, of the configuration as it is or as it was edited."""
    form = await read_form(request) if request.method == "POST" else {}
    found = await answer(request, form)
    extents = {name: Extent(**found[name]) for name in ("starts_extent", "durations_extent")}
    values = {"screen": found, "choices": choices_of(form), "sliders": SLIDERS, **extents}
    if found["playback"]:
        playback = found["playback"]
        values |= {
            "lanes": [(job, inlined(lane)) for job, lane in draw_lanes(playback)],
            "lanes_extent": Extent(**playback["lanes_extent"]),
        }
    return await page(request, "what_if.html", title="What if", section="What if", values=values)
