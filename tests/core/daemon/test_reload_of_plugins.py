"""Reloads and the plugins in use: all or nothing, and a line for what needs a restart."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.daemons import Daemons
from tests.support.planted_plugins import good_source

JOB = '[jobs.a]\ncommand = ["true"]\ntrigger = "good"\n'
FILES = '[plugins]\npaths = ["plugins"]\n'


@pytest.fixture
def daemons(tmp_path: Path) -> Iterator[Daemons]:
    (tmp_path / "plugins").mkdir(mode=0o700)
    (tmp_path / "plugins" / "good.py").write_text(good_source("schedule"))
    made = Daemons(tmp_path, JOB, FILES)
    made.serve()
    yield made
    made.end()


def test_failed_reload_leaves_the_plugins_in_use(daemons: Daemons) -> None:
    daemons.write(f'[plugins]\npaths = []\ndisable = ["interval"]\n{JOB}nonsense = 1\n')
    with pytest.raises(Exception, match="nonsense"):
        daemons.ask("reload")
    # The status reads the edited file, too, and neither changes what is in use.
    assert any("nonsense" in problem for problem in daemons.ask("status")["problems"])
    schedule = [{"type": "interval", "options": {"every": "1h"}}, {"type": "good"}]
    daemons.ask("add", definition={"id": "b", "command": ["true"], "schedule": schedule})
    assert daemons.ask("show", job="b")["info"]["problems"] == []


def test_reload_prints_that_the_file_of_a_plugin_changed(daemons: Daemons) -> None:
    file = daemons.home / "plugins" / "good.py"
    file.write_text(f"{file.read_text()}\n# edited\n")
    environment = {**os.environ, "RAE_STATE_DIR": str(daemons.state)}
    command = [*daemons.command, "reload", "--config", str(daemons.config)]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    line = f'problem: trigger "good" of file {file} has changed; restart the daemon to use that'
    assert (said.returncode, said.stdout.splitlines()) == (0, ["reloaded: no job changed", line]), said.stderr
    assert line.removeprefix("problem: ") in daemons.ask("status")["problems"]
