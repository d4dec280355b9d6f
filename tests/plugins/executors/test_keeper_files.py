"""The files of a keeper: output that is ready, quiet attempts, and ends that the daemon has confirmed."""

import errno
import json
import os

import pytest
from tests.plugins.executors.keeper_peer import isolated_process, request_for, run_keeper
from tests.support.waiting import eventually

from rae_plugins.executors.process.keeper.files import output, records
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


@pytest.fixture
def nearly_full_disk(monkeypatch):
    """A disk on which five more bytes fit."""
    left, write = [5], os.write

    def write_what_fits(descriptor, data):
        if not left[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        fits, left[0] = data[: left[0]], max(left[0] - len(data), 0)
        return write(descriptor, fits)

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", write_what_fits)
        yield


@pytest.mark.requirement("R22")
def test_record_that_fits_only_in_part_replaces_none(tmp_path, nearly_full_disk):
    (tmp_path / "a.exit").write_text('{"exit_code": 0}')
    with pytest.raises(OSError, match="No space left"):
        records.write_atomically(str(tmp_path / "a.exit"), {"exit_code": 1, "error": None})
    assert [path.read_text() for path in tmp_path.iterdir()] == ['{"exit_code": 0}']


def test_output_that_fits_only_in_part_is_continued_at_its_end(tmp_path, monkeypatch):
    fits, pwrite = [3, 0, 9, 9], os.pwrite

    def write_what_fits(file, data, offset):
        if not (count := fits.pop(0)):
            raise OSError(errno.ENOSPC, "No space left on device")
        return pwrite(file, data[:count], offset)

    monkeypatch.setattr(os, "pwrite", write_what_fits)
    file = os.open(tmp_path / "a.log", os.O_RDWR | os.O_CREAT)
    with pytest.raises(OSError, match="No space left"):
        output.write_at(file, b"first", 0)
    output.write_at(file, b"second", 0)
    os.close(file)
    assert (tmp_path / "a.log").read_bytes() == b"second"


@pytest.mark.requirement("R22")
def test_end_is_on_record_though_the_output_has_no_room(tmp_path, request_for, monkeypatch):
    close = output.CappedOutput.close

    def close_and_fail(self):
        close(self)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(output.CappedOutput, "close", close_and_fail)

    def talk(daemon):
        daemon.send(**request_for("loud", "echo hello; exit 3"))
        daemon.receive(), daemon.receive()

    run_keeper(talk)
    assert json.loads((tmp_path / "loud.exit").read_bytes())["exit_code"] == 3
