"""The job: what to run, why, and under which policies; immutable."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from pathlib import PurePath
from typing import Any

from attrs import field, frozen, validators

from rae_auto.errors import InvalidJob
from rae_auto.model.expectations import ExpectPolicy
from rae_auto.model.plugin_ref import Cron, GuardRef, PluginRef, TriggerRef, share_cron, to_ref, with_ids
from rae_auto.model.policies import (
    CatchUp,
    FailOn,
    Limits,
    NotifyPolicy,
    OnCrash,
    Overlap,
    Priority,
    RetryPolicy,
    Shift,
    to_catch_up,
    to_fail_on,
    to_on_crash,
    to_overlap,
    to_priority,
    to_shift,
)
from rae_auto.model.primitives.formatting import join_words, quote
from rae_auto.model.primitives.functions import function_name, is_function_name
from rae_auto.model.primitives.names import JobId, find_name_problem
from rae_auto.model.primitives.problems import Invalid, Problem, describe_value
from rae_auto.model.primitives.references import find_argument_problems
from rae_auto.model.primitives.units import parse_duration
from rae_auto.model.value_checks import (
    check_codes,
    check_passed_names,
    check_positive,
    check_secret_files,
    check_umask,
    check_user,
    check_variables,
    name_wrong_values,
    to_units,
    to_words,
)

_PROCESS = PluginRef("process")
_THREAD = PluginRef("thread")
_NO_RETRY = RetryPolicy()
_NO_LIMITS = Limits()
_NO_NOTICE = NotifyPolicy()
_NO_EXPECTATION = ExpectPolicy()
_EMPTY: Mapping[str, Any] = {}

_FOR_CODE = {"converts_code_only": "true"}
"""Metadata of a field whose converter takes more than documents can hold, such as functions."""


Table = Mapping[str, Any]
"""A plugin as a configuration writes it: its type among its options."""


def _arguments(values: Iterable[Any]) -> tuple[Any, ...]:
    return (values,) if isinstance(values, str) else tuple(values)


def _triggers(value: str | TriggerRef | Table | Iterable[str | TriggerRef | Table] | None) -> tuple[TriggerRef, ...]:
    if value is None or type(value) is str:
        return () if value is None else share_cron(value)
    if type(value) is tuple and all(type(item) is TriggerRef and item.id for item in value):
        return value  # the same object, which jobs that are alike share
    given = (value,) if isinstance(value, str | TriggerRef | Mapping) else tuple(value)
    return with_ids(Cron(item) if isinstance(item, str) else to_ref(item, TriggerRef) for item in given)


def _guards(value: str | GuardRef | Table | Iterable[str | GuardRef | Table]) -> tuple[GuardRef, ...]:
    given = (value,) if isinstance(value, str | GuardRef | Mapping) else tuple(value)
    return with_ids(to_ref(item, GuardRef) for item in given)


def _executor(value: str | PluginRef | Table | None) -> PluginRef | None:
    return None if value is None else to_ref(value, PluginRef)


def _retry_policy(value: RetryPolicy | int) -> RetryPolicy:
    """Return the policy; a number is that of attempts."""
    if isinstance(value, RetryPolicy):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return RetryPolicy(attempts=value)
    raise ValueError(f"retry_policy must be a RetryPolicy or a number of attempts, not {describe_value(value)}")


def _function(value: str | Callable[..., Any] | None) -> str | None:
    return None if value is None else function_name(value)


def _ids(names: str | Iterable[str]) -> tuple[JobId, ...]:
    return tuple(JobId(name) for name in _names(names))


def _names(values: str | Iterable[str]) -> tuple[str, ...]:
    return (values,) if isinstance(values, str) else tuple(values)


def _codes(codes: int | Iterable[int]) -> tuple[int, ...]:
    return (codes,) if isinstance(codes, int) else tuple(codes)


def _optional_duration(value: object) -> timedelta | None:
    return None if value is None else parse_duration(value)


def _help(text: str, **more: str) -> dict[str, str]:
    return {"help": text, **more}


@frozen(kw_only=True, weakref_slot=False)
class JobFields:
    """Fields that a job and its table in a configuration file share.

    Each field carries its help text and, where a value of another shape is a likely mistake, a hint. The JSON Schema,
    the reference pages and the messages about a bad value come from here, so that a new field is added in one place.
    """

    name: str = field(default="", metadata=_help("a name for people; the job's id if absent"))
    command: tuple[str, ...] = field(
        default=(),
        converter=to_words,
        metadata=_help("program and arguments, run without a shell", hint='write a list of words, or shell = "…"'),
    )
    shell: str | None = field(default=None, metadata=_help("a command line for the system's shell"))
    shell_program: str | None = field(
        default=None,
        metadata=_help('the shell that runs the line of shell, as in "bash"; by default /bin/sh'),
    )
    python: str | None = field(
        default=None,
        converter=_function,
        metadata=_help('a function, "package.module:function"') | _FOR_CODE,
    )
    script: str | None = field(
        default=None,
        metadata=_help(
            "a Python script, relative to the folder of this file; its inline metadata (PEP 723) name what it needs"
        ),
    )
    args: tuple[Any, ...] = field(
        default=(),
        converter=_arguments,
        metadata=_help("further arguments of command or script, or positional arguments of python"),
    )
    kwargs: Mapping[str, Any] = field(default=_EMPTY, metadata=_help("keyword arguments of python"))
    isolated: bool = field(
        default=False,
        metadata=_help("true: python runs in a process of its own, where cwd, env, limits and timeout are enforced"),
    )
    cwd: str | None = field(
        default=None,
        metadata=_help("working directory, relative to the folder of this file; by default that folder"),
    )
    env: Mapping[str, str] = field(default=_EMPTY, validator=check_variables, metadata=_help("environment variables"))
    env_file: str | None = field(
        default=None,
        metadata=_help(
            "a file with more variables, NAME=value in each line, relative to the folder of this file; env comes "
            "before it"
        ),
    )
    pass_env: tuple[str, ...] = field(
        default=(),
        converter=_names,
        validator=check_passed_names,
        metadata=_help(
            'further variables of the daemon that the job inherits: names, and patterns such as "AWS_*"',
            hint='write ["NAME"]',
        ),
    )
    stdin: str | None = field(
        default=None,
        validator=validators.optional(validators.instance_of(str)),
        metadata=_help("text for standard input, which may refer to secrets as env does; by default it is empty"),
    )
    secret_files: Mapping[str, str] = field(
        default=_EMPTY,
        validator=check_secret_files,
        metadata=_help(
            'texts for private files, by the variables that get their paths: { TOKEN_FILE = "${file:token}" }; the '
            "files are removed when the attempt ends"
        ),
    )
    umask: str | None = field(
        default=None,
        validator=validators.optional(check_umask),
        metadata=_help('permissions that new files do not get, as in "022"; by default those of the daemon'),
    )
    user: str | None = field(
        default=None,
        validator=validators.optional(check_user),
        metadata=_help("the user that the job runs as, if that isn't the daemon's; needs a daemon of root"),
    )
    executor: PluginRef | None = field(
        default=None,
        converter=_executor,
        metadata=_help("the executor, if not the one that fits command, shell, python or script"),
    )
    priority: Priority = field(
        default=Priority.NORMAL,
        converter=to_priority,
        metadata=_help("which run starts first if not all can; waiting raises it"),
    )
    enabled: bool = field(default=True, metadata=_help("false: the job runs only when triggered by hand"))
    success_codes: tuple[int, ...] = field(
        default=(0,),
        converter=_codes,
        validator=check_codes,
        metadata=_help("exit codes that count as success", hint="write [0, 24]"),
    )
    fail_on: tuple[FailOn, ...] = field(
        default=(),
        converter=to_fail_on,
        metadata=_help(
            '["stderr"]: an attempt that writes to standard error fails, whatever its exit code',
            hint='write ["stderr"]',
        ),
    )
    wake: bool = field(
        default=False, metadata=_help("true: the machine is woken from sleep for starts of the job's schedules")
    )
    timeout: timedelta | None = field(
        default=None, converter=_optional_duration, validator=check_positive, metadata=_help("time limit of an attempt")
    )
    kill_after: timedelta = field(
        default=timedelta(seconds=5),
        converter=parse_duration,
        metadata=_help("time between SIGTERM and SIGKILL when an attempt is ended"),
    )
    overlap: Overlap = field(
        default=Overlap.SKIP,
        converter=to_overlap,
        metadata=_help("what happens to an occurrence while a run of the job is open"),
    )
    overlap_max: int = field(
        default=10, validator=validators.ge(1), metadata=_help('the most open runs with overlap = "allow"')
    )
    catch_up: CatchUp = field(
        default=CatchUp.LATEST, converter=to_catch_up, metadata=_help("which missed occurrences run late")
    )
    catch_up_window: timedelta | None = field(
        default=None,
        converter=_optional_duration,
        metadata=_help("the greatest age of a missed occurrence that still runs; by default it fits the schedule"),
    )
    on_crash: OnCrash | None = field(
        default=None,
        converter=to_on_crash,
        metadata=_help(
            "what happens to a run whose result is unknown after a crash; if absent, scheduled runs fail "
            "and other runs start again"
        ),
    )
    limits: Limits = field(default=_NO_LIMITS, metadata=_help("resources an attempt may use"))
    needs: tuple[JobId, ...] = field(
        default=(),
        converter=_ids,
        metadata=_help("jobs whose latest run must have succeeded", hint='write ["job"]'),
    )
    resources: Mapping[str, int] = field(
        default=_EMPTY,
        converter=to_units,
        metadata=_help(
            "how many units of which [resources] each attempt takes; a list of names takes one of each",
            hint='write ["name"], or { name = 2 }',
            former="uses",
        ),
    )
    guards: tuple[GuardRef, ...] = field(
        default=(),
        converter=_guards,
        metadata=_help(
            "conditions that must all hold when the job is to start", hint='write [{ type = "…" }]', former="only"
        ),
    )
    guard_timeout: timedelta = field(
        default=timedelta(0),
        converter=parse_duration,
        metadata=_help(
            "how long a run waits for guards that block it; with 0 a run of a schedule is skipped at once, and one of "
            "an event waits as long as it takes",
            former="only_wait",
        ),
    )
    expect: ExpectPolicy = field(
        default=_NO_EXPECTATION,
        metadata=_help("how often the job must succeed, and how long a run may take; what is late is reported"),
    )
    shift: Shift | None = field(
        default=None,
        converter=to_shift,
        metadata=_help(
            "where starts of schedules move on days that a guard such as calendar or weekday forbids: the next, the "
            "previous or the nearest day that all guards allow, at the same time of day"
        ),
    )
    notify: NotifyPolicy = field(
        default=_NO_NOTICE, metadata=_help("which results are reported, and by which notifiers")
    )

    @property
    def executor_ref(self) -> PluginRef:
        """The executor that the job names, or the default one for what it runs."""
        return self.executor or (_THREAD if self.python is not None and not self.isolated else _PROCESS)


@frozen(kw_only=True, weakref_slot=False)
class Job(JobFields):
    """A job: what to run, why, and under which policies.

    Exactly one of `command` (a list of words; a string is its first word, `args` follow), `shell` (a command line for
    the system's shell), `python` (a function or its name, "package.module:function", called with `args` and `kwargs`)
    and `script` (the path of a Python script, `args` follow) is given, unless an `executor` of another kind needs none.
    `schedule` takes a cron expression, a trigger (`Cron`, `Interval`, `Once`, `TriggerRef`) or several, `guards` takes
    names or `GuardRef`s; both also take tables as a configuration has them. `resources` takes names or a mapping of
    names to units. A policy is given as such or by its word, `retry_policy` also as a number of attempts. `directory`
    is the folder of the configuration file, or the one where the job was added; without it, relative paths are refused
    and commands start in the home directory.

    Raises InvalidJob, a ValueError, for values that contradict each other, and ValueError for one that is wrong alone.
    """

    id: JobId = field(default=JobId(""), converter=JobId, metadata=_FOR_CODE)
    schedule: tuple[TriggerRef, ...] = field(
        default=(),
        converter=_triggers,
        metadata={"takes": "a cron expression, a trigger, or a list of them"},
    )
    retry_policy: RetryPolicy = field(default=_NO_RETRY, converter=_retry_policy)
    directory: str | None = field(
        default=None,
        metadata=_help("absolute path of the folder that relative paths of the job start from, and its default cwd"),
    )

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "id", self.id or self.name)
        # One string for both where they are equal, because there may be ten thousand jobs.
        object.__setattr__(self, "name", self.id if self.name == self.id else self.name or self.id)
        if problems := [*self._find_problems(), *self._find_problems_of_work()]:
            text = "; ".join(problem.what for problem in problems)
            raise InvalidJob(f"job {quote(str(self.id)[:64])}: {text}") from Invalid(problems)

    def _find_problems(self) -> Iterator[Problem]:
        """Yield what contradicts itself, each with its key."""
        if problem := find_name_problem("job id", self.id):
            yield Problem(("id",), problem)
        if not isinstance(self.name, str) or not self.name.isprintable() or len(self.name) > 200:
            yield Problem(("name",), "name must be one printable line of at most 200 characters")
        for key, what, refs in (("triggers", "trigger", self.schedule), ("guards", "guard", self.guards)):
            for ref in refs:
                if problem := find_name_problem(f"{what} id", ref.id):
                    yield Problem((key,), problem)
            if len(refs) > 1 and len({ref.id for ref in refs}) != len(refs):
                yield Problem((key,), f"two {what}s have the same id; give each its own")
        for resource, units in self.resources.items():
            if problem := find_name_problem("resource name", resource):
                yield Problem(("resources", resource), problem)
            if type(units) is not int or units < 1:
                what = f"resource {quote(resource)} must be at least 1 unit, not {describe_value(units)}"
                yield Problem(("resources", resource), what)
        for name in self.secret_files:
            if name in self.env:
                yield Problem(("secret_files", name), "is in env too; keep one")
        if self.user is not None and (owned := [name for name in ("python", "secret_files") if getattr(self, name)]):
            what = f"can't be used with {join_words(owned)}, whose files belong to the daemon; remove one"
            yield Problem(("user",), what)
        if self.directory is not None and not PurePath(self.directory).is_absolute():
            yield Problem(("directory",), f"directory must be an absolute path, not {quote(self.directory[:200])}")
        if self.retry_policy.exit_codes and (both := sorted({*self.success_codes} & {*self.retry_policy.exit_codes})):
            what = f"exit code {both[0]} is a success, so it is never retried; remove it here or from exit_codes"
            yield Problem(("success_codes",), what)
        for index, name in enumerate(self.needs):
            if not isinstance(name, str):
                yield Problem(("needs", index), f"needs must name jobs by texts, not by {describe_value(name)}")
        if self.id in self.needs:
            yield Problem(("needs",), "needs itself; remove it from needs")

    def _find_problems_of_work(self) -> Iterator[Problem]:
        given = [name for name in ("command", "shell", "python", "script") if getattr(self, name)]
        if len(given) > 1:
            yield Problem((given[1],), f"both {given[0]} and {given[1]} are set; keep one")
        if not given and self.executor is None:
            yield Problem((), 'nothing to run; set command = ["program", "argument"], shell, python or script')
        if self.command or self.args or self.kwargs or self.shell or self.script:
            yield from self._find_problems_of_arguments()
        if self.python is not None and not is_function_name(self.python):
            yield Problem(
                ("python",), f'invalid function {quote(self.python)} in python; use "package.module:function"'
            )
        if self.isolated and self.python is None:
            yield Problem(("isolated",), "isolated applies to python; other jobs are processes anyway, so remove it")
        if self.script is not None and not self.script.strip():
            yield Problem(("script",), 'script is empty; write the path of a Python script, as in "job.py"')
        if self.shell_program is not None and not re.fullmatch(r"[^\s\0]+", self.shell_program):
            yield Problem(("shell_program",), 'shell_program must be the name or path of a shell, as in "bash"')
        if (
            (self.kwargs or (self.args and not self.command and not self.script))
            and self.python is None
            and self.executor is None
        ):
            yield Problem(
                ("args" if self.args else "kwargs",),
                "args needs command, python or script, and kwargs needs python; remove what does not apply",
            )

    def _find_problems_of_arguments(self) -> Iterator[Problem]:
        words = (*self.command, *self.args) if self.command or self.script else self.command
        if any(not isinstance(word, str) or "\0" in word for word in words) or "\0" in f"{self.shell}{self.script}":
            yield Problem(("command",), "command must be a list of texts without NUL characters; remove them")
        elif self.command and not self.command[0].strip():
            yield Problem(("command", 0), "the first word of command is empty; it must name a program")
        yield from find_argument_problems(
            {"command": self.command, "args": self.args, "kwargs": self.kwargs.values(), "script": [self.script]},
            self.shell,
        )

    @property
    def argv(self) -> tuple[str, ...]:
        """The program and arguments to start; empty if the job does not run `command`."""
        return (*self.command, *self.args) if self.command else ()


def _invalid_job(given: Mapping[str, Any], problems: Invalid) -> InvalidJob:
    name = given.get("id") or given.get("name")
    return InvalidJob(f"job {quote(str(name)[:64])}: {problems}" if name else str(problems))


_OTHER_NAMES = dict.fromkeys(("trigger", "triggers", "cron", "every", "at"), "schedule") | {
    **dict.fromkeys(("retry", "retries"), "retry_policy"),
    "cmd": "command",
    "function": "python",
    "environment": "env",
    "depends_on": "needs",
}
name_wrong_values(Job, other_names=_OTHER_NAMES, error=_invalid_job)
