"""A plugin at work, without a daemon: its options, and what it answers, one line each."""

import asyncio
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

from rae_auto.api.guard import ComputedGuard, ReadGuard
from rae_auto.api.logger import Logger
from rae_auto.api.notifier import Notice, Notifier
from rae_auto.api.plugin import Plugin
from rae_auto.api.trigger import ScheduleTrigger, SourceTrigger
from rae_auto.model.policies import NotifyOn
from rae_auto.model.primitives.names import JobId
from rae_auto.registry.inspection import Inspection
from rae_auto.testing.sources import Listener, VirtualTimer
from rae_auto.testing.time_limits import call_pure, run_within_limit

SHOWN_INSTANTS = 10
STRIP_DAYS = 31
TRY_SECONDS = 10.0
WATCH_SECONDS = 1.0
"""Real time for which a source is watched, while its clocks go on for `VIRTUAL_SPAN`."""

VIRTUAL_SPAN = timedelta(minutes=10)
_MAX_STRIP_STARTS = 10_000


def describe_trial(inspection: Inspection, zone: ZoneInfo, now: datetime) -> Iterator[str]:
    """Yield lines about a plugin: its mistakes, then what it does.

    A schedule has its next instants and a strip of a month; a source runs for a moment, while its clocks go on; a guard
    answers; a notifier gets a sample notice, and a logger a line.
    """
    for mistake in inspection.findings:
        yield mistake.describe()
    plugin = inspection.instance
    if plugin is None:
        yield f"not tried: {inspection.unavailable or 'mend the mistakes first, or give the options'}"
        return
    yield f"options: {plugin}"
    try:
        yield from _describe(plugin, zone, now)
    except (Exception, SystemExit) as error:
        cause = error.__cause__
        yield f"failed: {type(error).__name__}: {error}" + (f" ({cause!r})" if cause else "")


def _describe(plugin: Plugin, zone: ZoneInfo, now: datetime) -> Iterator[str]:
    match plugin:
        case ScheduleTrigger():
            yield from _instants(plugin, zone, now)
        case SourceTrigger():
            yield from _watch(plugin)
        case ComputedGuard():
            yield f"now: {_in_words(call_pure(plugin.evaluate, now))}"
            yield f"until: {call_pure(plugin.changes_after, now)}"
        case ReadGuard():
            yield f"now: {_in_words(run_within_limit(plugin.read(), 'read', TRY_SECONDS))}"
        case Notifier():
            notice = Notice(kind=NotifyOn.FAILURE, job=JobId("sample"), at=now, text="a sample notice of rae-auto")
            run_within_limit(plugin.notify(notice), "notify", TRY_SECONDS)
            yield "delivered: a sample notice"
        case Logger():
            yield from _log(plugin)
        case _:
            yield "nothing more to try here; its suite in rae_auto.testing tries the rest"


def _in_words(result: Any) -> str:
    return f"{result.verdict} ({result.reason})"


def _instants(schedule: ScheduleTrigger, zone: ZoneInfo, now: datetime) -> Iterator[str]:
    instant: datetime | None = now
    for _ in range(SHOWN_INSTANTS):
        assert instant is not None
        before, instant = instant, call_pure(schedule.next_after, instant)
        if instant is None:
            yield "no more instants"
            return
        local, offset = instant.astimezone(zone), before.astimezone(zone).utcoffset()
        yield f"next: {local.isoformat()}{'  (the clocks have changed)' if local.utcoffset() != offset else ''}"
    yield f"month: {draw_strip(schedule, now)}"


def draw_strip(schedule: ScheduleTrigger, now: datetime) -> str:
    """Return a strip of a month with the number of starts of each day: `·` for none, `+` for more than nine."""
    counts = [0] * STRIP_DAYS
    instant: datetime | None = now
    for _ in range(_MAX_STRIP_STARTS):
        instant = call_pure(schedule.next_after, instant)
        if instant is None or instant >= now + timedelta(days=STRIP_DAYS):
            break
        counts[(instant - now).days] += 1
    return "".join("·" if not count else str(count) if count < 10 else "+" for count in counts)


def _watch(source: SourceTrigger) -> Iterator[str]:
    lines: list[str] = []

    async def watch(directory: Path) -> None:
        listener = Listener(directory, VirtualTimer(datetime.now(UTC)))
        async with listener.watching(source):
            await asyncio.sleep(WATCH_SECONDS / 2)
            await listener.timer.advance(VIRTUAL_SPAN)
            await asyncio.sleep(WATCH_SECONDS / 2)
            listener.check_source()
        lines.extend(f"sees: {line}" for line in dict.fromkeys(listener.traces))
        lines.extend(f"would fire: {one.key} {one.event or ''}".rstrip() for one in listener.occurrences)

    with TemporaryDirectory() as directory:
        run_within_limit(watch(Path(directory)), "watch", TRY_SECONDS)
    minutes = VIRTUAL_SPAN // timedelta(minutes=1)
    yield f"watched for {WATCH_SECONDS:g} s, while its clocks went on by {minutes} minutes:"
    yield from lines[:SHOWN_INSTANTS] or ["nothing was seen, and nothing would fire"]


def _log(plugin: Logger) -> Iterator[str]:
    from loguru import logger

    with TemporaryDirectory() as name:
        directory = Path(name)
        sink = logger.add(**{**plugin.handler(directory), "catch": False, "colorize": False})
        logger.bind(job="sample").warning("a sample line of rae-auto")
        logger.remove(sink)
        yield "written: a sample line"
        for path in sorted(directory.rglob("*")):
            if path.is_file():
                yield f"{path.name}: {path.read_text(errors='replace').strip()[:500]}"


def read_options(words: tuple[str, ...]) -> Mapping[str, Any]:
    """Return options from `key=value` words; values are TOML, or else text. Raises ValueError."""
    import tomllib

    options: dict[str, Any] = {}
    for word in words:
        key, sign, value = word.partition("=")
        if not sign or not key:
            raise ValueError(f"{word} has no value; write key=value")
        try:
            options[key] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            options[key] = value
    return options
