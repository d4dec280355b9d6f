"""Origins of what is asked for through `rae-auto mcp`, over both protocols, by clients that lie."""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from tests.support import mcp_by_hand
from tests.support.daemons import Daemons
from tests.support.mcp_by_hand import PROTOCOLS, STATELESS, call_tools
from tests.support.waiting import eventually

JOBS = """
[jobs.hello]
command = ["true"]
"""

ANN = {"name": "ann", "version": "1", "via": "command_line", "user": "root", "run_id": "01M8MHMED8", "job": "hello"}
"""The words of a client about itself, and more than it is asked for."""

FORGED = {"added_by": {"via": "command_line", "user": "root"}, "via": "command_line", "client": "", "run": "01M8MHMED8"}
"""The same in other places."""


@pytest.fixture(scope="module")
def daemons(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemons]:
    daemons = Daemons(tmp_path_factory.mktemp("mcp-origins"), JOBS)
    daemons.serve()
    yield daemons
    daemons.end()


def server_of(daemons: Daemons) -> list[str]:
    return [sys.executable, "-m", "rae_auto", "mcp", "--allow-actions", "--config", str(daemons.config)]


def ask(daemons: Daemons, protocol: str, *calls: tuple[str, dict[str, Any]], about: Any = ANN) -> list[Any]:
    """Return the results of calls of tools, made by one client that says this about itself."""
    environment = {**os.environ, "RAE_STATE_DIR": str(daemons.state)}
    answers = call_tools(server_of(daemons), environment, protocol, calls, client_info=about, meta=FORGED)
    return [answer["result"] for answer in answers]


def text_of(result: Any) -> str:
    return str(result["content"][0]["text"])


def definition_of(name: str, **more: Any) -> dict[str, Any]:
    return {"definition": {"id": name, "command": ["true"], **more}}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_origin_is_what_the_daemon_knows_whatever_a_client_says(daemons: Daemons, protocol: str) -> None:
    name = f"added-{protocol}"
    added, started = ask(daemons, protocol, ("add", definition_of(name)), ("run", {"job": "hello"}))
    assert json.loads(text_of(added))["job"] == name
    added_by = daemons.ask("show", job=name)["info"]["added_by"]
    assert (added_by["via"], added_by["client"], added_by["run_id"], added_by["job"]) == ("mcp", "ann 1", None, None)
    assert added_by["text"].startswith('"ann 1" through rae-auto mcp')
    run = json.loads(text_of(started))["run_id"]
    eventually(lambda: daemons.ask("history", run=run))
    triggered_by = daemons.ask("history", run=run)[0]["triggered_by"]
    assert (triggered_by["via"], triggered_by["client"], triggered_by["run_id"]) == ("mcp", "ann 1", None)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_origin_can_not_be_given_as_an_argument(daemons: Daemons, protocol: str) -> None:
    refused = {
        "added_by": ("add", definition_of("x", added_by={"via": "command_line"})),
        "'via' was unexpected": ("add", {**definition_of("x"), "via": "command_line"}),
        "'client' was unexpected": ("run", {"job": "hello", "client": "ann"}),
    }
    for words, result in zip(refused, ask(daemons, protocol, *refused.values()), strict=True):
        assert result["isError"]
        assert words in text_of(result)
    assert "x" not in [job["id"] for job in daemons.ask("list")]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_name_of_a_client_is_short_and_printable(daemons: Daemons, protocol: str) -> None:
    about = {"name": '\x1b[2J\nann" through the command line' + "x" * 500, "version": "9"}
    name = f"odd-{protocol}"
    ask(daemons, protocol, ("add", definition_of(name)), about=about)
    added_by = daemons.ask("show", job=name)["info"]["added_by"]
    assert added_by["via"] == "mcp"
    assert added_by["client"].isprintable()
    assert len(added_by["client"]) <= 64
    assert added_by["text"].startswith('"[2Jann\\" through the command line')


def test_stateless_client_without_a_name_is_still_known_to_be_an_agent(daemons: Daemons) -> None:
    ask(daemons, STATELESS, ("add", definition_of("nameless")), about=None)
    added_by = daemons.ask("show", job="nameless")["info"]["added_by"]
    assert (added_by["via"], added_by["client"], added_by["run_id"]) == ("mcp", "", None)
    assert added_by["text"].startswith("an agent through rae-auto mcp")


@pytest.mark.skipif(shutil.which("setsid") is None, reason="needs setsid(1)")
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_job_that_hides_its_run_is_found_out(daemons: Daemons, protocol: str) -> None:
    """The job clears its environment, leaves its session, and has a client of its own say that it is ann."""
    name, forger = f"forged-{protocol}", f"forger-{protocol}"
    calls = json.dumps([("add", definition_of(name))])
    call = [protocol, json.dumps(ANN), json.dumps(FORGED), calls, *server_of(daemons)]
    hidden = ["setsid", "-w", "env", "-i", f"PATH={os.environ['PATH']}", f"RAE_STATE_DIR={daemons.state}"]
    command = [*hidden, sys.executable, str(mcp_by_hand.__file__), *call]
    daemons.ask("add", definition={"id": forger, "command": command})
    run = daemons.ask("trigger", job=forger)["run_id"]
    eventually(lambda: daemons.ask("history", run=run)[0]["state"] in ("succeeded", "failed"))
    assert daemons.ask("history", run=run)[0]["state"] == "succeeded"
    added_by = daemons.ask("show", job=name)["info"]["added_by"]
    assert (added_by["via"], added_by["run_id"], added_by["job"]) == ("mcp", run, forger)
    assert added_by["text"] == f'run {run} of job "{forger}", through rae-auto mcp'
