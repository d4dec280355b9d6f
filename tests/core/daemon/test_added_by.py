import json
import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from tests.support.daemons import Daemons
from tests.support.forgers import daemon_with_forger
from tests.support.waiting import eventually

from rae_auto.control.protocol import encode_request
from rae_auto.errors import BadRequest
from rae_auto.model.reasons.requesters import Requester, RequestWay
from rae_auto.paths import socket_path

NEW = {"id": "new", "command": ["true"]}


@pytest.fixture(scope="module")
def daemons(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemons]:
    """One daemon for all tests, each of which removes what it adds."""
    forged = {"definition": {"id": "forged", "command": ["true"]}}
    with daemon_with_forger(tmp_path_factory.mktemp("added"), "add", forged) as daemons:
        yield daemons


def _added_by(daemons: Daemons, job: str) -> dict[str, str]:
    found = [info["added_by"] for info in daemons.ask("list") if info["id"] == job]
    return found[0] if found else {}


def test_added_jobs_show_their_origin(daemons: Daemons):
    daemons.ask("add", definition=NEW, via="mcp", client="an-agent 1.0")
    added_by = _added_by(daemons, "new")
    assert (added_by["via"], added_by["client"], added_by["run_id"]) == ("mcp", "an-agent 1.0", None)
    assert added_by["text"].startswith('"an-agent 1.0" through rae-auto mcp, as user ')
    facts = daemons.ask("why", job="new")["facts"]
    assert any(fact["subject"] == "added by" and '"an-agent 1.0"' in fact["text"] for fact in facts)
    assert daemons.ask("show", job="new")["info"]["added_by"] == added_by
    assert daemons.ask("show", job="forger")["info"]["added_by"] is None
    daemons.ask("remove", job="new")


def test_jobs_can_not_hide_that_they_added_a_job(daemons: Daemons):
    run = daemons.ask("trigger", job="forger")["run_id"]
    eventually(lambda: _added_by(daemons, "forged"))
    added_by = _added_by(daemons, "forged")
    assert (added_by["run_id"], added_by["job"]) == (run, "forger")
    assert added_by["text"] == f'run {run} of job "forger", through the command line'
    daemons.ask("cancel", job="forger")
    daemons.ask("remove", job="forged")


def test_origin_of_an_added_job_outlives_a_restart(daemons: Daemons):
    daemons.ask("add", definition=NEW, via="python")
    before = _added_by(daemons, "new")
    daemons.stop()
    daemons.serve()
    assert _added_by(daemons, "new") == before
    daemons.ask("remove", job="new")


@pytest.mark.parametrize("given", [{"via": "config"}, {"via": 1}, {"client": "a\nb"}, {"client": "x" * 65}])
def test_add_refuses_an_unknown_origin(daemons: Daemons, given: dict[str, object]):
    with pytest.raises(BadRequest, match=next(iter(given))):
        daemons.ask("add", definition=NEW, **given)


def test_definitions_can_not_say_who_added_them(daemons: Daemons):
    with pytest.raises(Exception, match="added_by"):
        daemons.ask("add", definition={**NEW, "added_by": {"via": "command_line"}})


def test_add_refuses_a_program_that_does_not_wait(daemons: Daemons):
    # The child connects and ends; its parent sends the request in its place.
    client = socket.socket(socket.AF_UNIX)
    child = os.fork()
    if child == 0:
        client.connect(str(socket_path(daemons.state)))
        os._exit(0)
    os.waitpid(child, 0)
    with client:
        client.sendall(encode_request("add", {"definition": NEW}, 1))
        answer = json.loads(client.makefile("rb").readline())
    assert "let it wait for the answer" in answer["error"]["message"]


def test_description_of_an_unknown_run():
    origin = Requester(at=datetime.now(UTC), via=RequestWay.MCP, run="")  # type: ignore[arg-type]
    assert origin.describe() == "a run that can't be told, through rae-auto mcp"
