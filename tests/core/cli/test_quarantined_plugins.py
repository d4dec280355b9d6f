"""Plugins that the running daemon has quarantined, as `rae-auto plugins` shows them."""

import json

import pytest
from tests.support.daemons import Daemons

from rae_auto.cli.entry import run

JOBS = """
[plugins]
paths = ["plugins"]
[jobs.a]
command = ["true"]
trigger = "odd"
"""
PLUGIN = '''
from attrs import frozen
from rae_auto.api import ScheduleTrigger
from rae_auto.hookspecs import hookimpl


@frozen
class Odd(ScheduleTrigger):
    """Fails."""

    type = "odd"

    def next_after(self, instant):
        raise ValueError("nothing works")


@hookimpl
def rae_triggers():
    return [Odd]
'''
SAID = 'trigger "odd" of file {}/plugins/odd.py is quarantined (odd) after 1 failure: next_after raised '


def test_list_and_page_of_a_plugin_say_that_it_is_quarantined(
    daemons: Daemons, capsys: pytest.CaptureFixture[str]
) -> None:
    (daemons.home / "plugins").mkdir(mode=0o700)
    (daemons.home / "plugins" / "odd.py").write_text(PLUGIN)

    def state() -> dict[str, str]:
        assert run(["plugins", "--json"]) == 0
        (found,) = [one for one in json.loads(capsys.readouterr().out) if one["name"] == "odd"]
        return {key: found[key] for key in ("state", "problem")}

    assert state() == {"state": "installed", "problem": None}
    daemons.serve()
    said = SAID.format(daemons.home)
    assert state()["state"] == "quarantined"
    assert state()["problem"].startswith(said)
    assert run(["plugins", "show", "trigger", "odd"]) == 0
    assert f"in the running daemon: {said}" in capsys.readouterr().out
    assert run(["plugins", "show", "trigger", "odd", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["quarantine"].startswith(said)
    assert run(["plugins", "show", "trigger", "cron"]) == 0
    assert "running daemon" not in capsys.readouterr().out
