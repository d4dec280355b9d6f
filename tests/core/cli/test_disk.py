"""`disk` and `prune`: what the state takes, and removing what is old, with a daemon and without."""

import json

import pytest
from tests.support.waiting import eventually

from rae_auto.cli.entry import run

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
    assert "loud" not in disk_of(call)["output"] or disk_of(call)["output"]["loud"] < 100_000
    if not has_daemon:
        daemons.serve()
    assert [one["run_id"] for one in daemons.ask("history")] == [slow]
    daemons.ask("cancel", job="slow")


def test_prune_refuses_a_bad_age(daemons, call):
    code, _, said = call("prune", "--older-than", "soon")
    assert (code, "--older-than" in said) == (2, True)
