"""The next starts of a cron expression, or of a job with the guards that can be computed."""

import heapq
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from attrs import evolve, frozen

from rae_auto.control.client import Client
from rae_auto.engine.plan import JobOrigin, Plan
from rae_auto.errors import BadRequest, DaemonUnreachable, InvalidJob, JobNotFound, PluginBroken, PluginError
from rae_auto.explain.next_start import NextStart, find_start
from rae_auto.model import documents
from rae_auto.model.job import Job
from rae_auto.model.job_state import JobState
from rae_auto.model.plugin_ref import Cron
from rae_auto.model.primitives.formatting import format_count, quote
from rae_auto.model.primitives.names import JobId
from rae_auto.model.primitives.zones import LOCAL, zone
from rae_auto.model.schedule import Schedule, has_instants
from rae_auto.offline.job_queries import find_job
from rae_auto.offline.job_states import state_of
from rae_auto.offline.project import Project
from rae_auto.paths import find_config
from rae_auto.registry import Registry
from rae_auto.registry.factory import PluginFactory
from rae_auto.registry.safe_schedule import SafeSchedule
from rae_auto.views.times import local_time

Note = Callable[[str], None]


@frozen
class Schedules:
    """The schedules of a job or an expression, and the zone in which their instants are shown."""

    plan: Plan
    zone: ZoneInfo
    plugins: PluginFactory
    state: JobState | None = None
    """The job's pause and skipped starts; None for an expression."""

    def next_starts(self, after: datetime) -> Iterator[NextStart]:
        """Yield the instants after `after` at which the job is due, ascending, each once. Errors: PluginBroken.

        Those in a pause are left out.
        """
        if self.state is not None and self.state.paused_until is not None:
            after = max(after, self.state.paused_until - timedelta(microseconds=1))
        instants = heapq.merge(*(self._iterate(schedule, after) for schedule in self.plan.schedules.values()))
        last = None
        for instant in instants:
            if instant != last:
                skip = None if self.state is None else self.state.find_skip(instant)
                if skip is not None:
                    yield NextStart(instant, None, skip)
                else:
                    start = find_start(self.plan.guards, self.plan.job.guard_timeout, instant)
                    yield evolve(start, note=self._note_on(instant))
            last = instant

    def explain_absence(self, passed: Sequence[NextStart]) -> str:
        """Return why the job has no next start: `passed` are the instants at which its guards forbid it."""
        name = self.plan.job.id
        if not self.plan.job.schedule:
            return f"job {quote(name)} has no schedule; 'rae-auto trigger {name}' starts it by hand"
        if not self.plan.schedules:
            return f"job {quote(name)} starts when its trigger reports an event, which can't be foretold"
        if not any(map(has_instants, self.plan.schedules.values())):
            return f"job {quote(name)} starts by hand only; 'rae-auto trigger {name}' does that"
        if not passed:
            return f"the schedule of {quote(name)} has no time left"
        reason = passed[0].blocker.text if passed[0].blocker else ""
        count = format_count(len(passed), "time")
        return f"job {quote(name)} does not start at the next {count} of its schedule: {reason}"

    def _note_on(self, instant: datetime) -> str | None:
        schedules = [schedule for schedule in self.plan.schedules.values() if isinstance(schedule, SafeSchedule)]
        notes = [schedule.note(instant) for schedule in schedules]
        return "; ".join(note for note in notes if note) or None

    def _iterate(self, schedule: Schedule, after: datetime) -> Iterator[datetime]:
        instant = schedule.next_after(after)
        while instant is not None:
            yield instant
            instant = schedule.next_after(instant)
        if problems := self.plugins.quarantine.problems():
            raise PluginBroken(problems[0])


def schedules_of_expression(expression: str, timezone: str | None, config: str | None, note: Note) -> Schedules:
    """Return the schedule of a cron expression in a zone, by default the configured or else the machine's.

    Errors: BadRequest for an invalid expression, ConfigError, ValueError for an unknown time zone.
    """
    where = zone(timezone or _configured_zone(config, note))
    plugins = PluginFactory(Registry(), where.key)
    try:
        job = Job(id=JobId("expression"), command="true", schedule=Cron(expression))
        return Schedules(plugins.plan(job, JobOrigin.STORE).plan, where, plugins)
    except (PluginError, InvalidJob) as error:
        # Without what is for readers of a configuration: the key before the problem, and keys as the remedy.
        problem = str(error).removeprefix('job "expression": ').removeprefix("expression: ")
        raise BadRequest(problem.partition(", or write trigger")[0]) from error


def _configured_zone(config: str | None, note: Note) -> str:
    if config is not None:
        return Project.load(Path(config).expanduser()).config.timezone
    path = find_config()
    try:
        found: Any = LOCAL if path is None else tomllib.loads(path.read_text()).get("timezone", LOCAL)
        return zone(found).key
    except (OSError, ValueError, AttributeError, TypeError):
        note(f"{path} can't be read, so times are in the machine's zone; 'rae-auto check' shows the errors")
        return LOCAL


def schedules_of_job(
    name: str, timezone: str | None, load: Callable[[], Project], note: Note, connect: Callable[[], Client]
) -> Schedules | None:
    """Return the schedules of a job: of the running daemon, or else of the loaded configuration or its store.

    None stands for a job that starts by hand only; `note` gets a line that says why.

    Errors: ConfigError, JobNotFound, StoreError, ValueError for an unknown time zone.
    """
    found = _ask_daemon(name, connect)
    if found is None:
        project = load()
        (definition, state), registry, configured = find_job(project, name), project.registry, project.config.timezone
        for notice in project.notices:
            note(f"rae-auto: {notice}")
        cause = _cause_of_disabling(name, definition.enabled, project.config.enabled)
    else:
        definition, registry = documents.load(Job, found["definition"]), Registry()
        configured = found["timezone"]
        cause = _cause_of_disabling(name, found["info"]["enabled"], found["enabled"])
        state = state_of(found["info"])
    where = zone(timezone or configured)
    pause = None if cause else state.find_pause(datetime.now(UTC))
    if pause is not None:
        note(
            f"job {quote(name)} {pause.describe_state(lambda at: local_time(at.isoformat(), zone=where))}; "
            f"'rae-auto resume {name}' lets it go on"
        )
    if cause:
        note(cause)
    if cause or (pause is not None and pause.until is None):
        return None
    plugins = PluginFactory(registry, where.key)
    return Schedules(plugins.plan(definition, JobOrigin.CONFIG).plan, where, plugins, state)


def _cause_of_disabling(name: str, is_enabled: bool, is_all_enabled: bool) -> str:
    if is_enabled and is_all_enabled:
        return ""
    subject = f"job {quote(name)}" if is_all_enabled else "the whole configuration"
    return f"{subject} is disabled (enabled = false); 'rae-auto trigger {name}' starts it by hand"


def _ask_daemon(name: str, connect: Callable[[], Client]) -> Mapping[str, Any] | None:
    """Return what the running daemon knows of a job; None if none is running, or if it has no such job."""
    try:
        with connect() as client:
            timezone = client.call("ping").get("timezone")
            if timezone is None:
                return None
            return {**client.call("show", job=name), "timezone": timezone, "enabled": client.call("status")["enabled"]}
    except (DaemonUnreachable, JobNotFound):
        return None
