"""The job: what to run, why, and under which policies. Immutable once made."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from attrs import field, frozen

from rae_auto.errors import InvalidJob
from rae_auto.model.plugin_ref import Cron, GuardRef, PluginRef, TriggerRef, with_ids
from rae_auto.model.policies import (
    CatchUp,
    Limits,
    NotifyPolicy,
    OnCrash,
    Overlap,
    Priority,
    RetryPolicy,
)
from rae_auto.model.primitives.names import JobId, check_name
from rae_auto.model.primitives.units import parse_duration

_PROCESS = PluginRef("process")
_THREAD = PluginRef("thread")
_NO_RETRY = RetryPolicy()
_NO_LIMITS = Limits()
_NO_NOTICE = NotifyPolicy()
_EMPTY: Mapping[str, Any] = {}


def _words(value: str | Iterable[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _triggers(value: str | TriggerRef | Iterable[TriggerRef | str] | None) -> tuple[TriggerRef, ...]:
    if value is None:
        return ()
    given = (value,) if isinstance(value, str | TriggerRef) else tuple(value)
    return with_ids(Cron(item) if isinstance(item, str) else item for item in given)


def _guards(value: str | GuardRef | Iterable[GuardRef | str]) -> tuple[GuardRef, ...]:
    given = (value,) if isinstance(value, str | GuardRef) else tuple(value)
    return with_ids(GuardRef(item) if isinstance(item, str) else item for item in given)


def _ids(names: Iterable[str]) -> tuple[JobId, ...]:
    return tuple(JobId(name) for name in names)


def _names(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(names)


def _optional_duration(value: object) -> timedelta | None:
    return None if value is None else parse_duration(value)


def _on_crash(value: str | None) -> OnCrash | None:
    return None if value is None else OnCrash(value)


@frozen(kw_only=True)
class Job:
    """What to run, why, and under which policies.

    Exactly one of `command` (an argv; a string is its first word, `args` follow), `shell` (text for the
    system's shell) and `python` ("package.module:function", called with `args` and `kwargs`) says what to
    run, unless an `executor` of another kind needs none. `schedule` takes a cron expression, a trigger
    (`Cron`, `Interval`, `Once`, `TriggerRef`) or several, `only` guards (`GuardRef`, or a name). Errors: InvalidJob.
    """

    id: JobId = field(default=JobId(""))
    name: str = ""
    schedule: tuple[TriggerRef, ...] = field(default=(), converter=_triggers)
    command: tuple[str, ...] = field(default=(), converter=_words)
    shell: str | None = None
    python: str | None = None
    args: tuple[Any, ...] = field(default=(), converter=tuple)
    kwargs: Mapping[str, Any] = _EMPTY
    cwd: str | None = None
    env: Mapping[str, str] = _EMPTY
    executor: PluginRef | None = None
    priority: Priority = field(default=Priority.NORMAL, converter=Priority)
    enabled: bool = True
    timeout: timedelta | None = field(default=None, converter=_optional_duration)
    kill_after: timedelta = field(default=timedelta(seconds=5), converter=parse_duration)
    overlap: Overlap = field(default=Overlap.SKIP, converter=Overlap)
    overlap_max: int = 10
    catch_up: CatchUp = field(default=CatchUp.LATEST, converter=CatchUp)
    catch_up_window: timedelta = field(default=timedelta(days=1), converter=parse_duration)
    on_crash: OnCrash | None = field(default=None, converter=_on_crash)
    retry_policy: RetryPolicy = _NO_RETRY
    limits: Limits = _NO_LIMITS
    needs: tuple[JobId, ...] = field(default=(), converter=_ids)
    uses: tuple[str, ...] = field(default=(), converter=_names)
    only: tuple[GuardRef, ...] = field(default=(), converter=_guards)
    only_wait: timedelta = field(default=timedelta(0), converter=parse_duration)
    notify: NotifyPolicy = _NO_NOTICE

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "id", self.id or self.name)
        object.__setattr__(self, "name", self.name or self.id)
        try:
            self._check()
        except ValueError as error:
            raise InvalidJob(f"job {str(self.id)[:64]!r}: {error}") from None

    def _check(self) -> None:
        check_name("job id", self.id)
        if not isinstance(self.name, str) or not self.name.isprintable() or len(self.name) > 200:
            raise ValueError("name must be one printable line of at most 200 characters")
        for trigger in self.schedule:
            check_name("trigger id", trigger.id)
        if len({trigger.id for trigger in self.schedule}) != len(self.schedule):
            raise ValueError("two triggers share one id; give each its own")
        self._check_work()
        if self.overlap_max < 1:
            raise ValueError("overlap_max must be at least 1")
        for guard in self.only:
            check_name("guard id", guard.id)
        if len({guard.id for guard in self.only}) != len(self.only):
            raise ValueError("two guards share one id; give each its own")
        for resource in self.uses:
            check_name("resource", resource)
        if len(set(self.uses)) != len(self.uses):
            raise ValueError("uses names a resource twice; once is enough")
        if self.id in self.needs:
            raise ValueError("needs itself; take it out of needs")

    def _check_work(self) -> None:
        given = [name for name in ("command", "shell", "python") if getattr(self, name)]
        if len(given) > 1:
            raise ValueError(f"has both {given[0]} and {given[1]}; keep one")
        if not given and self.executor is None:
            raise ValueError('has nothing to run; give it command = ["program", "argument"], shell or python')
        words = (*self.command, *self.args) if self.command else self.command
        if any(not isinstance(word, str) or "\0" in word for word in words) or "\0" in (self.shell or ""):
            raise ValueError("command words must be text without NUL")
        if self.python is not None and not _names_function(self.python):
            raise ValueError(f'python = {self.python!r} must read "package.module:function"')
        if (self.kwargs or (self.args and not self.command)) and self.python is None and self.executor is None:
            raise ValueError("args and kwargs belong to command or python")

    @property
    def argv(self) -> tuple[str, ...]:
        """The words of the process to start; empty where the job is no command."""
        return (*self.command, *self.args) if self.command else ()

    @property
    def executor_ref(self) -> PluginRef:
        """The executor that the job names, or the one that fits what it runs."""
        return self.executor or (_THREAD if self.python is not None else _PROCESS)


def _names_function(text: str) -> bool:
    module, colon, function = text.partition(":")
    parts = (*module.split("."), *function.split("."))
    return bool(colon) and all(part.isidentifier() for part in parts)
