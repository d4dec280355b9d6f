"""A program that asks for it gets the log of its schedulers in Python's logging, and nothing otherwise."""

import subprocess
import sys

import pytest

PROGRAM = """
import logging, sys
from rae_auto import Job, SyncScheduler, use_logging

if "{log}":
    logging.basicConfig(level="{log}", format="%(name)s %(levelname)s %(job)s: %(message)s", stream=sys.stdout)
    use_logging({logger})
    use_logging({logger})
jobs = [Job(id="bad", shell="exit 3")]
with SyncScheduler(directory=sys.argv[1], jobs=jobs) as scheduler:
    run = scheduler.wait(scheduler.trigger("bad"))
print(run.state)
"""


def run_program(directory, **options):
    """Return the lines that the program prints, on both of its streams."""
    options = {"log": "", "logger": "", **options}
    program = PROGRAM
    for name, value in options.items():
        program = program.replace("{" + name + "}", value)
    ran = subprocess.run(
        [sys.executable, "-c", program, directory],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=True,
    )
    return ran.stdout.splitlines()


def test_scheduler_in_a_program_logs_nothing_by_default(tmp_path):
    assert run_program(tmp_path) == ["failed"]


@pytest.mark.parametrize(("logger", "name"), [("", "rae_auto"), ("logging.getLogger('app.jobs')", "app.jobs")])
def test_lines_reach_the_logger_once_with_their_job(tmp_path, logger, name):
    *lines, state = run_program(tmp_path, log="INFO", logger=logger)
    started, failed = (line for line in lines if "bad: " in line)
    assert started.startswith(f"{name} INFO bad: started (01")
    assert failed.startswith(f"{name} ERROR bad: failed (01")
    assert state == "failed"


def test_level_of_the_logger_decides(tmp_path):
    failed, _ = run_program(tmp_path, log="ERROR")
    assert failed.startswith("rae_auto ERROR bad: failed")
