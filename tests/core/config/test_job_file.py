"""Files with one job, for `rae-auto add --file`: they take what a configuration takes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rae_auto.api.plugin import PluginSource
from rae_auto.config import load
from rae_auto.config.job_file import read_job_file
from rae_auto.errors import ConfigError

KEYS = """
command = ["echo", "hi"]
schedule = "0 9 * * *"
retry = { attempts = 3, delay = "10s" }
cwd = "reports"
env = { A = "b" }
"""
Write = Callable[[str], Path]


@pytest.mark.parametrize("text", [f'id = "digest"\n{KEYS}', f"[jobs.digest]{KEYS}"], ids=["keys", "a table"])
def test_job_file_gives_the_job_of_a_configuration(text: str, write: Write, plugins: PluginSource) -> None:
    (expected,) = load(write(f"[jobs.digest]{KEYS}"), plugins).jobs
    assert read_job_file(write(text), plugins, None, {}) == expected


def test_jobs_of_one_command_share_it(write: Write, plugins: PluginSource) -> None:
    first, second = load(write('[jobs.a]\ncommand = ["x", "1"]\n[jobs.b]\ncommand = ["x", "1"]\n'), plugins).jobs
    assert first.command is second.command


@pytest.mark.parametrize(
    "keys",
    [
        'trigger = { type = "interval", every = "5m" }',
        'triggers = [{ type = "after" }, { type = "interval", every = "5m" }]',
        'needs = ["other"]\nresources = ["db"]\nnotify = { on = ["failure"], via = ["ops"] }',
    ],
)
def test_job_file_takes_all_forms_of_keys(keys: str, write: Write, plugins: PluginSource) -> None:
    assert read_job_file(write(f'shell = "true"\n{keys}'), plugins, "a", {}).id == "a"


def test_name_and_work_given_beside_a_job_file_win(write: Write, plugins: PluginSource) -> None:
    path = write('id = "a"\nshell = "true"\ntimeout = "5m"')
    job = read_job_file(path, plugins, "b", {"command": ["ls"]})
    assert (job.id, job.command, job.shell, job.timeout is not None) == ("b", ("ls",), None, True)


def test_named_table_of_a_job_file_is_chosen(write: Write, plugins: PluginSource) -> None:
    path = write('[jobs.a]\nshell = "true"\n[jobs.b]\nshell = "false"')
    assert read_job_file(path, plugins, "b", {}).shell == "false"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ('shell = "true"', [": the job has no name; write 'rae-auto add NAME', or [jobs.NAME]"]),
        ('[jobs.a]\nshell = "x"\n[jobs.b]\nshell = "x"', [": has 2 jobs; name one of them in 'add': a, b"]),
        ("[jobs]", [": has no job; write [jobs.NAME] and its keys below"]),
        (
            'timezone = "UTC"\n[jobs.a]\nshell = "x"',
            [
                ': "timezone" belongs to a configuration, and this is the file of one job; remove it, or run the file '
                "with 'rae-auto run --config FILE'"
            ],
        ),
        (
            'id = "a"\nshell = "x"\ntimeout = "soon"\nevery = "5m"',
            [
                ':3: timeout: invalid duration "soon"; use a number and a unit, as in "90s" or "1h30m"',
                ':4: every: unknown key; write trigger = { type = "interval", every = "5m" }',
            ],
        ),
        ('[jobs.a]\nschedule = "x"', [":1: jobs.a: nothing to run", ":2: jobs.a.schedule: 'x' has not five fields"]),
        ("shell: x", [":1: invalid TOML: a key is followed by = in TOML, not by a colon; write shell = …"]),
    ],
)
def test_job_file_reports_all_mistakes(text: str, lines: list[str], write: Write, plugins: PluginSource) -> None:
    path: Any = write(text)
    with pytest.raises(ConfigError) as caught:
        read_job_file(path, plugins, None, {})
    shown = [line.removeprefix(str(path)) for line in caught.value.problems]
    assert [line[: len(expected)] for line, expected in zip(shown, lines, strict=True)] == lines
