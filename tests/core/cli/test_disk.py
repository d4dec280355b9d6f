"""`disk` and `prune`: what the state takes, and removing what is old, with a daemon and without."""

import json
import threading
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
from tests.support.waiting import eventually

from rae_auto.cli import failures, options, queries
from rae_auto.cli.entry import run
from rae_auto.cli.queries import report_check
from rae_auto.offline import history_check
from rae_auto.records.state_directory import claim_state_directory
from rae_plugins.stores.sqlite import SqliteStore

JOBS = '[jobs.loud]\nshell = "head -c 100000 /dev/zero"\n[jobs.slow]\ncommand = ["sleep", "600"]\n'


@pytest.fixture
def call(capsys):
    def call(*arguments):
        capsys.readouterr()
        return run([*arguments]), *capsys.readouterr()

    return call


def disk_of(call):
    return json.loads(call("disk", "--json")[1])


def test_disk_says_what_takes_how_much(daemons, call):
    assert call("disk")[0] == 1
    daemons.serve()
    daemons.ask("trigger", job="loud")
    eventually(lambda: disk_of(call)["output"].get("loud", 0) >= 100_000)
    usage = disk_of(call)
    assert min(usage["store"], usage["log"], usage["free"]) > 0
    assert usage["total"] >= sum(usage["output"].values()) + usage["store"]
    code, said, _ = call("disk")
    assert (code, "loud" in said, str(daemons.state) in said) == (0, True, True)


@pytest.mark.parametrize("has_daemon", [True, False])
def test_prune_removes_what_is_old_but_no_open_run(daemons, call, has_daemon):
    daemons.serve()
    daemons.ask("trigger", job="loud")
    slow = daemons.ask("trigger", job="slow")["run_id"]
    eventually(lambda: [one["state"] for one in daemons.ask("history", job="loud")] == ["succeeded"])
    eventually(lambda: [one["state"] for one in daemons.ask("history", job="slow")] == ["running"])
    if not has_daemon:
        daemons.kill()
    assert json.loads(call("prune", "--json")[1])["removed"] == 0
    code, said, _ = call("prune", "--older-than", "0s")
    assert (code, said.startswith("removed 1 record; ")) == (0, True)
    assert "0 bytes are free" not in said
    assert call("prune")[1] == "removed 0 records\n"
    assert "loud" not in disk_of(call)["output"] or disk_of(call)["output"]["loud"] < 100_000
    if not has_daemon:
        daemons.serve()
    assert [one["run_id"] for one in daemons.ask("history")] == [slow]
    daemons.ask("cancel", job="slow")


def test_prune_refuses_a_bad_age(daemons, call):
    code, _, said = call("prune", "--older-than", "soon")
    assert (code, "--older-than" in said) == (2, True)


@pytest.mark.parametrize("command", [("prune",), ("event", "delete", "--all")])
def test_removal_says_that_it_waits_for_a_check(daemons, call, monkeypatch, command):
    """Else it would hang without a word for as long as the check of a long history takes."""
    said, report = threading.Event(), failures.print_once

    def note(text):
        report(text)
        said.set()

    def check(_):
        return lambda: None if said.wait(60) else pytest.fail("nothing was said")

    monkeypatch.setattr(options, "print_once", note)
    monkeypatch.setattr(SqliteStore, "make_check", check)
    monkeypatch.setattr(history_check, "SAY_SECONDS", 0.0)
    claim_state_directory(daemons.state)
    code, _, text = call(*command)
    assert code == 0, text
    assert "its history is checked first" in text


@pytest.mark.parametrize(("facts", "says"), [({"store": {"is_checking": True}}, True), ({"starting": True}, False)])
def test_removal_by_a_daemon_says_that_it_waits_for_a_check(capsys, monkeypatch, facts, says):
    monkeypatch.setattr(failures, "_printed", set())
    client = SimpleNamespace(call=lambda _: facts)
    monkeypatch.setattr(queries, "connect", lambda _: nullcontext(client))
    report_check(None)
    assert ("its history is checked first" in capsys.readouterr().err) is says
