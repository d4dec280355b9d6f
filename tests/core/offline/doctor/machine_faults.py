"""Faults of the machine, the environment, the state directory and the store."""

import json
import os
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime

import pytest
from tests.core.offline.doctor.fault_table import fault
from tests.support.faulty_machine import World
from tests.support.unknown_user import forget_user

from rae_auto.model.job import Job
from rae_auto.model.plugin_ref import TriggerRef
from rae_auto.model.primitives.names import JobId
from rae_auto.offline.doctor import state

# The machine.


@fault("few inotify watches", "file events: max_user_watches 100, …; raise fs.inotify.max_user_watches …")
def _few_watches(world: World) -> None:
    world.write_system("/proc/sys/fs/inotify/max_user_watches", "100\n")


@fault("few inotify instances", "file events: …max_user_instances 2; raise fs.inotify…")
def _few_instances(world: World) -> None:
    world.write_system("/proc/sys/fs/inotify/max_user_instances", "2\n")


@fault("few open files", "open files: the limit is 64, and can be raised to 4096; …'ulimit -n 1024'")
def _few_open_files(world: World) -> None:
    world.facts["open_files"] = (64, 4096)


@fault("few processes", "processes: the limit is 20; …'ulimit -u 1024'")
def _few_processes(world: World) -> None:
    world.facts["processes"] = 20


@fault("a clock that is behind", "clock: the clock is 20,453 days 12 h behind the last change of …; set it with …")
def _clock_behind(world: World) -> None:
    changed_at = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    os.utime(world.config, (changed_at, changed_at))
    os.utime(world.state / "rae-auto.json", (0, 0))
    world.facts["now"] = datetime(1970, 1, 1, 12, tzinfo=UTC)


@fault("a clock that nothing keeps right", "clock: it is not synchronized …; run 'timedatectl set-ntp true', …")
def _free_clock(world: World) -> None:
    world.facts["is_clock_synchronized"] = False


@fault("no time zones", "time zones: unknown time zone …; install tzdata: …")
def _no_zones(world: World) -> None:
    world.monkeypatch.setattr("rae_auto.offline.doctor.machine.zone", _refuse_zone)


@fault("a TZ that is not understood", "time zones: … TZ=CET-1CEST does not say when …; or set timezone = …")
def _unknown_rule(world: World) -> None:
    world.set_environment(TZ="CET-1CEST")


@fault("a localtime that is no zone file", "time zones: …/etc/localtime is not a time zone file; link it to …")
def _bad_localtime(world: World) -> None:
    world.write_system("/etc/localtime", "Europe/Berlin\n")


@fault("a localtime that leads nowhere", "time zones: …/etc/localtime can't be read (…); link it to a zone file, …")
def _dangling_localtime(world: World) -> None:
    world.write_system("/etc/timezone", "Europe/Berlin\n")
    (world.root / "etc/localtime").symlink_to("/no/where")


def _refuse_zone(name: str) -> None:
    raise ValueError(f'unknown time zone "{name}"')


# The environment.


@fault("a HOME that isn't there", "environment: HOME=/nowhere is not a directory; create it, …")
def _no_home(world: World) -> None:
    world.give_daemon(HOME="/nowhere")


@fault(
    "a user without a home", "environment: your home directory is unknown, because user id … and HOME is not set; set …"
)
def _unknown_home(world: World) -> None:
    forget_user(world.monkeypatch)
    world.environment.pop("HOME")


@fault("a relative folder in PATH", 'environment: "tools" in PATH is relative, …; write the whole path…')
def _relative_path(world: World) -> None:
    world.set_environment(PATH=f"tools:{world.environment['PATH']}")


@fault("a folder in PATH that everyone can write", "environment: everyone can write to …; run 'chmod o-w …")
def _open_folder(world: World) -> None:
    world.programs.chmod(0o777)


@fault("a program that the daemon doesn't find", 'environment: …program "mine" not found on PATH of the daemon; …')
def _program_of_the_shell(world: World) -> None:
    world.add_program("mine", "", "own")
    world.set_environment(PATH=f"{world.home}/own:{world.environment['PATH']}")
    world.give_daemon(PATH="/usr/bin:/bin")
    world.add('[jobs.mine]\ncommand = ["mine"]\n')


# The state directory.


@fault("a state that others can read", "state: … can be read by other users (mode 755); …'chmod 700 …")
def _open_state(world: World) -> None:
    world.state.chmod(0o755)


@fault("a state of another user", "state: … belongs to another user (uid …); run rae-auto as that user, …")
def _state_of_another(world: World) -> None:
    world.facts["user"] = os.geteuid() + 1
    world.configure("")  # and nothing else of the configuration


@fault("files of root after a run with sudo", "state: 1 file in … of another user, such as output; run 'sudo chown …")
def _files_of_another(world: World) -> None:
    if os.geteuid():
        pytest.skip("only root can give files away")
    (world.state / "output").mkdir()
    os.chown(world.state / "output", 12345, 12345)


@fault("a state that can't be changed", "state: … is read-only, so the daemon can't change it; run 'chmod 600 …")
def _read_only_state(world: World) -> None:
    (world.state / "state.sqlite").chmod(0o400)


@fault("a file in place of the state", "state: … is not a directory; move it away, or set RAE_STATE_DIR")
def _file_as_state(world: World) -> None:
    shutil.rmtree(world.state)
    world.state.touch()


@fault("a path too long for a socket", "control socket: the path has … bytes, of 100 possible; set RAE_STATE_DIR …")
def _long_path(world: World) -> None:
    world.monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    world.monkeypatch.setenv("RAE_STATE_DIR", str(world.home / ("x" * 100)))


@fault("a full disk", "disk: … free on …; free some space: no run can start on a full disk")
def _full_disk(world: World) -> None:
    world.monkeypatch.setattr(state, "MIN_FREE_BYTES", 1 << 60)


@fault("no room for more files", "disk: room for … more files on …; delete files: …")
def _no_inodes(world: World) -> None:
    world.monkeypatch.setattr(state, "MIN_FREE_FILES", 1 << 60)


@fault("a state on a network", "disk: … free on nfs4; set RAE_STATE_DIR to a local directory, …")
def _network(world: World) -> None:
    from rae_auto.toolkit.mounts import Mount

    world.monkeypatch.setattr(state, "read_mounts", lambda: (Mount("/", "nfs4"),))


@fault("a state of two configurations", "state: … was last used with …/other.toml, and …; give one of them …")
def _two_configurations(world: World) -> None:
    (world.home / "other.toml").touch()
    (world.state / "rae-auto.json").write_text(json.dumps({"config": str(world.home / "other.toml")}))


@fault("a state key that can't be read", "state: …:1: the key state can't be read, …; write state = …")
def _unreadable_key(world: World) -> None:
    world.monkeypatch.delenv("RAE_STATE_DIR")
    world.configure("state = 'x\n")


# The store.


@fault("a damaged store", "store: …state.sqlite…; start the daemon, …")
def _damaged_store(world: World) -> None:
    (world.state / "state.sqlite").write_bytes(b"no database" * 1000)
    for copy in world.state.glob("*.bak"):
        copy.unlink()


@fault("a damaged row", "store: 1 document of the store can't be read; start the daemon, which repairs what it can…")
def _damaged_row(world: World) -> None:
    world.make_store(Job(id=JobId("kept"), command="true"))
    with closing(sqlite3.connect(world.state / "state.sqlite")) as database, database:
        database.execute("UPDATE documents SET body = replace(body, 'kept', 'lost')")
    database.close()


@fault("an added job without its plugin", 'added job: job "b": unknown trigger "vanished"…; install its plugin …')
def _job_without_plugin(world: World) -> None:
    world.make_store(Job(id=JobId("b"), command="true", schedule=[TriggerRef("vanished")]))


@fault("an old copy", 'store: store "sqlite": the newest copy of … older than its last change; keep the daemon …')
def _old_copy(world: World) -> None:
    for copy in world.state.glob("*.bak"):
        copy.rename(world.state / "state-20260101T000000.000000Z.bak")


@fault("a damaged copy", 'store: store "sqlite": the copy … is damaged; remove it: …')
def _damaged_copy(world: World) -> None:
    (copy,) = world.state.glob("*.bak")
    copy.write_bytes(copy.read_bytes()[:4096] + b"\0" * 4096)
