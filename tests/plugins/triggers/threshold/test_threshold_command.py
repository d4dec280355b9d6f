"""The number that a command prints, with real commands."""

import asyncio
import sys
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from tests.support.waiting import eventually

from rae_plugins.triggers.threshold.command import read_command_number
from rae_plugins.triggers.threshold.readers import Unavailable


def number(*command: str, timeout: float = 60) -> float:
    return asyncio.run(read_command_number(command, timedelta(seconds=timeout)))


def python(code: str) -> tuple[str, ...]:
    return sys.executable, "-S", "-c", code


def is_gone(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize(
    ("printed", "value"),
    [("42", 42), (" -3.5\n", -3.5), ("+1e3", 1000), (".5", 0.5), ("7.", 7), ("0", 0), ("\r\n 8 \n\n", 8)],
)
def test_command_output_is_read_as_a_number(printed: str, value: float) -> None:
    assert number("printf", "%s", printed) == value


@pytest.mark.parametrize(
    ("printed", "said"),
    [
        ("", "printed nothing; it must print one number"),
        ("\n", "printed nothing; it must print one number"),
        ("hot", 'printed "hot"; it must print one number'),
        ("1 2", 'printed "1 2"; it must print one number'),
        ("1,5", 'printed "1,5"; it must print one number'),
        ("12%", 'printed "12%"; it must print one number'),
        ("nan", 'printed "nan"; it must print one number'),
        ("-inf", 'printed "-inf"; it must print one number'),
        ("0x10", 'printed "0x10"; it must print one number'),
        ("1_000", 'printed "1_000"; it must print one number'),
        ("٤", 'printed "\\xd9\\xa4"; it must print one number'),
        ("1e999", "printed a number that is too large"),
        ("\033[31m", 'printed "\\x1b[31m"; it must print one number'),
        ("x" * 4000, 'xxx…"; it must print one number'),
    ],
)
def test_other_command_output_is_unavailable_with_a_reason(printed: str, said: str) -> None:
    with pytest.raises(Unavailable) as caught:
        number("printf", "%s", printed)
    assert said in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 120


def test_number_from_a_failed_command_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="sh ended with exit code 3"):
        number("sh", "-c", "echo 5; exit 3")


def test_error_stream_of_a_command_is_not_read() -> None:
    assert number("sh", "-c", "echo warning >&2; echo 5") == 5


def test_command_has_the_environment_of_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_TOKEN", "secret")
    monkeypatch.setenv("LANG", "C.UTF-8")
    script = 'test -z "$API_TOKEN" && test -n "$PATH" && test "$LANG" = C.UTF-8 && echo 1'
    assert number("sh", "-c", script) == 1


@pytest.mark.parametrize("command", ["/no/such/program", "/etc/passwd", "/"])
def test_what_can_not_be_run_is_unavailable(command: str) -> None:
    with pytest.raises(Unavailable, match=f"{command} can't be run: "):
        number(command)


def test_endless_output_is_given_up_and_the_command_ended(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    with pytest.raises(Unavailable, match="more than 4096 bytes"):
        number("sh", "-c", f"echo $$ > {pid}; yes")
    eventually(lambda: is_gone(int(pid.read_text())))


def too_slow(*command: str, written: Path) -> list[int]:
    """Run a command that takes too long, and has time to write process ids before it is given up."""
    for timeout in (0.5, 2.0, 10.0, 40.0):
        with pytest.raises(Unavailable, match=f"{command[0]} took longer than "):
            number(*command, timeout=timeout)
        if written.exists() and written.read_text().endswith("."):
            break
    return [int(pid) for pid in written.read_text().rstrip(".").split()]


def test_a_command_that_hangs_is_killed_with_all_of_its_session(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    hung = too_slow("sh", "-c", f"trap '' TERM; sleep 1000 & printf '%s %s.' $! $$ > {pids}; wait", written=pids)
    assert len(hung) == 2
    eventually(lambda: all(map(is_gone, hung)))


def test_pipe_kept_open_by_another_process_does_not_block() -> None:
    """The command has ended; a child of it in another session still could write."""
    child = "[sys.executable, '-S', '-c', 'import time; time.sleep(1000)']"
    code = f"import subprocess, sys; print(subprocess.Popen({child}, start_new_session=True).pid)"
    psutil.Process(int(number(*python(code)))).kill()


def test_command_runs_in_its_own_session_without_input() -> None:
    code = "import os, sys; print(int(os.getsid(0) == os.getpid() and sys.stdin.read() == ''))"
    assert number(*python(code)) == 1


def test_cancelling_a_reading_kills_the_command(tmp_path: Path) -> None:
    pid = tmp_path / "pid"

    async def main() -> None:
        task = asyncio.ensure_future(
            read_command_number(("sh", "-c", f"echo $$ > {pid}; exec sleep 1000"), timedelta(seconds=60))
        )
        await asyncio.to_thread(eventually, lambda: pid.exists() and pid.read_text().strip())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert is_gone(int(pid.read_text()))
