"""The command edit: a job changed in an editor."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.daemons import Daemons

CONFIG = """
[jobs.first]
command = ["true"]

[jobs.file-job]
command = ["true"]
timeout = "1h"
"""

Edit = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def daemons(tmp_path: Path) -> Iterator[Daemons]:
    daemons = Daemons(tmp_path, CONFIG)
    yield daemons
    daemons.end()


@pytest.fixture
def edit(daemons: Daemons, tmp_path: Path) -> Edit:
    """Edit a job, each time with the next expression of sed; `answers` are for the question."""

    def run(job: str, *expressions: str, answers: str = "") -> subprocess.CompletedProcess[str]:
        for number, expression in enumerate(expressions):
            (tmp_path / f"edit{number}").write_text(expression)
        editor = tmp_path / "vi"
        editor.write_text(
            f'#!/bin/sh\nn=$(ls {tmp_path}/edit* | head -1)\necho "$@" >> {tmp_path}/opened\n'
            'eval file=\\$$#\nsed -i -f "$n" "$file" && rm "$n"\n'
        )
        editor.chmod(0o700)
        environment = {**os.environ, "EDITOR": str(editor), "RAE_STATE_DIR": str(daemons.state)}
        environment.pop("VISUAL", None)
        command = [sys.executable, "-m", "rae_auto", "edit", job, "--config", str(daemons.config)]
        return subprocess.run(command, input=answers, env=environment, capture_output=True, text=True)

    return run


def definition(daemons: Daemons, job: str) -> dict[str, object]:
    shown: dict[str, object] = daemons.ask("show", job=job)["definition"]
    return shown


ADDED = {
    "id": "added",
    "command": ["echo", 'a "b"'],
    "cwd": "/tmp",
    "env": {"A": "1"},
    "timeout": "5m",
    "schedule": [
        {"type": "cron", "options": {"expression": "0 3 * * *", "timezone": "Asia/Tokyo"}},
        {"type": "interval", "options": {"every": "1h"}, "id": "hourly"},
    ],
    "guards": [{"type": "load", "options": {"below": 2}}],
    "retry_policy": {"attempts": 3, "delay": "10s"},
    "priority": "high",
}


def test_edit_of_a_file_job_opens_its_line_and_reloads(daemons: Daemons, edit: Edit, tmp_path: Path) -> None:
    daemons.serve()
    said = edit("file-job", "s/1h/2h/")
    assert (said.returncode, said.stdout) == (0, "reloaded: 1 changed (file-job)\n"), said.stderr
    assert definition(daemons, "file-job")["timeout"] == "2h"
    assert (tmp_path / "opened").read_text() == f"+5 {daemons.config}\n"


def test_edit_works_without_a_daemon(daemons: Daemons, edit: Edit) -> None:
    said = edit("file-job", "s/1h/2h/")
    assert (said.returncode, said.stdout) == (0, f"saved {daemons.config}\n"), said.stderr
    assert edit("file-job", "").stdout == "nothing was changed\n"


def test_edit_lists_mistakes_and_asks_again(daemons: Daemons, edit: Edit) -> None:
    daemons.serve()
    said = edit("file-job", "s/timeout/timeot/", "s/timeot = .*/timeout = '3h'/", answers="y\n")
    assert said.returncode == 0, said.stderr
    assert f'{daemons.config}:7: jobs.file-job.timeot: unknown key; did you mean "timeout"?' in said.stderr
    assert definition(daemons, "file-job")["timeout"] == "3h"


def test_edit_that_is_given_up_changes_nothing_in_the_daemon(daemons: Daemons, edit: Edit) -> None:
    daemons.serve()
    for answers in ("n\n", ""):
        said = edit("file-job", "s/^timeo.t/timeot/", answers=answers)
        assert said.returncode == 2
        assert "still has mistakes" in said.stderr
    assert definition(daemons, "file-job")["timeout"] == "1h"


def test_edit_of_an_added_job_shows_the_form_of_a_configuration(daemons: Daemons, edit: Edit) -> None:
    daemons.serve()
    daemons.ask("add", definition=ADDED)
    before = definition(daemons, "added")
    assert edit("added", "").stdout == "nothing was changed\n"
    said = edit("added", 's/timeout = "5m"/timeout = "6m"/')
    assert (said.returncode, said.stdout) == (0, "changed added\n"), said.stderr
    assert definition(daemons, "added") == {**before, "timeout": "6m"}


def test_edit_of_an_added_job_keeps_the_text_that_is_refused(daemons: Daemons, edit: Edit) -> None:
    daemons.serve()
    daemons.ask("add", definition=ADDED)
    said = edit("added", "s/high/urgent/", answers="n\n")
    assert said.returncode == 2
    text = re.search(r"added is as it was; your text is in (\S+)", said.stderr)
    assert text is not None, said.stderr
    assert "urgent" in Path(text[1]).read_text()
    assert definition(daemons, "added")["priority"] == "high"


def test_edit_says_which_editor_failed(daemons: Daemons, edit: Edit, monkeypatch: pytest.MonkeyPatch) -> None:
    said = edit("file-job", "no such command")
    assert said.returncode == 2
    assert "ended with exit code 1" in said.stderr
