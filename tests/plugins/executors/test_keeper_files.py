"""The files of a keeper: output that is ready, quiet attempts, and ends that the daemon has confirmed."""

import json
import os

import pytest
from tests.plugins.executors.keeper_peer import isolated_process, request_for, run_keeper
from tests.support.waiting import eventually

from rae_plugins.executors.process.keeper.files import records
from rae_plugins.executors.process.keeper.files.spare_files import SpareFiles

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs POSIX processes")

__all__ = ["isolated_process", "request_for"]


def test_confirmed_ends_leave_no_records(tmp_path, request_for):
    def talk(daemon):
        daemon.send(**request_for("quiet", "exit 3"))
        daemon.send(**request_for("loud", "echo hello"))
        while sum("ended" in report for report in daemon.reports) < 2:
            daemon.receive()
        assert [path.name for path in sorted(tmp_path.iterdir())] == ["loud.log", "quiet.log"]
        daemon.send(stored=["quiet", "loud", "unknown"])
        eventually(lambda: not (tmp_path / "quiet.log").exists())

    run_keeper(talk, records.DeferredRecords())
    assert [path.name for path in tmp_path.iterdir()] == ["loud.log"]


def test_confirmation_waits_behind_no_start(tmp_path, request_for):
    def talk(daemon):
        daemon.send(**request_for("a", "exit 3"))
        daemon.receive(), daemon.receive()
        starts = [request_for(f"job-{number}", "true") for number in range(30)]
        lines = [*starts, {"stored": ["a"]}]
        daemon.channel.sendall("".join(json.dumps(line) + "\n" for line in lines).encode())
        daemon.receive()
        assert not (tmp_path / "a.log").exists()

    run_keeper(talk, records.DeferredRecords())
    assert not (tmp_path / "a.exit").exists()


def test_output_begins_in_a_file_that_is_ready(tmp_path, request_for):
    spares = SpareFiles(str(tmp_path / "spares"))

    def talk(daemon):
        daemon.send(expect=2, folders=[str(tmp_path / "output" / "job")])
        eventually(lambda: len(list(tmp_path.glob("spares/*/*"))) == 2)
        inodes = {path.stat().st_ino for path in tmp_path.glob("spares/*/*")}
        daemon.send(**request_for("a", "echo hello", output=str(tmp_path / "output" / "job" / "a.log")))
        daemon.receive(), daemon.receive()
        assert (tmp_path / "output" / "job" / "a.log").stat().st_ino in inodes

    run_keeper(talk, records.DeferredRecords(), spares)
    assert (tmp_path / "output" / "job" / "a.log").read_text() == "hello\n"
    assert list((tmp_path / "spares").iterdir()) == []


def test_viewer_of_a_quiet_attempt_gets_no_output_of_other_runs(tmp_path, request_for):
    spares, seen = SpareFiles(str(tmp_path / "spares")), []

    def talk(daemon):
        daemon.send(**request_for("quiet", "until [ -e go ]; do sleep 0.01; done"))
        daemon.receive()
        with (tmp_path / "quiet.log").open("rb") as viewed:
            (tmp_path / "go").touch()
            daemon.receive()
            daemon.send(stored=["quiet"])
            eventually(lambda: not (tmp_path / "quiet.log").exists())
            daemon.send(**request_for("other", "echo secret"))
            daemon.receive(), daemon.receive()
            seen.append(viewed.read())

    run_keeper(talk, records.DeferredRecords(), spares)
    assert seen == [b""]
    assert (tmp_path / "other.log").read_text() == "secret\n"
