"""Plugins that are single files, and which plugins are used at all."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

DISABLED = "is disabled; remove it from [plugins] disable, --no-plugin and RAE_DISABLED_PLUGINS"
TICK = '''
from datetime import datetime, timedelta
from attrs import frozen
from rae_auto.api import ScheduleTrigger
from rae_auto.hookspecs import hookimpl

print("it prints when it is imported")


@frozen
class Tick(ScheduleTrigger):
    """Fires each hour."""

    type = "tick"

    def next_after(self, instant: datetime) -> datetime:
        print("and when it is asked")
        return instant.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


@hookimpl
def rae_triggers():
    return [Tick]
'''
JOB = '[jobs.a]\ncommand = ["true"]\ntrigger = "tick"\n'


class Home:
    """A folder with a configuration and a folder of plugins."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = path / "plugins" / "tick.py"
        self.file.parent.mkdir(mode=0o755)
        self.write(self.file, TICK)
        self.configure('[plugins]\npaths = ["plugins/"]\n')

    def configure(self, head: str = "") -> None:
        self.write(self.path / "rae.toml", head + JOB)

    def write(self, path: Path, text: str) -> None:
        path.write_text(text)
        path.chmod(0o600)

    def rae_auto(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "rae_auto", *arguments]
        variables = {**os.environ, "RAE_STATE_DIR": str(self.path / "state"), **environment}
        return subprocess.run(command, capture_output=True, text=True, env=variables, cwd=self.path)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_plugin_in_a_single_file_is_used_without_packaging(home: Home) -> None:
    done = home.rae_auto("next", "a", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout), "what it prints is not part of the JSON"
    assert "it prints when it is imported" in done.stderr
    assert "and when it is asked" in done.stderr


def test_plugins_of_the_configuration_are_listed_and_shown(home: Home) -> None:
    def names() -> list[str]:
        return [row["name"] for row in json.loads(home.rae_auto("plugins", "list", "--json").stdout)]

    assert "tick" in names()
    assert "Fires each hour." in home.rae_auto("plugins", "show", "trigger", "tick").stdout
    home.configure('[plugins]\npaths = ["plugins/"]\ndisable = ["tick", "trigger:cron"]\n')
    assert {"tick", "interval"} & {*names()} == {"interval"}
    home.configure("broken = [\n")
    assert "cron" in names()


@pytest.mark.parametrize("position", ["before", "after"])
def test_folder_of_plugins_is_an_option_of_every_command(home: Home, position: str) -> None:
    home.configure()
    option = ["--plugins-dir", "plugins"]
    done = home.rae_auto(*([*option, "check"] if position == "before" else ["check", *option]))
    assert (done.returncode, "is valid: 1 job" in done.stdout) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "environment", "why"),
    [
        (["--no-plugin", "tick"], {}, DISABLED),
        (["--no-plugin", "trigger:tick"], {}, DISABLED),
        (["--no-plugin=tick.py"], {}, DISABLED),
        ([], {"RAE_NO_PLUGINS": "1"}, "is not used, because RAE_NO_PLUGINS is set; unset that"),
    ],
)
def test_plugin_that_is_left_out_is_named_with_the_reason(
    home: Home, arguments: list[str], environment: dict[str, str], why: str
) -> None:
    done = home.rae_auto("check", *arguments, **environment)
    assert done.returncode == 2
    text = done.stdout + done.stderr
    assert 'trigger "tick" of file ' in text
    assert f"tick.py {why}" in text


def test_configuration_leaves_a_plugin_out(home: Home) -> None:
    home.configure('[plugins]\npaths = ["plugins/"]\ndisable = ["tick", "tock"]\n')
    done = home.rae_auto("check")
    text = done.stdout + done.stderr
    assert f"tick.py {DISABLED}" in text
    assert 'plugins: unknown plugin "tock" is disabled' in text


def test_loading_is_traced_with_time_and_file(home: Home) -> None:
    done = home.rae_auto("check", RAE_TRACE_PLUGINS="1")
    (line,) = [line for line in done.stderr.splitlines() if line.startswith('rae-auto: trigger "tick" of file ')]
    assert str(home.file) in line
    assert " loaded in " in line


@pytest.mark.requirement("S24")
@pytest.mark.parametrize("what", ["file", "folder"])
def test_file_that_others_could_change_is_not_loaded(home: Home, what: str) -> None:
    (home.file if what == "file" else home.file.parent).chmod(0o666 if what == "file" else 0o777)
    done = home.rae_auto("check")
    assert done.returncode == 2
    text = done.stdout + done.stderr
    assert f"{home.file} is" in text or f"{home.file} its directory" in text
    assert "writable by everyone" in text
    assert "it prints" not in text


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("def broken(:\n", "tick.py:1: invalid syntax"),
        ("x = 1\n", "offers no plugin; write one of the functions rae_triggers,"),
    ],
)
def test_file_that_is_no_plugin_is_named_without_running_it(home: Home, source: str, problem: str) -> None:
    home.write(home.file, source)
    done = home.rae_auto("check")
    assert done.returncode == 2
    assert problem in done.stdout + done.stderr


def test_folder_that_does_not_exist_is_named(home: Home) -> None:
    home.configure('[plugins]\npaths = ["plugin/"]\n')
    done = home.rae_auto("check")
    assert f"{home.path / 'plugin'} is neither a folder nor a file NAME.py" in done.stdout + done.stderr
