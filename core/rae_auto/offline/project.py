"""A project: one configuration with its plugins and its store, loaded once for a command that needs no daemon."""

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Self
from zoneinfo import ZoneInfo

from attrs import define, field, frozen

from rae_auto.api.store import Store
from rae_auto.api.trigger import SourceTrigger
from rae_auto.config import Config, load, load_usable_part
from rae_auto.engine.plan import JobOrigin, Plan, Settings
from rae_auto.errors import InvalidJob, JobNotFound, StoreError, StoreLocked
from rae_auto.model.job import Job
from rae_auto.model.primitives.formatting import format_count, quote
from rae_auto.model.primitives.names import JobId, did_you_mean
from rae_auto.model.primitives.zones import zone
from rae_auto.offline.leadership import Lead, find_lead
from rae_auto.paths import state_directory
from rae_auto.records.store_move import finish_move
from rae_auto.registry import Registry
from rae_auto.registry.factory import PluginFactory


@frozen
class ProjectPlan:
    """Everything that the engine gets from a configuration, and the parts that can't be computed.

    `sources` are the triggers that watch the world, by job and trigger; `guards` are those that read the machine.
    """

    plans: tuple[Plan, ...]
    settings: Settings
    sources: Mapping[tuple[JobId, str], SourceTrigger]
    guards: tuple[tuple[JobId, str], ...]


@define(slots=False)
class Project:
    """A configuration file that was loaded, and the plugins that it names."""

    path: Path
    config: Config
    registry: Registry
    notices: list[str] = field(factory=list)
    """Messages about the store that the user should see."""
    report: Callable[[str], None] = lambda _: None
    """Tells the user at once, while something takes its time."""
    lead: Lead | None = None
    """The daemon that leads the store, where several use one, as of when it was read last."""
    has_read: bool = False
    """True once the store was read."""
    has_errors: bool = False
    """True if the file has errors, so that not all of it is here."""

    @classmethod
    def load(cls, path: Path, registry: Registry | None = None) -> Self:
        """Load a configuration file. Errors: ConfigError, with all its problems."""
        registry = registry or Registry()
        return cls(path, load(path, registry), registry)

    @classmethod
    def load_for_reading(cls, path: Path, needed: Collection[str] = ()) -> Self:
        """Load a configuration file, which may have errors where the store and the `needed` keys aren't concerned.

        Errors: ConfigError.
        """
        registry = Registry()
        config, errors = load_usable_part(path, registry, needed)
        project = cls(path, config, registry)
        if errors:
            project.has_errors = True
            # Of a file that is no TOML, `check` reports that alone: what is cut off may cause all the others.
            count = 1 if "invalid TOML" in errors[0] else len(errors)
            more = f" (and {format_count(count - 1, 'more error')}: 'rae-auto check')" if count > 1 else ""
            project.notices.append(f"{errors[0]}{more}; using what is valid, and the records in {project.directory}")
        return project

    @cached_property
    def plugins(self) -> PluginFactory:
        """The factory of the plugins that jobs and settings name."""
        return PluginFactory(self.registry, self.config.timezone)

    @property
    def directory(self) -> Path:
        """The state directory of the configuration."""
        return state_directory(self.path)

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of the configuration."""
        return zone(self.config.timezone)

    @property
    def job_names(self) -> list[str]:
        """The names of all jobs of the configuration."""
        return [job.id for job in self.config.jobs]

    def find_job(self, name: str, hint: str = "") -> Job:
        """Return a job of the configuration. Errors: JobNotFound with a suggestion, and `hint` after it."""
        job = next((job for job in self.config.jobs if job.id == name), None)
        if job is None:
            raise JobNotFound(f"no job {quote(name)} in {self.path}{did_you_mean(name, self.job_names)}{hint}")
        return job

    @contextmanager
    def open_store(self, directory: Path | None = None) -> Iterator[Store]:
        """Open the store in a directory, by default in the state directory, which must exist.

        Errors: StoreLocked if a daemon has it open, with who leads if that one stands by; StoreError.
        """
        if directory is None:
            directory = self.directory
            if not directory.is_dir():
                raise StoreError(f"no state in {directory} yet; 'rae-auto run' creates it")
        finish_move(directory)
        store = self.plugins.store(self.config.store)
        with self.naming_leader():
            store.open(directory)
        try:
            yield store
        finally:
            store.close()

    @contextmanager
    def naming_leader(self) -> Iterator[None]:
        """Have a StoreLocked of a daemon that stands by say who leads, because to stop it would be of no use."""
        try:
            yield
        except StoreLocked as error:
            with contextlib.suppress(StoreError), self.read_store():
                pass
            if self.lead is not None and self.lead.stands_by:
                raise StoreLocked(f"{self.lead.text}, so ask there", error.pid) from error
            raise

    @contextmanager
    def read_store(self) -> Iterator[Store]:
        """Open the store in the state directory for reading alone, beside a daemon too, and note damage in `notices`.

        Errors: StoreError.
        """
        directory = self.directory
        if not directory.is_dir():
            raise StoreError(f"no state in {directory} yet; 'rae-auto run' creates it")
        if (message := finish_move(directory)) is not None:
            self.notices.append(message)
        store = self.plugins.store(self.config.store)
        self.notices += store.open_read_only(directory)
        try:
            self.lead, self.has_read = find_lead(store, directory), True
            yield store
        finally:
            if count := store.skipped_entries:
                self.notices.append(
                    f"left out {format_count(count, 'damaged entry', 'damaged entries')} of the store; the next start "
                    "of the daemon sets them aside"
                )
            store.close()

    def plan_of(self, job: Job, origin: JobOrigin) -> Plan:
        """Return a job of the configuration or the store with its plugins; with the problem if it can't be used."""
        try:
            return self.plugins.plan(job, origin).plan
        except InvalidJob as error:
            return Plan(job, {}, origin, problem=str(error))

    def plan(self) -> ProjectPlan:
        """Return the jobs and settings as the engine gets them. Errors: InvalidJob."""
        config = self.config
        planned = [self.plugins.plan(job, JobOrigin.CONFIG) for job in config.jobs]
        return ProjectPlan(
            tuple(job.plan for job in planned),
            config.settings,
            {(job.plan.job.id, trigger): source for job in planned for trigger, source in job.sources.items()},
            tuple((job.plan.job.id, guard) for job in planned for guard in job.plan.readers),
        )
