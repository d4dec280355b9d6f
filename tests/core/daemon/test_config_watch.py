"""`watch_config = true`: the file is read again when it changes, as SIGHUP would have it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.waiting import eventually

from rae_auto.control.client import Client
from rae_auto.daemon.reloading.directory_entries import find_directory_entries
from rae_auto.errors import DaemonUnreachable

WATCHED = 'watch_config = true\nstore = "json"\n'


def jobs(*names):
    return "".join(f'[jobs.{name}]\ncommand = ["true"]\n' for name in names)


def write(path, text):
    path.write_text(text)
    path.chmod(0o600)


def replace(path, text):
    """As most editors do it."""
    beside = path.with_name(".rae.toml.new")
    write(beside, text)
    beside.replace(path)


def ask(command, **arguments):
    with Client() as client:
        return client.call(command, **arguments)


def answers():
    try:
        return ask("ping")
    except DaemonUnreachable:
        return None


def names():
    return sorted(job["id"] for job in ask("list"))


def inotify_handles(pid):
    links = []
    for handle in Path(f"/proc/{pid}/fd").iterdir():
        try:
            links.append(os.readlink(handle))
        except FileNotFoundError:
            continue
    return sum("inotify" in link for link in links)


@pytest.fixture
def serve(tmp_path, monkeypatch):
    monkeypatch.setenv("RAE_STATE_DIR", str(tmp_path / "state"))
    started = []

    def serve(path):
        command = [sys.executable, "-m", "rae_auto", "run", "--config", str(path)]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        started.append(process)
        eventually(lambda: process.poll() is not None or answers())
        assert process.poll() is None
        return process

    yield serve
    for process in started:
        # Not killed: what it has done is to count as tested.
        process.terminate()
    for process in started:
        assert process.wait(60) in (0, -9)


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "etc" / "rae.toml"
    path.parent.mkdir()
    write(path, WATCHED + jobs("a"))
    return path


@pytest.mark.requirement("R38")
@pytest.mark.parametrize("save", [write, replace])
def test_config_watch_loads_a_change_and_reports_a_bad_one(config, serve, save):
    serve(config)
    save(config, WATCHED + jobs("a", "b"))
    eventually(lambda: names() == ["a", "b"])
    save(config, WATCHED + "[jobs.c]\ncolour = 1\n")
    (problem,) = eventually(lambda: ask("status")["problems"])
    assert "colour" in problem
    assert names() == ["a", "b"]
    save(config, WATCHED + jobs("c"))
    eventually(lambda: names() == ["c"] and ask("status")["problems"] == [])


def test_config_watch_reports_a_missing_file_and_loads_it_again(config, serve):
    serve(config)
    config.unlink()
    (problem,) = eventually(lambda: ask("status")["problems"])
    assert "file not found" in problem
    write(config, WATCHED + jobs("b"))
    eventually(lambda: names() == ["b"])


def test_config_watch_follows_links(config, serve, tmp_path):
    other, link = tmp_path / "other.toml", tmp_path / "link" / "rae.toml"
    link.parent.mkdir()
    link.symlink_to(config)
    serve(link)
    replace(config, WATCHED + jobs("b"))
    eventually(lambda: names() == ["b"])
    write(other, WATCHED + jobs("c"))
    beside = link.with_name("beside")
    beside.symlink_to("../other.toml")
    beside.replace(link)
    eventually(lambda: names() == ["c"])
    write(other, WATCHED + jobs("d"))
    eventually(lambda: names() == ["d"])


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_reload_switches_config_watch_on_and_off(config, serve):
    write(config, jobs("a"))
    daemon = serve(config)
    assert inotify_handles(daemon.pid) == 0
    write(config, WATCHED.replace('store = "json"\n', "") + jobs("b"))
    ask("reload")
    assert names() == ["b"]
    write(config, WATCHED.replace('store = "json"\n', "") + jobs("c"))
    eventually(lambda: names() == ["c"])
    write(config, jobs("d"))
    eventually(lambda: names() == ["d"])
    eventually(lambda: inotify_handles(daemon.pid) == 0)


def test_failing_config_watch_is_reported_and_nothing_else_fails(config, serve, tmp_path, monkeypatch):
    broken = tmp_path / "broken" / "watchdog.py"
    broken.parent.mkdir()
    broken.write_text("raise OSError(28, 'inotify watch limit reached')")
    monkeypatch.setenv("PYTHONPATH", str(broken.parent))
    serve(config)
    (problem,) = ask("status")["problems"]
    assert "is not watched ([Errno 28] inotify watch limit reached); 'rae-auto reload'" in problem
    write(config, jobs("b"))
    ask("reload")
    assert names() == ["b"]
    assert ask("status")["problems"] == []


def test_watch_library_is_imported_only_when_needed():
    script = "import rae_auto.daemon.daemon, sys; print('watchdog' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert said.stdout == "False\n"


def test_included_files_are_watched_and_new_ones_found(tmp_path, serve):
    config, folder = tmp_path / "rae.toml", tmp_path / "conf.d"
    folder.mkdir()
    write(config, 'include = ["conf.d/*.toml"]\n' + WATCHED + jobs("a"))
    write(folder / "b.toml", jobs("b"))
    serve(config)
    assert names() == ["a", "b"]
    write(folder / "b.toml", jobs("b", "c"))
    eventually(lambda: names() == ["a", "b", "c"])
    write(folder / "d.toml", jobs("d"))
    eventually(lambda: names() == ["a", "b", "c", "d"])
    (folder / "b.toml").unlink()
    eventually(lambda: names() == ["a", "d"])


def test_find_directory_entries_returns_links_and_the_file(tmp_path):
    there = tmp_path.resolve()
    (there / "1").mkdir()
    (there / "..data").symlink_to("1")
    (there / "rae.toml").symlink_to("..data/rae.toml")
    assert find_directory_entries(there / "rae.toml") == {there: {"rae.toml", "..data"}, there / "1": {"rae.toml"}}
    (there / "round").symlink_to("round")
    assert find_directory_entries(there / "round") == {there: {"round"}}
