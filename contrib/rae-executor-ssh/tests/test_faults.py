"""Cut lines, hosts that are away, and keepers that are killed: nothing runs twice, and the true end arrives."""

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from attempts import find_end, output, run_directory, starts, until
from campaign import Campaign
from cuts import Cuts
from rae_executor_ssh import SshExecutor, host_link
from rae_executor_ssh.probe import find_problems
from rae_executor_ssh.ssh_command import REMOTE_PACKAGE

from rae_auto.api import Assignment, Execution, NeverStarted
from rae_auto.model.policies import Limits
from rae_auto.model.run import Result
from rae_plugins.executors.process.keeper.files.output_index import MAX_STREAM_CHANGES, OutputIndex
from rae_plugins.executors.remote import request
from rae_plugins.executors.remote.bundle import build_bundle

LIMIT_SECONDS = 50.0
CAMPAIGN_SECONDS = 240.0
YEAR_SECONDS = 365 * 86_400.0


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again soon: what these tests show doesn't depend on how long is waited."""
    monkeypatch.setattr(host_link, "MAX_RETRY_SECONDS", 0.3)


def run(scene: Callable[[], Coroutine[Any, Any, None]], limit_seconds: float = LIMIT_SECONDS) -> None:
    async def limited() -> None:
        async with asyncio.timeout(limit_seconds):
            await scene()

    asyncio.run(limited())


def find_keeper(executor: SshExecutor, assignment: Assignment) -> int:
    """Return the pid of the keeper on the host."""
    record = json.loads((run_directory(executor, assignment) / "out.start").read_text())
    pid: int = record["keeper"][0]
    return pid


def test_cut_line_costs_neither_output_nor_exit_status(make_executor: Any, assign: Any, server: Any) -> None:
    async def scene() -> None:
        executor = make_executor()
        await executor.open(Path())
        attempt = assign("for n in 1 2 3 4 5 6; do echo line $n; sleep 0.3; done; exit 7")
        execution = await executor.start(attempt)
        await until(lambda: "line 2" in output(attempt))
        assert server.cut() >= 1
        result = await execution.wait()
        assert (result.exit_code, starts(attempt)) == (7, 1)
        assert output(attempt).split("\n")[:-1] == [f"line {n}" for n in range(1, 7)]
        await executor.close()

    run(scene)


def test_new_daemon_waits_for_a_host_that_is_away(make_executor: Any, assign: Any, server: Any) -> None:
    async def scene() -> None:
        first, second = make_executor(), make_executor()
        attempt = assign("echo begun; until [ -e go ]; do sleep 0.05; done; exit 4")
        execution = await first.start(attempt)
        await until(lambda: "begun" in output(attempt))
        await first.close()
        server.stop()
        try:
            found = await second.find(attempt, execution.handle)
            assert isinstance(found, Execution)
            assert found.is_out_of_reach
            assert "refused" in (await second.check_readiness() or "")
        finally:
            server.start()
        await until(lambda: not found.is_out_of_reach)
        (Path(attempt.job.cwd) / "go").touch()
        result = await found.wait()
        assert isinstance(result, Result)
        assert (result.exit_code, starts(attempt)) == (4, 1)
        await second.close()

    run(scene)


def test_cancel_while_the_host_is_away_is_carried_out_later(make_executor: Any, assign: Any, server: Any) -> None:
    async def scene() -> None:
        executor = make_executor()
        attempt = assign("echo begun; sleep 60")
        execution = await executor.start(attempt)
        await until(lambda: "begun" in output(attempt))
        server.stop()
        try:
            server.cut()
            await until(lambda: execution.is_out_of_reach)
            await execution.cancel(timedelta(0))
        finally:
            server.start()
        result = await execution.wait()
        assert isinstance(result, Result)
        assert result.exit_code != 0
        await executor.close()

    run(scene)


def test_result_of_an_attempt_that_ended_meanwhile_is_found(make_executor: Any, assign: Any) -> None:
    async def scene() -> None:
        first, second = make_executor(), make_executor()
        attempt = assign("echo begun; until [ -e go ]; do sleep 0.02; done; echo last; exit 5")
        execution = await first.start(attempt)
        await until(lambda: "begun" in output(attempt))
        await first.close()
        (Path(attempt.job.cwd) / "go").touch()
        await until((run_directory(first, attempt) / "out.exit").exists)
        found = await find_end(second, attempt, execution.handle)
        assert isinstance(found, Result)
        assert (found.exit_code, output(attempt)) == (5, "begun\nlast\n")
        assert found.ended_at is not None
        await second.close()

    run(scene)


def test_attempt_is_spawned_once_however_often_it_is_asked_for(make_executor: Any, assign: Any) -> None:
    async def scene() -> None:
        executors = [make_executor() for _ in range(3)]
        attempt = assign("echo begun; until [ -e go ]; do sleep 0.05; done; exit 6")
        executions = [await executors[0].start(attempt)]
        await until(lambda: "begun" in output(attempt))
        executions += [await executor.start(attempt) for executor in executors[1:]]
        (Path(attempt.job.cwd) / "go").touch()
        results = await asyncio.gather(*(execution.wait() for execution in executions))
        assert [getattr(result, "exit_code", result) for result in results] == [6, 6, 6]
        assert starts(attempt) == 1
        for executor in executors:
            await executor.close()

    run(scene)


def test_attempt_that_is_asked_for_three_times_at_once_has_one_end(make_executor: Any, assign: Any) -> None:
    async def ask(executors: list[SshExecutor]) -> bool:
        """Return whether it was spawned."""
        attempt = assign("sleep 0.2; exit 6")
        executions = [await executor.start(attempt) for executor in executors]
        results = await asyncio.gather(*(execution.wait() for execution in executions))
        if starts(attempt):
            assert [getattr(result, "exit_code", result) for result in results] == [6, 6, 6]
            assert starts(attempt) == 1
            return True
        # One that looked before the keeper was there took it for one that never began, and saw to it.
        assert results == [NeverStarted()] * 3
        return False

    async def scene() -> None:
        executors = [make_executor() for _ in range(3)]
        while not await ask(executors):
            pass
        for executor in executors:
            await executor.close()

    run(scene)


def test_attempt_that_never_started_can_never_start(make_executor: Any, assign: Any) -> None:
    async def scene() -> None:
        executor = make_executor()
        attempt = assign("echo too late")
        assert await find_end(executor, attempt, None) == NeverStarted()
        late = await executor.start(attempt)
        assert await late.wait() == NeverStarted()
        assert starts(attempt) == 0
        await executor.close()

    run(scene)


@pytest.mark.parametrize("is_rebooted", [False, True])
def test_killed_keeper_leaves_nothing_and_the_run_is_lost(make_executor: Any, assign: Any, is_rebooted: bool) -> None:
    async def scene() -> None:
        executor = make_executor()
        attempt = assign("echo $$; sleep 60")
        execution = await executor.start(attempt)
        await until(lambda: bool(output(attempt).strip()))
        job = psutil.Process(int(output(attempt)))
        if is_rebooted:
            # As after a reboot: another boot, and no process.
            about = run_directory(executor, attempt) / "about.json"
            about.write_text(json.dumps({**json.loads(about.read_text()), "boot": "an earlier one"}))
            job.kill()
        os.kill(find_keeper(executor, attempt), signal.SIGKILL)
        assert await execution.wait() is None
        assert not job.is_running() or job.status() == psutil.STATUS_ZOMBIE
        await executor.close()

    run(scene)


def test_host_enforces_the_timeout_while_no_daemon_does(
    make_executor: Any, assign: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request, "TIMEOUT_MARGIN_SECONDS", 0.0)

    async def scene() -> None:
        first, second = make_executor(), make_executor()
        attempt = assign("echo begun; sleep 60", timeout="0.5s", kill_after="0s")
        execution = await first.start(attempt)
        await until(lambda: "begun" in output(attempt))
        await first.close()
        await until((run_directory(first, attempt) / "out.exit").exists)
        found = await find_end(second, attempt, execution.handle)
        assert isinstance(found, Result)
        assert "its timeout was over" in (found.error or "")
        await second.close()

    run(scene)


def test_more_output_than_the_limit_keeps_both_ends(make_executor: Any, assign: Any) -> None:
    async def scene() -> None:
        executor = make_executor()
        attempt = assign("seq 1 40000", limits=Limits(output="20KB"))
        result = await (await executor.start(attempt)).wait()
        assert (result.exit_code, result.error) == (0, None)
        lines = output(attempt).split()
        assert (lines[0], lines[-1]) == ("1", "40000")
        assert "omitted" in output(attempt)
        await executor.close()

    run(scene)


def test_end_with_the_largest_index_arrives(make_executor: Any, assign: Any) -> None:
    """That of a job of years, which changes between its streams: the keeper has a bound for it."""
    parts: list[str] = []
    now, size = 1.8e9, 0

    class Index(OutputIndex):
        def _append(self, text: str) -> None:
            parts.append(text)

    made = Index("", is_separate=True, clock=lambda: now)
    while now < 1.8e9 + 10 * YEAR_SECONDS:
        now, size = now + made.interval, size + (1 << 30)
        made.note(size, is_error=False)
    for number in range(2 * MAX_STREAM_CHANGES):
        made.note(size, is_error=number % 2 == 0)
    index = "".join(parts)

    async def scene() -> None:
        executor = make_executor()
        attempt = assign("until [ -e go ]; do sleep 0.02; done; exit 5")
        execution = await executor.start(attempt)
        await until(lambda: starts(attempt) == 1)
        (run_directory(executor, attempt) / "out.index").write_text(index)
        (Path(attempt.job.cwd) / "go").touch()
        result = await execution.wait()
        assert isinstance(result, Result) and result.exit_code == 5
        assert attempt.output.with_suffix(".index").read_text() == index
        await executor.close()

    assert len(index) > 1 << 20
    run(scene)


def test_secret_files_and_large_events_are_on_the_host(make_executor: Any, assign: Any, tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir()
    (private / "token").write_text("s3cret")
    (tmp_path / "event").write_text("{}")

    gone: list[str] = []

    async def scene() -> None:
        executor = make_executor()
        given = assign('cat "$TOKEN" "$RAE_EVENT_FILE"; echo "$TOKEN"')
        files = {"TOKEN": str(private / "token"), "RAE_EVENT_FILE": str(tmp_path / "event")}
        attempt = Assignment(
            run=given.run,
            attempt=1,
            job=given.job,
            environment={**given.environment, **files},
            output=given.output,
            secret_directory=private,
        )
        result = await (await executor.start(attempt)).wait()
        assert result.exit_code == 0
        text, path = output(attempt).replace("{}", "{} ").split()
        assert text == "s3cret{}"
        assert path != files["TOKEN"]
        await executor.close()
        gone.append(path)

    run(scene)
    assert [path for path in gone if Path(path).exists()] == []


def test_doctor_says_what_is_wrong_with_a_host(make_executor: Any, server: Any) -> None:
    good = make_executor()
    assert good.problems(Path()) == ()
    (line,) = find_problems("box", good.config, "/no/such/python", good.directory)
    assert "'/no/such/python' is not found; install Python 3.9 or later" in line
    (line,) = find_problems("box", good.config, good.python, "/proc/no")
    assert "set directory" in line
    server.write_known_hosts("other")
    try:
        (line,) = good.problems(Path())
        assert "its host key is unknown or has changed" in line
    finally:
        server.write_known_hosts("host")


def test_agent_is_shipped_once(make_executor: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content, sent = build_bundle(REMOTE_PACKAGE).content, []
    write = asyncio.StreamWriter.write

    def note(writer: asyncio.StreamWriter, data: bytes) -> None:
        sent.append(bytes(data))
        write(writer, data)

    monkeypatch.setattr(asyncio.StreamWriter, "write", note)
    monkeypatch.setattr("rae_executor_ssh.executor.READY_SECONDS", LIMIT_SECONDS)

    async def scene() -> None:
        for _ in range(2):
            executor = make_executor(directory=str(tmp_path / "fresh"))
            assert await executor.check_readiness() is None
            await executor.close()

    run(scene)
    assert sent.count(content) == 1


def test_person_is_never_asked_for_a_passphrase(
    make_executor: Any, server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking, key, config = tmp_path / "asking", tmp_path / "locked", tmp_path / "config"
    asking.write_text(f"#!/bin/sh\ntouch {tmp_path}/asked\necho secret\n")
    asking.chmod(0o700)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", str(key)], check=True)
    config.write_text(re.sub("IdentityFile .*", f"IdentityFile {key}", server.config.read_text()))
    server.accept_key(key.with_suffix(".pub"))
    monkeypatch.setenv("SSH_ASKPASS", str(asking))
    monkeypatch.setenv("SSH_ASKPASS_REQUIRE", "force")
    (line,) = make_executor(config=str(config)).problems(Path())
    assert "the login is refused; make 'ssh -o BatchMode=yes box true' work without a password" in line
    assert not (tmp_path / "asked").exists()


def test_dead_line_is_cut_and_opened_again(
    make_executor: Any, assign: Any, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host that says nothing, as after a suspend: its processes for this line are stopped."""
    monkeypatch.setattr(host_link, "PING_SECONDS", 0.1)
    monkeypatch.setattr(host_link, "SILENCE_SECONDS", 1.0)

    async def scene() -> None:
        executor = make_executor()
        attempt = assign("echo begun; until [ -e go ]; do sleep 0.02; done; exit 3")
        execution = await executor.start(attempt)
        await until(lambda: "begun" in output(attempt))
        stopped = [
            process
            for process in psutil.process_iter(["cmdline"])
            if str(server.config) in (process.info["cmdline"] or []) and process.info["cmdline"][0] == "ssh"
        ]
        for process in stopped:
            process.suspend()
        await until(lambda: execution.is_out_of_reach)
        (Path(attempt.job.cwd) / "go").touch()
        result = await execution.wait()
        assert isinstance(result, Result)
        assert (result.exit_code, starts(attempt)) == (3, 1)
        await executor.close()

    began = time.monotonic()
    run(scene)
    assert time.monotonic() - began < LIMIT_SECONDS


@pytest.mark.parametrize(
    ("options", "problem"),
    [({"host": "-oProxyCommand=x"}, "must be a name"), ({"python": "a;b"}, "must be a path"), ({"host": ""}, "must")],
)
def test_options_that_a_shell_would_obey_are_refused(make_executor: Any, options: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        make_executor(**options)


def test_random_faults_double_and_lose_nothing(server: Any, tmp_path: Path) -> None:
    campaign = Campaign(server, tmp_path, seed=5)
    wrong: list[str] = []

    async def scene() -> None:
        wrong.extend(await campaign.run(8))

    run(scene, CAMPAIGN_SECONDS)
    assert wrong == []


def test_line_cut_within_a_message_costs_nothing(tmp_path: Path) -> None:
    cuts, wrong = Cuts(tmp_path, seed=3), []

    async def scene() -> None:
        wrong.extend(await cuts.run(3))

    run(scene, CAMPAIGN_SECONDS)
    assert wrong == []
    assert cuts.count_cuts() > 0


@pytest.mark.parametrize("version", ["3.9", "3.8"])
def test_host_needs_python_3_9(make_executor: Any, assign: Any, version: str) -> None:
    built = map(str, Path.home().glob(f".pyenv/versions/{version}.*/bin/python3"))
    candidates = [*built, shutil.which(f"python{version}", path="/usr/bin:/usr/local/bin")]
    python = next(filter(None, candidates), None)
    if python is None:
        pytest.skip(f"there is no Python {version}")

    async def scene() -> None:
        executor = make_executor(python=python)
        if version == "3.8":
            assert await executor.check_readiness() == "box: its Python is 3.8; install 3.9 or later"
        else:
            result = await (await executor.start(assign("echo hello; exit 3", limits=Limits(memory="1GB")))).wait()
            assert result.exit_code == 3
        await executor.close()

    run(scene)
