"""Warnings of `check` in the daemon's log."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from loguru import logger

from rae_auto.checks import warning_log
from rae_auto.checks.warning_log import MAX_JOBS_IN_THREAD, MAX_LINES, WarningLog
from rae_auto.registry import Registry


@pytest.fixture
def lines() -> Iterator[list[str]]:
    found: list[str] = []
    number = logger.add(lambda message: found.append(message.record["message"]), level="WARNING")
    yield found
    logger.remove(number)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rae.toml"


def write(path: Path, *programs: str, head: str = "") -> None:
    jobs = (f'[jobs.{name}]\ncommand = ["{name}"]\n' for name in programs)
    path.write_text(head + "".join(jobs))
    path.chmod(0o600)


def update(log: WarningLog, jobs: int = 2) -> None:
    asyncio.run(log.update(jobs))


@pytest.mark.parametrize("jobs", [MAX_JOBS_IN_THREAD, MAX_JOBS_IN_THREAD + 1])
def test_warning_log_has_lines_of_check(path: Path, lines: list[str], jobs: int) -> None:
    write(path, "nosuch-program")
    update(WarningLog(path, Registry()), jobs)
    text = 'program "nosuch-program" not found on PATH; install it, or give its full path'
    assert lines == [f"{path}:2: jobs.nosuch-program.command: {text}"]


def test_warning_log_repeats_nothing_that_stays(path: Path, lines: list[str]) -> None:
    log = WarningLog(path, Registry())
    write(path, "nosuch-a")
    update(log)
    write(path, "nosuch-a", "nosuch-b", head="\n\n")
    update(log)
    assert [line.split(": ")[1] for line in lines] == ["jobs.nosuch-a.command", "jobs.nosuch-b.command"]
    write(path, "nosuch-b")
    update(log)
    write(path, "nosuch-a", "nosuch-b")
    update(log)
    assert [line.split(": ")[1] for line in lines[2:]] == ["jobs.nosuch-a.command"]


def test_warning_log_is_short(path: Path, lines: list[str]) -> None:
    write(path, *(f"nosuch-{number}" for number in range(MAX_LINES + 5)))
    update(WarningLog(path, Registry()))
    assert len(lines) == MAX_LINES + 1
    assert lines[-1] == f"{path}: 5 more warnings; 'rae-auto check' shows all"


def test_warning_log_is_empty_for_a_file_with_errors(path: Path, lines: list[str]) -> None:
    path.write_text("[jobs.a]\n")
    update(WarningLog(path, Registry()))
    assert lines == []


def test_warning_log_ends_a_check_that_hangs(
    path: Path, lines: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write(path, "nosuch-program")
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o700)
    monkeypatch.setattr(warning_log.sys, "executable", str(program))
    monkeypatch.setattr(warning_log, "TIMEOUT_SECONDS", 0.1)
    update(WarningLog(path, Registry()), MAX_JOBS_IN_THREAD + 1)
    assert lines == []
