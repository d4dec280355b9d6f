"""Conformance suite of executors."""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar, cast

import attrs
import pytest

from rae_auto.api import JOB_KINDS, Assignment, Execution, Executor, NeverStarted, Plugin
from rae_auto.api.plugin import Kind
from rae_auto.config.options import unsupported_key_problems
from rae_auto.model.job import Job
from rae_auto.model.plugin_ref import PluginRef
from rae_auto.model.policies import ENFORCED, Limits
from rae_auto.model.primitives.names import RunId
from rae_auto.model.run import Result
from rae_auto.testing.harness.child_process import is_running, run_until_killed
from rae_auto.testing.harness.clocks import movable_clock
from rae_auto.testing.harness.full_disk import limit_files
from rae_auto.testing.harness.jobs import CODE, describe_code_job, supported_kinds
from rae_auto.testing.plugin import PluginConformance
from rae_auto.testing.time_limits import run_within_limit

T = TypeVar("T")

SECRET = "hunter2-hunter2"  # noqa: S105 - of no account
OUTPUT_LIMIT_BYTES = 10_000
NOTE_BYTES = 1000
"""Bytes that an executor may add to the output where it cuts it off."""

GRACE = timedelta(seconds=0.5)
END_SECONDS = 5.0
"""Time that an attempt may take to end, beyond its grace."""

DAY_SECONDS = 86_400.0
CLOCK_STEPS_SECONDS = (-DAY_SECONDS, DAY_SECONDS, 7 * DAY_SECONDS)
"""Shifts of the clock: set back, set forward, and as far ahead as after a long suspend."""

LIMITED: dict[str, tuple[str, Any]] = {
    "memory": ("memory", "100MB"),
    "cpu_time": ("cpu", "1s"),
    "nice": ("nice", 7),
    "open_files": ("open files", 20),
    "file_size": ("file size", "100kB"),
}
"""By limit, the job that offends it, and its value."""


class ExecutorConformance(PluginConformance):
    """Conformance suite of executors. A subclass has a fixture `plugin`: an executor that is not open.

    The suite runs Python code in jobs of each kind that the executor names in `takes`.
    An executor that runs something else overrides `describe_job`, which returns the keys of a job for what the suite
    wants, by its name (see `rae_auto.testing.harness.jobs`), or None if there is none:

        def describe_job(self, name, directory):
            return {"command": ["GET", URLS[name]]} if name in URLS else None
    """

    def describe_job(self, name: str, directory: Path) -> dict[str, Any] | None:
        """Return the keys of a job that does what the suite wants; None if the executor has nothing like it."""
        kinds = supported_kinds(self._executor)
        return describe_code_job(kinds[0], CODE[name], directory) if kinds else None

    @pytest.fixture(autouse=True)
    def _prepare(self, plugin: Executor, tmp_path: Path) -> None:
        self._executor = plugin
        self._folder = tmp_path / "jobs"
        self._folder.mkdir()
        self._state = tmp_path / "executor"
        self._state.mkdir(mode=0o700)
        self._count = 0

    def _assign(self, name: str, *, keys: dict[str, Any] | None = None, **fields: Any) -> Assignment:
        described = self.describe_job(name, self._folder) if keys is None else keys
        if described is None:
            pytest.skip(f"the executor has no job for {name!r}")
        self._count += 1
        run = RunId(f"conformance-{os.getpid()}-{self._folder.parent.name}-{self._count}")
        job = fields.pop("job", {})
        environment = {"PATH": os.environ.get("PATH", os.defpath), "RAE_RUN_ID": run, "RAE_JOB": "conformance"}
        return Assignment(
            run=run,
            attempt=1,
            job=Job(id="conformance", **{"directory": str(self._folder), **described, **job}),
            environment={**environment, **fields.pop("environment", {})},
            output=self._folder / f"{run}.1.log",
            **fields,
        )

    @asynccontextmanager
    async def _open(self, folder: Path | None = None) -> AsyncIterator[Executor]:
        executor = self._make_fresh()
        await executor.open(folder or self._state)
        try:
            yield executor
        finally:
            await executor.close()

    def _make_fresh(self) -> Executor:
        """Return an executor with the same options, because one is opened only once."""
        made: Executor = attrs.evolve(cast("Any", self._executor))
        return made

    def _run(self, assignment: Assignment) -> Result:
        """Return the result of an attempt."""

        async def run() -> Result:
            async with self._open() as executor:
                return await _result_of(executor, assignment)

        return run_within_limit(run(), "the attempt")

    def _output(self, name: str, **fields: Any) -> str:
        assignment = self._assign(name, **fields)
        self._run(assignment)
        return _read(assignment)

    def _needs(self, key: str) -> None:
        if key in self._executor.unsupported_keys():
            pytest.skip(f"the executor refuses jobs with {key}")

    def _starts_processes(self) -> bool:
        return supported_kinds(self._executor)[:1] not in ((), ("python",))

    def _needs_processes(self) -> None:
        if not self._starts_processes():
            pytest.skip("the executor starts no processes")

    def test_unsupported_keys_have_one_line_each(self, plugin: Executor) -> None:
        lines = type(plugin).unsupported_keys()
        unknown = lines.keys() - {field.name for field in attrs.fields(Job)}
        assert not unknown, f"unsupported_keys() has keys that no job has: {', '.join(unknown)}"
        assert [key for key, line in lines.items() if not line or "\n" in line] == [], "give one line for each key"

    def test_takes_are_kinds_of_jobs(self, plugin: Executor) -> None:
        taken: Any = type(plugin).takes
        assert not isinstance(taken, str), f'takes is the text {taken!r}; write a tuple, as in ("{taken}",)'
        unknown = [kind for kind in taken if kind not in JOB_KINDS]
        assert not unknown, f"takes has {', '.join(map(str, unknown))}; use {', '.join(JOB_KINDS)}"

    def test_other_kinds_of_jobs_are_refused_by_check(self, plugin: Executor) -> None:
        cls = type(plugin)
        for kind in JOB_KINDS:
            job = Job(id="conformance", **describe_code_job(kind, CODE["succeed"], self._folder))
            problems = unsupported_key_problems(PluginRef(cls.type), job, _Only(cls))
            is_refused = any(problem.key == (kind,) for problem in problems)
            assert is_refused is (kind not in cls.takes), f"check and takes disagree about {kind}: {problems}"

    def test_backends_are_those_of_limits(self, plugin: Executor) -> None:
        unknown = set(type(plugin).backends()) - {*ENFORCED, "output"}
        assert not unknown, f"backends() has {', '.join(sorted(unknown))}; use names of limits: {', '.join(ENFORCED)}"

    def test_success_is_exit_code_0(self) -> None:
        result = self._run(self._assign("succeed"))
        assert (result.exit_code, result.signal, result.error) == (0, None, None), f"wait() returned {result}"

    def test_failure_is_reported(self) -> None:
        result = self._run(self._assign("fail"))
        assert result.exit_code == 3 or result.error, f"the job failed with exit code 3, but wait() returned {result}"

    def test_each_kind_of_job_runs(self, plugin: Executor) -> None:
        for kind in supported_kinds(plugin):
            assignment = self._assign(kind, keys=describe_code_job(kind, CODE["succeed"], self._folder))
            try:
                result = self._run(assignment)
            except AssertionError as error:
                problem = f"a job with {kind} fails ({error.__cause__ or error})"
                raise AssertionError(f"{problem}; run it, or remove {kind} from takes") from error
            assert result.exit_code == 0, f"a job with {kind} fails ({result}); run it, or remove {kind} from takes"

    def test_output_is_in_the_file(self) -> None:
        assert "hello" in self._output("print"), "write what the job prints to assignment.output"

    def test_output_has_its_limit(self) -> None:
        output = self._output("flood", job={"limits": Limits(output=OUTPUT_LIMIT_BYTES)})
        assert len(output) <= OUTPUT_LIMIT_BYTES + NOTE_BYTES, (
            f"{len(output)} bytes of output were kept, but job.limits.output is {OUTPUT_LIMIT_BYTES}; "
            "write it with rae_auto.toolkit.attempts.AttemptOutput"
        )
        assert output, "nothing of an output that is too long was kept; keep what fits"

    def test_job_runs_in_its_folder(self) -> None:
        self._needs("cwd")
        folder = self._folder / "there"
        folder.mkdir()
        found = self._output("directory", job={"cwd": str(folder)}).strip()
        assert found == str(folder), f"the job ran in {found}, not in job.cwd; pass cwd on"

    def test_environment_is_that_of_the_assignment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._needs("env")
        monkeypatch.setenv("OF_THE_DAEMON", "leaked")
        found = self._output("variables", environment={"GREETING": "hello"}).split()
        assert found[:1] == ["hello"], "the job doesn't see the variables of assignment.environment; pass them on"
        assert found[1:] == ["None"], "the job sees variables of the daemon; give it assignment.environment alone"

    def test_secrets_are_masked(self, plugin: Executor) -> None:
        """The core masks results, and at the end the output of an executor that doesn't claim to do so itself."""
        assignment = self._assign("secret", secrets=(SECRET,))
        self._run(assignment)
        output = _read(assignment)
        assert "a" in output, "the output is empty"
        assert not (plugin.masks_output and SECRET in output), (
            "masks_output is claimed, but the output has a secret of assignment.secrets; write it with AttemptOutput"
        )

    def test_standard_input_arrives(self) -> None:
        self._needs("stdin")
        assert "got some text" in self._output("standard input", stdin="some text"), "pass assignment.stdin on"

    def test_standard_error_is_reported(self) -> None:
        self._needs("fail_on")
        result = self._run(self._assign("standard error", job={"fail_on": ["stderr"]}))
        assert result.stderr == "first line", f"Result.stderr is {result.stderr!r}; give its first line"

    def test_attempts_run_at_the_same_time(self) -> None:
        assignments = [self._assign("print") for _ in range(5)]

        async def run() -> list[Result]:
            async with self._open() as executor:
                attempts: list[Awaitable[Result]] = [_result_of(executor, one) for one in assignments]
                return list(await asyncio.gather(*attempts))

        assert [result.exit_code for result in run_within_limit(run(), "five attempts")] == [0] * 5
        assert ["hello" in _read(one) for one in assignments] == [True] * 5, "each attempt has its own output file"

    def test_handle_is_json(self) -> None:
        async def run() -> Any:
            async with self._open() as executor:
                execution = await _start(executor, self._assign("succeed"))
                handle = execution.handle
                await execution.wait()
                return handle

        handle = run_within_limit(run(), "the attempt")
        try:
            assert json.loads(json.dumps(handle)) == {**handle}
        except TypeError as error:
            raise AssertionError(f"the handle {handle!r} is not JSON ({error}); use text and numbers") from error

    def test_program_that_does_not_exist_is_reported(self) -> None:
        if self.describe_job("succeed", self._folder) is None or "command" not in self._executor.takes:
            pytest.skip("the executor runs no commands")

        async def run() -> Any:
            async with self._open() as executor:
                try:
                    execution = await executor.start(self._assign("", keys={"command": ["there-is-no-such-program"]}))
                except Exception:
                    return None
                return await execution.wait()

        result = run_within_limit(run(), "the attempt")
        assert result is None or result.exit_code or result.error, "a program that doesn't exist counts as a success"

    def test_cancel_ends_the_attempt(self) -> None:
        seconds, result = self._cancel("endless", timedelta(seconds=20) if self._starts_processes() else GRACE)
        assert seconds < END_SECONDS, f"the attempt ended {seconds:.1f} s after cancel; end it at once if it can be"
        assert result.exit_code != 0 or result.error, f"a cancelled attempt counts as a success: {result}"

    def test_cancel_forces_what_does_not_end(self) -> None:
        self._needs_processes()
        seconds, result = self._cancel("stubborn", GRACE)
        assert seconds < GRACE.total_seconds() + END_SECONDS, f"the attempt ended {seconds:.1f} s after its grace"
        assert result.exit_code != 0 or result.error, f"a killed attempt counts as a success: {result}"

    def test_second_cancel_shortens_the_grace(self) -> None:
        self._needs_processes()
        seconds, _ = self._cancel("stubborn", timedelta(seconds=40), timedelta(0))
        assert seconds < END_SECONDS, "cancel was called again with a grace of 0; kill the attempt then"

    def test_cancel_ends_the_whole_tree(self) -> None:
        self._needs_processes()
        assignment = self._assign("tree")
        self._cancel("tree", GRACE, assignment=assignment)
        pid = int(_read(assignment).split()[0])
        assert not is_running(pid, wait_seconds=END_SECONDS), (
            "a process that the job had started lives on after cancel; end all of them (rae_auto.toolkit.attempts)"
        )

    def test_processes_left_over_are_ended(self) -> None:
        self._needs_processes()
        assignment = self._assign("left over")
        self._run(assignment)
        pid = int(_read(assignment).split()[0])
        assert not is_running(pid, wait_seconds=END_SECONDS), (
            "a process that the job left behind lives on after its end; end it (rae_auto.toolkit.attempts)"
        )

    def test_attempt_is_adopted_or_ended_after_a_crash(self) -> None:
        """A daemon that is killed leaves the attempt; the next one finds it, or ends it, so that none runs twice."""
        self._needs_processes()
        assignment = self._assign("slow")
        handle = run_until_killed(lambda: self._start_and_return_handle(assignment))
        folder = self._state.with_name("another") if self._make_fresh().finds_from_anywhere else self._state
        folder.mkdir(mode=0o700, exist_ok=True)

        async def find() -> tuple[Any, bool]:
            async with self._open(folder) as executor:
                found = await executor.find(assignment, handle)
                is_alive = is_running(int(_read(assignment).split()[0]))
                return (await found.wait() if isinstance(found, Execution) else found), is_alive

        found, was_alive = run_within_limit(find(), "find")
        assert found is None or isinstance(found, Result | NeverStarted), f"find() returned {found!r}"
        if isinstance(found, Result):
            assert found.exit_code == 3, f"the adopted attempt ended with exit code 3, but wait() returned {found}"
        else:
            assert not was_alive, (
                "the attempt lives on after a crash of the daemon, and find() doesn't tell of it, so that it would run "
                "twice; return it, or end it (rae_auto.toolkit.attempts.end_processes_of_run)"
            )
        assert not isinstance(found, NeverStarted), "find() says that an attempt never started, but it had"

    async def _start_and_return_handle(self, assignment: Assignment) -> Any:
        executor = self._make_fresh()
        await executor.open(self._state)
        execution = await executor.start(assignment)
        handle = json.loads(json.dumps({**execution.handle}))
        await _until(lambda: bool(_read(assignment).split()), "the job prints nothing")
        return handle

    def test_full_disk_loses_output_and_no_result(self) -> None:
        """The files of the first attempt can't grow; its result counts, what it wrote is kept, and the next works."""

        async def run() -> tuple[Assignment, Result, Result]:
            with limit_files():
                async with self._open() as executor:
                    full = self._assign("flood")
                    first = await _result_of(executor, full)
            async with self._open() as executor:
                return full, first, await _result_of(executor, self._assign("fail"))

        full, first, second = run_within_limit(run(), "an attempt on a full disk")
        assert first.exit_code is not None or first.error or first.signal, f"on a full disk wait() returned {first}"
        assert "x" in _read(full), "nothing of the output was kept that came before the disk was full; keep what fits"
        assert second.exit_code == 3 or second.error, f"after a full disk wait() returned {second} for exit code 3"

    def test_clock_step_and_suspend_change_no_result(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The clock is set back and forward, and jumps as after a suspend, while an attempt runs and while it ends."""
        name = "stubborn" if self._starts_processes() else "endless"
        with movable_clock(monkeypatch) as set_clock:
            assignment = self._assign("slow")

            async def run() -> Result:
                async with self._open() as executor:
                    waiting = asyncio.ensure_future(_result_of(executor, assignment))
                    await _until(lambda: bool(_read(assignment).split()), "the job prints nothing")
                    for seconds in CLOCK_STEPS_SECONDS:
                        set_clock(seconds)
                        await asyncio.sleep(0.1)
                    return await waiting

            result = run_within_limit(run(), "an attempt during which the clock is set")
            assert result.exit_code == 3 or result.error, f"the clock was set, and wait() returned {result}, not 3"
            set_clock(-DAY_SECONDS)
            seconds, _ = self._cancel(name, GRACE)
        assert seconds < GRACE.total_seconds() + END_SECONDS, (
            f"the attempt ended {seconds:.1f} s after cancel because the clock was set; measure with time.monotonic()"
        )

    @pytest.mark.parametrize("limit", [*LIMITED])
    def test_claimed_limits_are_enforced(self, plugin: Executor, limit: str) -> None:
        if type(plugin).backends().get(limit) is None:
            pytest.skip(f"the executor claims no limit of {limit}")
        name, value = LIMITED[limit]
        limits = Limits(**{limit: value})
        if type(plugin).unenforceable(limits):
            pytest.skip(f"the executor can't enforce {limit} = {value} here")
        assignment = self._assign(name, job={"limits": limits})
        result = self._run(assignment)
        if limit == "nice":
            found = _read(assignment).strip()
            allowed = (str(value), str(min(19, value + os.nice(0))))
            assert found in allowed, f"backends() claims {limit}, but it is {found}, not {value}"
        else:
            assert result.exit_code != 0 or result.error, f"backends() claims {limit}, but the job had more"

    def _cancel(self, name: str, *graces: timedelta, assignment: Assignment | None = None) -> tuple[float, Result]:
        """Cancel an attempt once it is under way; return the seconds until its end, and its result."""
        given = assignment or self._assign(name)

        async def run() -> tuple[float, Result]:
            async with self._open() as executor:
                execution = await _start(executor, given)
                waiting = asyncio.ensure_future(execution.wait())
                if name in ("stubborn", "tree"):
                    await _until(lambda: bool(_read(given).split()), "the job prints nothing")
                began = time.monotonic()
                cancelling = [asyncio.ensure_future(execution.cancel(grace)) for grace in graces[:1]]
                await asyncio.sleep(0.1)
                cancelling += [asyncio.ensure_future(execution.cancel(grace)) for grace in graces[1:]]
                result = await waiting
                took = time.monotonic() - began
                await asyncio.gather(*cancelling)
                assert isinstance(result, Result), f"wait returned {result!r} for a cancelled attempt; return a Result"
                return took, result

        return run_within_limit(run(), "the cancelled attempt")


@attrs.frozen
class _Only:
    """A source of one executor."""

    executor: type[Executor]

    def names(self, kind: Kind) -> tuple[str, ...]:
        return (self.executor.type,)

    def get(self, kind: Kind, name: str) -> type[Plugin]:
        return self.executor


async def _until(is_so: Callable[[], bool], problem: str) -> None:
    for _ in range(500):
        if is_so():
            return
        await asyncio.sleep(0.02)
    raise AssertionError(problem)


async def _start(executor: Executor, assignment: Assignment) -> Execution:
    try:
        execution: Any = await executor.start(assignment)
    except Exception as error:
        raise AssertionError(f"start raised {error!r} for a job that it takes") from error
    assert isinstance(execution, Execution), f"start returned {execution!r}; return an Execution"
    return execution


async def _result_of(executor: Executor, assignment: Assignment) -> Result:
    execution = await _start(executor, assignment)
    try:
        result: Any = await execution.wait()
    except Exception as error:
        raise AssertionError(f"wait raised {error!r}; return a Result, whose error has the text") from error
    assert isinstance(result, Result), f"wait returned {result!r}; return a Result"
    return result


def _read(assignment: Assignment) -> str:
    return assignment.output.read_text(errors="replace") if assignment.output.exists() else ""
