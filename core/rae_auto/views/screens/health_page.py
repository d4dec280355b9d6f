"""The health: daemon, store, plugins, notices, clock and machine, each with what to do about it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from attrs import frozen

from rae_auto.errors import DaemonUnreachable
from rae_auto.model.primitives.formatting import format_bytes, format_count, format_elapsed
from rae_auto.views.monitoring.health import HealthCheck, HealthLevel, check_facts, health_line, worst_level
from rae_auto.views.screens.parts.base import Action, Extent, Fact, ScreenBase
from rae_auto.views.screens.parts.doctor_report import FindingRow
from rae_auto.views.screens.parts.record_source import RecordSource, WorldSpan

WORLD_SPAN = timedelta(days=30)

NO_DAEMON = HealthCheck("daemon", HealthLevel.CRITICAL, "no daemon is running; 'rae-auto run' starts one")
"""The only check without a daemon."""


@frozen(kw_only=True)
class HealthRow:
    """The result of one check of the daemon."""

    name: str
    level: str
    """"ok", "warning", "critical"; "unknown" or "waiting" for what is neither well nor a trouble."""
    text: str


@frozen(kw_only=True)
class SourceRow:
    """A source, and what it does now."""

    source: str
    """JOB.TRIGGER."""
    type: str
    state: str
    """"watching", "failed", which waits to be started again, or "ended" for good."""
    error: str
    reported_at: datetime | None
    """When it reported something last; None if it has not since the daemon started."""


@frozen(kw_only=True)
class PluginRow:
    """A plugin in use."""

    kind: str
    name: str
    jobs: int | None
    """Number of jobs that use it; None for one that serves them all."""
    failures_in_a_row: int


@frozen(kw_only=True)
class UndeliveredRow:
    """A notice that is not delivered yet."""

    id: str
    notifier: str
    kind: str
    job: str | None
    text: str
    decided_at: datetime
    state: str
    tries: int
    error: str | None
    next_try_at: datetime | None
    hold: str | None = None
    """Why it is held: "quiet_hours", "digest", "limit" or "gathering"; None if it isn't."""
    held_until: datetime | None = None
    """The end of quiet hours, or of the hour for which the notifier has its limit; None if it isn't held."""


@frozen(kw_only=True)
class HealthPage(ScreenBase):
    """The state of daemon, store, plugins and machine."""

    now: datetime
    zone: str
    level: str
    summary: str
    checks: tuple[HealthRow, ...]
    findings: tuple[FindingRow, ...]
    """Empty as long as they were not asked for, because they take a second."""
    has_findings: bool
    findings_at: datetime | None
    """When doctor found them; None if it was not asked."""
    sizes: tuple[Fact, ...]
    """Sizes; those of store, output and log only where findings were asked for."""
    sources: tuple[SourceRow, ...]
    """All sources, those that don't work at present first."""
    sources_extent: Extent
    quarantined: tuple[Fact, ...]
    """Plugins that are disabled for a time because they failed."""
    plugins: tuple[PluginRow, ...]
    """All plugins in use."""
    outbox: tuple[UndeliveredRow, ...]
    world: tuple[WorldSpan, ...]
    """Downtimes, suspensions and steps of the clock of the last 30 days, newest first."""
    actions: tuple[Action, ...]


async def load_health_page(source: RecordSource, *, with_findings: bool = False) -> HealthPage:
    """Read the health, and build the page; the findings of `rae-auto doctor` take a second more.

    Without a daemon that is all that is checked.
    """
    facts: Mapping[str, Any] | None
    try:
        facts = await source.health()
    except DaemonUnreachable:
        if source.has_daemon:
            # It has just gone; the store answers the next question.
            raise
        facts = None
    now = source.now()
    return build_health_page(
        facts,
        findings=await source.findings() if with_findings else None,
        disk_sizes=await source.disk_sizes() if with_findings else (),
        outbox=await source.outbox(),
        world=await source.world(now - WORLD_SPAN, now),
        now=now,
        zone=source.zone.key,
    )


def build_health_page(
    facts: Mapping[str, Any] | None,
    *,
    findings: Sequence[Mapping[str, Any]] | None,
    disk_sizes: Sequence[Fact] = (),
    outbox: Sequence[Mapping[str, Any]],
    world: Sequence[WorldSpan],
    now: datetime,
    zone: str,
) -> HealthPage:
    """Return the page of the facts that `rae-auto health --json` shows; None if no daemon runs."""
    checks = [NO_DAEMON] if facts is None else check_facts(facts)
    facts = facts or {}
    found = facts.get("sources", {})
    return HealthPage(
        now=now,
        zone=zone,
        level=worst_level(checks).name.lower(),
        summary=health_line(checks),
        checks=tuple(HealthRow(name=one.name, level=one.shown_level, text=one.text) for one in checks),
        findings=tuple(FindingRow(**finding) for finding in findings or ()),
        has_findings=findings is not None,
        findings_at=None if findings is None else now,
        sizes=(*_sizes(facts), *disk_sizes),
        sources=(sources := tuple(map(_source, found.get("shown", ())))),
        sources_extent=Extent(len(sources), found.get("total", 0)),
        plugins=tuple(PluginRow(**plugin) for plugin in facts.get("plugins", ())),
        quarantined=tuple(
            Fact(
                f"{one['kind']} {one['name']}",
                f"{format_count(one['failures'], 'failure')} ({one['place']}): {one['error']}",
            )
            for one in facts.get("quarantined", ())
        ),
        outbox=tuple(map(_undelivered, outbox)),
        world=tuple(sorted(world, key=lambda span: span.since, reverse=True)),
        actions=(
            Action("doctor", "", "look for problems", "rae-auto doctor"),
            *([Action("retry_notices", "", "deliver again", "rae-auto notify retry")] if outbox else []),
        ),
    )


def _source(source: Mapping[str, Any]) -> SourceRow:
    reported_at = source["reported_at"]
    return SourceRow(**{**source, "reported_at": reported_at and datetime.fromisoformat(reported_at)})


def _sizes(facts: Mapping[str, Any]) -> Iterator[Fact]:
    if disk := facts.get("disk"):
        yield Fact("disk", f"{format_bytes(disk['free'])} of {format_bytes(disk['total'])} free in {disk['path']}")
    if store := facts.get("store"):
        yield Fact("commits", f"{store['commits']:,}, the longest {format_elapsed(store['longest_seconds'])}")


def _undelivered(notice: Mapping[str, Any]) -> UndeliveredRow:
    next_try_at, held_until = notice["next_try_at"], notice.get("held_until")
    return UndeliveredRow(
        id=notice["id"],
        notifier=notice["notifier"],
        kind=notice["kind"],
        job=notice["job"],
        text=notice["text"],
        decided_at=datetime.fromisoformat(notice["decided_at"]),
        state=notice["state"],
        tries=notice["tries"],
        error=notice["error"],
        next_try_at=next_try_at and datetime.fromisoformat(next_try_at),
        hold=notice.get("hold"),
        held_until=held_until and datetime.fromisoformat(held_until),
    )
