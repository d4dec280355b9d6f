"""The command history."""

from __future__ import annotations

from rae_auto.cli.queries import query, query_with_zone
from rae_auto.model.primitives.formatting import join_words
from rae_auto.views.runs import OPTIONAL_RUN_HEADERS, RUN_HEADERS, merge_history, run_rows
from rae_auto.views.tables import print_json, print_text, show_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

DEFAULT_LIMIT = 20
MAX_LIMIT = 100_000


def show_history(
    *,
    job: str | None = None,
    states: tuple[str, ...] = (),
    decisions: bool = False,
    limit: int = DEFAULT_LIMIT,
    config: str | None = None,
    json_: bool = False,
    **bounds: Any,
) -> None:
    """Print runs, the newest first; `decisions` adds what did not run. `bounds` are the times since and until."""
    # One more, to know whether there are more.
    arguments = {"job": job, **bounds, "limit": min(limit + 1, MAX_LIMIT), "local_times": not json_}
    found, zone = query_with_zone("history", {**arguments, "states": list(states)}, config)
    if decisions and (not states or "skipped" in states):
        found = merge_history(found, query("decisions", arguments, config))
    shown = found[:limit]
    if json_:
        print_json(shown)
    elif shown:
        show_table(RUN_HEADERS, run_rows(shown, zone), optional=OPTIONAL_RUN_HEADERS)
    else:
        hint = "; --decisions shows the starts that were skipped" if "skipped" in states and not decisions else ""
        print_text(f"rae-auto: no runs{_describe_filter(job, states, bounds)} on record{hint}", err=True)
    if len(found) > limit and not json_:
        text = f"showing the newest {limit:,}; 'rae-auto history --limit N' shows more"
        print_text(f"rae-auto: {text}", err=True)


def _describe_filter(job: str | None, states: tuple[str, ...], bounds: Mapping[str, Any]) -> str:
    """Return which runs were asked for, as a clause: " of backup in the state failed queued since yesterday"."""
    parts = ["" if job is None else f" of {job}"]
    if states:
        parts.append(f" in the state {join_words(states, 'or')}")
    if times := [f"{name} {bounds[name]}" for name in ("since", "until") if bounds.get(name)]:
        parts.append(f" queued {join_words(times)}")
    return "".join(parts)
