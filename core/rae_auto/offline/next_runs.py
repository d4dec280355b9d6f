"""The next starts of a cron expression, or of a job with the guards that can be computed."""

import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from attrs import evolve, field, frozen

from rae_auto.control.client import Client
from rae_auto.engine.plan import JobOrigin, Plan
from rae_auto.errors import (
    BadRequest,
    ConfigError,
    DaemonUnreachable,
    InvalidJob,
    JobNotFound,
    PluginBroken,
    PluginError,
)
from rae_auto.explain.next_start import NextStart, describe_unknown_start, note_own_zone
from rae_auto.explain.upcoming import iterate_starts
from rae_auto.model import documents
from rae_auto.model.job import Job
from rae_auto.model.job_state import JobState
from rae_auto.model.plugin_ref import Cron
from rae_auto.model.primitives.formatting import format_count, quote
from rae_auto.model.primitives.names import JobId
from rae_auto.model.primitives.zones import LOCAL, zone
from rae_auto.model.schedule import has_instants
from rae_auto.offline.job_queries import show_job
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
    delayed_until: datetime | None = None
    """The end of the delay after an event, if a run waits for it."""
    counts_from: Mapping[str, datetime | None] = field(factory=dict)
    """From when schedules count that count from the last run, None while its end isn't known."""

    def next_starts(self, after: datetime) -> Iterator[NextStart]:
        """Yield the instants after `after` at which the job is due, ascending, each once. Errors: PluginBroken.

        Those in a pause are left out. Schedules that count from the last run end with the next start, because a run
        follows from it.
        """
        # What comes before `after` may start a run, from which the rest would count.
        begin = min(after, datetime.now(UTC)) if self.counts_from else after
        shown: dict[str, timedelta] = {}
        for start in iterate_starts(self.plan, self.state, begin, self.delayed_until, self.counts_from):
            if start.due_at > after:
                notes = [start.note, *self._note_own_zones(start.due_at, shown)]
                yield evolve(start, note="; ".join(filter(None, notes)) or None)
        if problems := self.plugins.quarantine.problems():
            raise PluginBroken(problems[0])

    def _note_own_zones(self, due_at: datetime, shown: dict[str, timedelta]) -> Iterator[str | None]:
        """Yield the time in the zone of each trigger that is due then and has another zone than the listed one.

        A difference that was `shown` for a trigger is not noted again, until another comes.
        """
        for trigger, schedule in self.plan.schedules.items():
            inner = schedule.inner if isinstance(schedule, SafeSchedule) else schedule
            note = note_own_zone(inner, due_at, self.zone)
            if note is None or schedule.next_after(due_at - timedelta(microseconds=1)) != due_at:
                continue
            if shown.get(trigger) != note.difference:
                shown[trigger] = note.difference
                yield note.text

    def describe_unknown_starts(self) -> Iterator[str]:
        """Yield a line for each schedule that counts from the last run: what isn't known of its instants, and why."""
        refs = [ref.id for ref in self.plan.job.schedule]
        for trigger, point in self.plan.run_points.items():
            why = describe_unknown_start(self.plan, trigger, self.counts_from)
            summary = quote(self.plan.summaries[refs.index(trigger)])
            later = f"later starts by {summary} count from the {point} of the run before, which isn't known yet"
            yield f"job {quote(self.plan.job.id)}: {why or later}"

    def explain_absence(self, passed: Sequence[NextStart]) -> str:
        """Return why the job has no next start: `passed` are the instants at which its guards forbid it."""
        name = self.plan.job.id
        if not self.plan.job.schedule:
            return f"job {quote(name)} has no schedule; 'rae-auto trigger {name}' starts it by hand"
        if not self.plan.schedules:
            return f"job {quote(name)} starts when its trigger reports an event, which can't be foretold"
        if self.plan.run_points:
            return f"job {quote(name)} has no next start that is known yet"
        if not any(map(has_instants, self.plan.schedules.values())):
            return f"job {quote(name)} starts by hand only; 'rae-auto trigger {name}' does that"
        if not passed:
            return f"the schedule of {quote(name)} has no time left"
        reason = passed[0].blocker.text if passed[0].blocker else ""
        count = format_count(len(passed), "time")
        return f"job {quote(name)} does not start at the next {count} of its schedule: {reason}"


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
        # Without the parts for readers of a configuration: the key before the problem, and keys as the remedy.
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
        note(f"{path} has errors, so times are in the machine's zone; 'rae-auto check' shows them")
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
        found, registry = _look_offline(project, name), project.registry
        for notice in project.notices:
            note(f"rae-auto: {notice}")
    else:
        registry = _configured_registry(load)
    definition, info, configured = documents.load(Job, found["definition"]), found["info"], found["timezone"]
    cause = _cause_of_disabling(name, info["enabled"], found["enabled"])
    state, delayed_until = state_of(info), info["delayed_until"]
    where = zone(timezone or configured)
    now = datetime.now(UTC)
    pause = None if cause else state.find_pause(now)
    if pause is not None:
        note(
            f"job {quote(name)} {pause.describe_state(lambda at: local_time(at.isoformat(), where, now))}; "
            f"'rae-auto resume {name}' lets it go on"
        )
    if cause:
        note(cause)
    if cause or (pause is not None and pause.until is None):
        return None
    plugins = PluginFactory(registry, where.key)
    delayed = delayed_until and datetime.fromisoformat(delayed_until)
    counts_from = {trigger: at and datetime.fromisoformat(at) for trigger, at in info["counts_from"].items()}
    plan = plugins.plan(definition, JobOrigin.CONFIG).plan
    return Schedules(plan, where, plugins, state, delayed, counts_from)


def _configured_registry(load: Callable[[], Project]) -> Registry:
    """Return the plugins that the configuration uses, single files too; without a configuration the installed ones."""
    try:
        return load().registry
    except ConfigError:
        return Registry()


def _cause_of_disabling(name: str, is_enabled: bool, is_all_enabled: bool) -> str:
    if is_enabled and is_all_enabled:
        return ""
    subject = f"job {quote(name)}" if is_all_enabled else "the whole configuration"
    return f"{subject} is disabled (enabled = false); 'rae-auto trigger {name}' starts it by hand"


def _look_offline(project: Project, name: str) -> Mapping[str, Any]:
    """Return what is known of a job without a daemon, as `_ask_daemon` does. Errors: JobNotFound, StoreError."""
    config = project.config
    return {**show_job(project, name), "timezone": config.timezone, "enabled": config.enabled}


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
