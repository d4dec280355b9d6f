"""The process executor, with real processes: their environment, their end, and their termination."""

import asyncio
import os
import signal
import sys
from datetime import UTC, datetime, timedelta

import pytest
from attrs import evolve
from tests.plugins.executors.conftest import an_executor, is_alive, read_output, run_async
from tests.support.waiting import eventually

from rae_auto.config.options import build
from rae_auto.model.policies import Limits
from rae_auto.model.primitives.problems import Invalid
from rae_auto.model.run import MAY_BE_LEFT
from rae_auto.registry import Registry
from rae_plugins.executors.process import ProcessExecutor
from rae_plugins.executors.process.keeper.procfs import read_all_processes

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs POSIX processes")

NOW, SOON, LONG = timedelta(0), timedelta(milliseconds=100), timedelta(hours=1)


def run(tmp_path, assignment, executor=None):
    """Return the result and the output of one attempt."""

    async def work():
        async with an_executor(tmp_path, executor) as opened:
            return await (await opened.start(assignment)).wait()

    return run_async(work), read_output(assignment)


def failure(tmp_path, make_assignment, **job):
    """Return the error of starting an attempt at a job."""

    async def work():
        async with an_executor(tmp_path) as executor:
            with pytest.raises(Exception) as caught:
                await executor.start(make_assignment(**job))
            # One that can't be started leaves the others alone.
            assert (await (await executor.start(make_assignment("true"))).wait()).exit_code == 0
            return str(caught.value)

    return run_async(work)


@pytest.mark.parametrize("code", [0, 1, 42, 255])
def test_process_result_has_the_exit_code_of_the_command(tmp_path, make_assignment, code):
    result, _ = run(tmp_path, make_assignment(f"exit {code}"))
    assert (result.exit_code, result.signal, result.error) == (code, None, None)


def test_process_result_names_the_signal(tmp_path, make_assignment):
    result, _ = run(tmp_path, make_assignment("kill -KILL $$"))
    assert (result.exit_code, result.signal) == (None, signal.SIGKILL)


def test_process_runs_argv_without_a_shell(tmp_path, make_assignment):
    _, output = run(tmp_path, make_assignment(command=["printf", "%s|"], args=["$HOME", "a b", "; id", "*"]))
    assert output == "$HOME|a b|; id|*|"


def test_process_says_when_it_was_spawned(tmp_path, make_assignment):
    asked_at = datetime.now(UTC)
    result, output = run(tmp_path, make_assignment("date +%s.%N"))
    assert asked_at <= result.started_at
    assert result.started_at.timestamp() <= float(output)


def test_process_runs_the_line_in_the_shell_of_the_job(tmp_path, make_assignment):
    assert run(tmp_path, make_assignment("echo $0", shell_program="bash"))[1] == "bash\n"
    assert run(tmp_path, make_assignment("echo $0"))[1] == "/bin/sh\n"


def test_process_writes_both_outputs_to_one_file_in_order(tmp_path, make_assignment):
    assignment = make_assignment("echo one; echo two >&2; echo three")
    assert run(tmp_path, assignment)[1] == "one\ntwo\nthree\n"
    assert assignment.output.stat().st_mode & 0o777 == 0o600


def test_process_keeps_the_order_of_both_streams_however_fast_they_come(tmp_path, make_assignment):
    write = "import os\nfor n in range(3000): os.write(1 + n % 2, b'%d\\n' % n)"
    _, output = run(tmp_path, make_assignment(command=[sys.executable, "-c", write]))
    assert output.split() == [str(number) for number in range(3000)]


def test_process_can_open_its_streams_by_name_and_write_much_at_once(tmp_path, make_assignment):
    write = "import os; os.write(1, b'x' * 1_000_000)"
    line = f'echo one > /dev/stderr; echo two > /dev/stdout; {sys.executable} -c "{write}"'
    result, output = run(tmp_path, make_assignment(line))
    assert (result.exit_code, output) == (0, "one\ntwo\n" + "x" * 1_000_000)


@pytest.mark.parametrize(
    ("line", "stderr"),
    [
        ("echo fine", None),
        ("echo fine; printf '\\n  bad luck  \\nmore\\n' >&2", "bad luck"),
        ("printf '\\n' >&2", ""),
        ("printf 'is s3c' >&2; sleep 0.1; printf 'out s3c'; sleep 0.1; printf ret >&2", "is ***"),
    ],
)
def test_process_reports_the_first_line_of_standard_error(tmp_path, make_assignment, line, stderr):
    assignment = evolve(make_assignment(line, fail_on=["stderr"]), secrets=("s3cret",))
    result, output = run(tmp_path, assignment, ProcessExecutor(orphans="allow"))
    assert (result.exit_code, result.stderr) == (0, stderr)
    assert "s3cret" not in output
    assert all(word in output for word in (stderr or "").split())


@pytest.mark.requirement("S16")
def test_process_gets_only_the_environment_of_the_job(tmp_path, make_assignment):
    _, output = run(tmp_path, make_assignment(command=["env"], env={"ONLY": "this"}))
    assert sorted(line.partition("=")[0] for line in output.splitlines()) == ["ONLY", "PATH", "RAE_RUN_ID"]


@pytest.mark.requirement("R33")
def test_process_inherits_nothing_from_the_daemon(tmp_path, make_assignment):
    """No descriptor but 0 to 2, no input, its own session, the umask of the daemon, no masked signals."""
    script = """
import os, signal, sys
print(sorted(int(name) for name in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + name)))
print(repr(sys.stdin.read()))
print(os.getsid(0) == os.getpid())
print(oct(os.umask(0)))
print(signal.pthread_sigmask(signal.SIG_BLOCK, []) == set())
usual = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
print([number for number in usual if signal.getsignal(number) == signal.SIG_IGN])
print(os.getcwd())
"""
    with (tmp_path / "left-open").open("w") as left_open:
        os.set_inheritable(left_open.fileno(), True)
        _, output = run(tmp_path, make_assignment(command=[sys.executable, "-c", script]))
    os.umask(own_umask := os.umask(0o077))
    fds, stdin, leads, umask, unmasked, ignored, cwd = output.splitlines()
    assert [int(fd) for fd in fds.strip("[]").split(", ")][:3] == [0, 1, 2]
    assert len(fds.split(",")) <= 4  # the listing itself has one
    assert (stdin, leads, umask, unmasked, ignored) == ("''", "True", oct(own_umask), "True", "[]")
    assert cwd == str(tmp_path)


@pytest.mark.parametrize(
    ("job", "message"),
    [
        ({"command": "no-such-program"}, 'program "no-such-program" not found on the PATH of the job; install it'),
        ({"command": "./missing"}, 'program "./missing" not found in "/'),
        ({"command": "./text"}, "program \"./text\" is not executable; run 'chmod +x' on it"),
        (
            {"command": "./program"},
            '"./program" is not a program for this machine; start a script with a line like',
        ),
        (
            {"shell": "true", "cwd": "/no/such/place"},
            'the working directory "/no/such/place" does not exist; create it, or change "cwd"',
        ),
        ({"command": "true", "args": ["x" * 3_000_000]}, 'program "true" cannot be started: Argument list too long'),
    ],
)
def test_process_that_cannot_start_explains_why_in_one_line(tmp_path, make_assignment, job, message):
    for name, mode in (("text", 0o600), ("program", 0o700)):
        (tmp_path / name).write_text("some text")
        (tmp_path / name).chmod(mode)
    assert message in failure(tmp_path, make_assignment, **job)


def test_process_executor_refuses_a_job_without_a_command(tmp_path, make_assignment):
    assert (
        failure(tmp_path, make_assignment, executor="process")
        == 'the process executor needs "command", "shell", "python" or "script"'
    )


@pytest.mark.requirement("R30")
def test_process_output_keeps_beginning_and_end_of_a_flood(tmp_path, make_assignment):
    _, output = run(
        tmp_path, make_assignment("echo first; yes | head -c 300000; echo last", limits=Limits(output=10_000))
    )
    assert output.startswith("first\n")
    assert output.endswith("last\n")
    assert "[rae-auto: 290011 bytes omitted]" in output
    assert len(output) < 10_100


@pytest.mark.requirement("S17")
def test_process_output_masks_secrets(tmp_path, make_assignment):
    script = "printf canary; sleep 0.05; printf -- -in-the-mine; echo; echo canary-in-the-cage"
    _, output = run(tmp_path, make_assignment(script, secrets=("canary-in-the-mine",)))
    assert output == "***\ncanary-in-the-cage\n"


def test_process_result_has_the_cpu_time(tmp_path, make_assignment):
    result, _ = run(tmp_path, make_assignment(command=[sys.executable, "-c", "for _ in range(10**6): pass"]))
    assert result.cpu_time > timedelta(milliseconds=5)


@pytest.mark.requirement("R29")
def test_process_orphans_are_killed_when_the_command_ends(tmp_path, make_assignment):
    """Also what left its session, closed the pipe and ignores SIGTERM."""
    script = """
        sleep 300 & echo $!
        setsid sh -c 'trap "" TERM; echo $$ > stubborn; exec sleep 300' > /dev/null 2>&1 &
        until [ -s stubborn ]; do sleep 0.01; done; exit 3"""
    result, output = run(tmp_path, make_assignment(script, kill_after="200ms"))
    assert (result.exit_code, result.signal, result.error) == (3, None, None)
    stubborn = int((tmp_path / "stubborn").read_text())
    assert result.remark.startswith("ended 2 processes left behind: ")
    assert f"sleep (pid {int(output)})" in result.remark
    assert f"(pid {stubborn})" in result.remark
    assert result.remark.endswith('; orphans = "allow" keeps them')
    assert [pid for pid in (int(output), stubborn) if is_alive(pid)] == []
    # Verified gone only once the stubborn one was killed, after the request, after the exit of the main process.
    tree = result.tree
    assert tree.is_gone
    assert tree.exited > tree.requested > tree.killed >= timedelta(0)


def test_process_that_ends_alone_has_nothing_to_record_of_its_tree(tmp_path, make_assignment):
    assert run(tmp_path, make_assignment("exit 3"))[0].tree is None


@pytest.mark.requirement("R29")
def test_process_orphans_stay_if_allowed(tmp_path, make_assignment):
    """The run ends with its command, though a grandchild holds the pipe."""
    result, output = run(tmp_path, make_assignment("sleep 300 & echo $!"), ProcessExecutor(orphans="allow"))
    pid = int(output)
    assert (result.exit_code, result.remark, result.tree) == (0, None, MAY_BE_LEFT)
    assert is_alive(pid)
    os.kill(pid, signal.SIGKILL)


def test_process_that_may_leave_orphans_but_leaves_none_is_gone(tmp_path, make_assignment):
    assert run(tmp_path, make_assignment("true"), ProcessExecutor(orphans="allow"))[0].tree is None


@pytest.mark.requirement("R29")
def test_process_lets_what_is_ending_by_itself_end(tmp_path, make_assignment):
    """As the last part of a pipe, or what a shell starts in a substitution."""
    script = "(sleep 0.03; echo late) & echo early"
    result, output = run(tmp_path, make_assignment(script))
    assert (result.exit_code, result.remark, output) == (0, None, "early\nlate\n")


def test_process_remark_leaves_out_what_was_cancelled(tmp_path, make_assignment):
    async def work():
        async with an_executor(tmp_path) as executor:
            execution = await executor.start(make_assignment("sleep 300 & echo > begun; wait"))
            await asyncio.to_thread(eventually, (tmp_path / "begun").exists)
            await execution.cancel(NOW)
            return await execution.wait()

    assert run_async(work).remark is None
    assert run(tmp_path, make_assignment("sleep 0.1 & wait"))[0].remark is None


TREES = {
    "a child": "sleep 300 & echo $! >> pids; wait",
    "one that ignores SIGTERM": "trap '' TERM; echo $$ >> pids; while :; do sleep 0.1; done",
    "one that left its session": "setsid sh -c 'echo $$ >> pids; exec sleep 300' & wait",
    "one that double-forked": "( ( setsid sleep 300 & echo $! >> pids ) & ) ; sleep 300",
    "one that stopped itself": "echo $$ >> pids; kill -STOP $$",
    "one that cleared its environment": "setsid env -i sh -c 'echo $$ >> pids; exec sleep 300' & wait",
    "a daemon without environment": "(setsid env -i sh -c 'echo $$ >> pids; exec sleep 300' >pipe & ); sleep 300",
    "one that left its group": "bash -c 'set -m; sleep 300 & echo $! >> pids; wait'",
    "one born on SIGTERM": "trap 'setsid sleep 300 & echo $! >> pids' TERM; echo $$ >> pids; sleep 300 & wait; wait",
}


@pytest.mark.parametrize("script", TREES.values(), ids=TREES)
@pytest.mark.requirement("R28")
def test_process_cancel_ends_the_whole_tree(tmp_path, make_assignment, script):
    def pids():
        path = tmp_path / "pids"
        return [int(word) for word in path.read_text().split()] if path.exists() else []

    async def work():
        async with an_executor(tmp_path) as executor:
            execution = await executor.start(make_assignment(script))
            await asyncio.to_thread(eventually, pids)
            await execution.cancel(SOON)
            result = await execution.wait()
            assert result.exit_code != 0 or result.signal is None
            return pids()

    for pid in run_async(work):
        eventually(lambda pid=pid: not is_alive(pid))


def test_process_second_cancel_can_shorten_the_grace(tmp_path, make_assignment):
    async def work():
        async with an_executor(tmp_path) as executor:
            execution = await executor.start(make_assignment("trap '' TERM; echo ready; while :; do sleep 0.1; done"))
            [output] = [path for path in tmp_path.glob("*.log") if path.name != "keeper-errors.log"]
            await asyncio.to_thread(eventually, lambda: output.read_text() == "ready\n")
            first = asyncio.create_task(execution.cancel(LONG))
            await asyncio.sleep(0)
            await execution.cancel(NOW)
            await first
            return await execution.wait()

    assert run_async(work).signal == signal.SIGKILL


def descriptors_of(pid):
    return {int(name) for name in os.listdir(f"/proc/{pid}/fd")}


@pytest.mark.skipif(sys.platform != "linux", reason="needs prlimit")
@pytest.mark.requirement("R31", "R32")
def test_process_without_descriptors_fails_and_the_next_starts(tmp_path, make_assignment):
    import resource

    async def work():
        async with an_executor(tmp_path) as executor:
            first = await executor.start(make_assignment("sleep 300"))
            keeper = first.handle["keeper"][0]
            before = descriptors_of(keeper)
            usual = resource.prlimit(keeper, resource.RLIMIT_NOFILE)
            for room in range(3):
                resource.prlimit(keeper, resource.RLIMIT_NOFILE, (max(before) + 1 + room, usual[1]))
                with pytest.raises(RuntimeError, match="cannot be started: Too many open files"):
                    await executor.start(make_assignment("true"))
            resource.prlimit(keeper, resource.RLIMIT_NOFILE, usual)
            assert descriptors_of(keeper) == before
            assert (await (await executor.start(make_assignment("true"))).wait()).exit_code == 0
            await first.cancel(NOW)

    run_async(work)


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.requirement("R34")
def test_process_leaves_no_zombies(tmp_path, make_assignment):
    """Neither of main processes nor of orphans, while another job runs on."""
    orphans = "for n in 1 2 3 4 5; do (setsid sh -c 'exit 3' &); done"

    def zombies(keeper):
        return [process for process in read_all_processes().values() if process.parent == keeper and process.is_dead]

    async def work():
        async with an_executor(tmp_path) as executor:
            long = await executor.start(make_assignment("sleep 300"))
            keeper = long.handle["keeper"][0]
            await asyncio.gather(*[(await executor.start(make_assignment(orphans))).wait() for _ in range(20)])
            await asyncio.to_thread(eventually, lambda: not zombies(keeper))
            await long.cancel(NOW)

    run_async(work)


def test_process_option_leftover_names_orphans():
    with pytest.raises(Invalid, match='leftover: was renamed; write "orphans"'):
        build(ProcessExecutor, {"leftover": "allow"}, timezone="UTC", plugins=Registry())
