"""Distributions that are installed while a daemon runs: `reload` takes what is new, and says what needs a restart."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.daemons import Daemons

WHEELS = Path(__file__).parents[1] / "frozen"
JOB = '[jobs.a]\ncommand = ["true"]\ntrigger = { type = "frozen-hours", hours = 6 }\n'


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemons]:
    """A daemon with an empty folder of distributions before the installed ones."""
    (tmp_path / "site").mkdir()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    made = Daemons(tmp_path, "")
    yield made
    made.end()


def install(wheel: str, site: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", str(site)]
    subprocess.run([*command, str(WHEELS / wheel)], check=True, timeout=55)


def test_reload_takes_what_is_new_and_names_what_needs_a_restart(daemon: Daemons) -> None:
    site = daemon.home / "site"
    daemon.serve()
    daemon.write(JOB)
    with pytest.raises(Exception, match='unknown trigger "frozen-hours"'):
        daemon.ask("reload")
    install("rae_trigger_frozen_hours-1.0-py3-none-any.whl", site)
    assert daemon.ask("reload")["added"] == ["a"]
    (job,) = daemon.ask("list")
    assert (job["schedule"], job["problems"]) == (["every 6 h"], [])
    assert job["next_at"] is not None
    # Another version, as an update leaves it: what is loaded stays loaded.
    old = site / "rae_trigger_frozen_hours-1.0.dist-info"
    shutil.move(old, site / "rae_trigger_frozen_hours-1.1.dist-info")
    metadata = site / "rae_trigger_frozen_hours-1.1.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text().replace("Version: 1.0", "Version: 1.1"))
    (line,) = daemon.ask("reload")["needs_restart"]
    (problem,) = daemon.ask("status")["problems"]
    assert problem.startswith('trigger "frozen-hours" of rae-trigger-frozen-hours 1.0 is now installed as ')
    assert problem.endswith("rae-trigger-frozen-hours 1.1; restart the daemon to use that")
    assert line == problem
    assert daemon.stop() == 0
    assert problem in daemon.whole_output()
