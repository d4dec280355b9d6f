"""stats: the history in numbers."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import click

from rae_auto.cli import options
from rae_auto.control.client import Client
from rae_auto.errors import DaemonUnreachable
from rae_auto.model.primitives.units import format_duration
from rae_auto.views.tables import print_json, show_table

BARS = "▁▂▃▄▅▆▇█"


@click.command("stats")
@options.optional_job
@click.option("--since", metavar="ISO", help="Only runs queued at or after this instant.")
@options.config
@options.as_json
def stats_command(job: str | None, since: str | None, config: str | None, json_: bool) -> None:
    """Show how often runs succeed, how long they take and how late they start; also while no daemon runs.

    Of a job, or of all, the newest 10,000 runs count.

    Example: rae-auto stats backup
    """
    found = _stats({"job": job, "since": since}, config)
    if json_:
        print_json(found)
    else:
        show_table(["", "value"], _rows(found))


def _stats(query: dict[str, Any], config: str | None) -> dict[str, Any]:
    try:
        with Client() as client:
            found: dict[str, Any] = client.call("stats", **query)
            return found
    except DaemonUnreachable:
        from rae_auto.offline.queries import stats

        return stats(options.load_project(config), query)


def _rows(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    rate, trend = found["success_rate"], found["trend"]
    return [
        ("runs", f"{found['runs']}{_counts(found['states'], ': ')}"),
        ("success", "" if rate is None else f"{rate:.1%}"),
        ("duration", _percentiles(found["duration"])),
        ("lateness", _percentiles(found["lateness"])),
        ("retries", str(found["retries"])),
        ("skipped", _counts(found["skipped"])),
        ("trend of success", sparkline(trend["success"], 1.0)),
        ("trend of duration", sparkline(trend["duration"], max(trend["duration"], default=0.0))),
    ]


def _counts(counts: Mapping[str, int], before: str = "") -> str:
    return before + ", ".join(f"{count} {name}" for name, count in counts.items()) if counts else ""


def _percentiles(found: Mapping[str, float] | None) -> str:
    return "" if found is None else ", ".join(f"{name} {_span(seconds)}" for name, seconds in found.items())


def _span(seconds: float) -> str:
    """A duration with as many digits as one cares for."""
    return format_duration(timedelta(seconds=round(seconds, 3 if seconds < 10 else 0)))


def sparkline(values: Sequence[float], full: float) -> str:
    """A bar for each value, from nothing to `full`."""
    return "".join(BARS[min(len(BARS) - 1, int(value / full * len(BARS)))] if full else BARS[0] for value in values)
