"""Statistics of runs, as `rae-auto stats` shows them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rae_auto.model.primitives.formatting import format_count, format_elapsed

BARS = "▁▂▃▄▅▆▇█"
STATISTICS_HEADERS = ("figure", "value")


def statistics_rows(statistics: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return a row for each figure."""
    rate, trend = statistics["success_rate"], statistics["trend"]
    states = _counts(statistics["states"])
    number, total = statistics["runs"], statistics["total"]
    runs = f"{number}" if number >= total else f"the newest {number:,} of {total:,}"
    return [
        ("runs", f"{runs}{f': {states}' if states else ''}"),
        ("success", "" if rate is None else f"{rate:.1%}"),
        ("duration", _percentiles(statistics["duration"])),
        *_usual_row(statistics.get("usual")),
        ("lateness", _percentiles(statistics["lateness"])),
        ("retries", str(statistics["retries"])),
        ("skipped", _counts(statistics["skipped"])),
        ("trend of success", sparkline(trend["success"], 1.0)),
        ("trend of duration", sparkline(trend["duration"], max(trend["duration"], default=0.0))),
    ]


def _usual_row(usual: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    if usual is not None:
        p50, p95 = format_elapsed(usual["p50"]), format_elapsed(usual["p95"])
        yield "usually takes", f"{p50}, 95 % at most {p95} ({format_count(usual['runs'], 'successful run')})"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def _percentiles(percentiles: Mapping[str, float] | None) -> str:
    if percentiles is None:
        return ""
    return ", ".join(f"{name} {format_elapsed(seconds)}" for name, seconds in percentiles.items())


def sparkline(values: Sequence[float], maximum: float) -> str:
    """Return a bar for each value, from nothing to `maximum`."""
    steps = len(BARS)
    return "".join(BARS[min(steps - 1, int(value / maximum * steps))] if maximum else BARS[0] for value in values)
