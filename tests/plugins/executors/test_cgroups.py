"""Control groups: real ones where this machine allows it, and directories that look like them."""

import asyncio
import os
from datetime import timedelta
from pathlib import Path

import pytest
from tests.plugins.executors.conftest import run_async
from tests.plugins.executors.test_process import an_executor, is_alive
from tests.support.waiting import eventually

from rae_auto.model.policies import Limits
from rae_plugins.executors.process.keeper import cgroups, procfs
from rae_plugins.executors.process.keeper.cgroups import (
    Cgroup,
    CgroupFactory,
    available_controllers,
    find_own_directory,
)

needs_groups = pytest.mark.skipif(find_own_directory() is None, reason="needs a writable cgroup v2 directory")


@needs_groups
@pytest.mark.requirement("R28")
def test_cgroup_of_a_job_is_removed_with_its_processes(tmp_path, make_assignment):
    script = "(setsid env -i sh -c 'trap \"\" TERM; echo $$ > pid; sleep 300; sleep 300' &); sleep 300"

    async def work():
        async with an_executor(tmp_path) as executor:
            execution = await executor.start(make_assignment(script, limits=Limits(cpu_time="1h")))
            group = Path(execution.handle["group"])
            await asyncio.to_thread(eventually, lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
            pid = int((tmp_path / "pid").read_text())
            assert str(pid) in (group / "cgroup.procs").read_text().split()
            await execution.cancel(timedelta(milliseconds=50))
            return group, is_alive(pid), await execution.wait()

    group, still_alive, result = run_async(work)
    assert (group.exists(), still_alive, result.error) == (False, False, None)


@needs_groups
def test_cgroup_is_not_created_without_tree_limits(tmp_path, make_assignment):
    async def work():
        async with an_executor(tmp_path) as executor:
            execution = await executor.start(make_assignment("true", limits=Limits(nice=1)))
            await execution.wait()
            return execution.handle["group"]

    assert run_async(work) is None


@pytest.fixture
def directory(tmp_path):
    """Return a directory like that of a delegated group with both controllers, in which only we live."""
    (tmp_path / "cgroup.type").write_text("domain\n")
    (tmp_path / "cgroup.procs").write_text(f"{os.getpid()}\n{os.getppid()}\n")
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    (tmp_path / "cgroup.subtree_control").write_text("")
    return tmp_path


def test_available_controllers_are_those_of_our_limits(directory):
    assert available_controllers(str(directory)) == {"memory", "pids"}


def test_available_controllers_need_a_group_without_others(directory):
    (directory / "cgroup.procs").write_text("1\n")
    assert available_controllers(str(directory)) == set()


def test_cgroup_factory_moves_processes_to_a_leaf_first(directory):
    groups = CgroupFactory(str(directory))
    # A directory takes only the last of what is written to a file of the kernel.
    assert (directory / "rae-auto" / "cgroup.procs").read_text() == str(os.getppid())
    assert (directory / "cgroup.subtree_control").read_text() == "+pids"
    assert groups.controllers == set()


def test_cgroup_writes_its_limits(directory):
    group = Cgroup(str(directory / "job"), {"memory": 1 << 20, "processes": 5}, {"memory", "pids"})
    assert group.enforced == {"memory", "processes"}
    assert (directory / "job" / "memory.max").read_text() == "1048576"
    assert (directory / "job" / "pids.max").read_text() == "5"


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        ("memory.events", "low 0\nmax 7\noom 1\noom_kill 2\n", "memory"),
        ("memory.events", "low 0\nmax 7\noom 0\noom_kill 0\n", None),
        ("pids.events", "max 3\n", "processes"),
        ("pids.events", "max 0\n", None),
    ],
)
def test_cgroup_names_the_exceeded_limit(directory, file, text, expected):
    group = Cgroup(str(directory / "job"), {}, set())
    (directory / "job" / file).write_text(text)
    assert group.exceeded_limit() == expected


def test_cgroup_reports_usage(directory):
    group = Cgroup(str(directory / "job"), {}, set())
    assert (group.cpu_seconds(), group.peak_bytes(), group.exceeded_limit(), group.pids()) == (0, 0, None, [])
    (directory / "job" / "cpu.stat").write_text("usage_usec 1500000\nuser_usec 1\n")
    (directory / "job" / "memory.peak").write_text("4096\n")
    (directory / "job" / "cgroup.procs").write_text("12\n13\n")
    assert (group.cpu_seconds(), group.peak_bytes(), sorted(group.pids())) == (1.5, 4096, [12, 13])


def test_cgroup_factory_removes_groups_of_dead_keepers(directory):
    gone, ours = directory / f"{cgroups.JOB_PREFIX}{2**22 + 1}-a", directory / f"{cgroups.JOB_PREFIX}{os.getpid()}-b"
    gone.mkdir(), ours.mkdir()
    CgroupFactory(str(directory))
    assert (gone.exists(), ours.exists()) == (False, True)


@pytest.mark.skipif(not procfs.has_procfs(), reason="the start of a process is known by /proc")
def test_cgroup_of_a_dead_keeper_goes_though_its_pid_is_used_again(directory):
    mine = procfs.own_token()
    pid, _, ticks = mine.partition("_")
    gone, ours = (directory / f"{cgroups.JOB_PREFIX}{token}-a" for token in (f"{pid}_{int(ticks) - 1}", mine))
    gone.mkdir(), ours.mkdir()
    CgroupFactory(str(directory))
    assert (gone.exists(), ours.exists()) == (False, True)


def test_cgroup_factory_without_directory_or_limit_creates_none(directory):
    assert CgroupFactory(None).create("a", {"memory": 1}) is None
    assert CgroupFactory(str(directory)).create("a", {"nice": 1}) is None
    assert CgroupFactory(str(directory / "missing")).create("a", {"memory": 1}) is None
