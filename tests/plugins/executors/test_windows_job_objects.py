"""Job objects: their structures, and their use, with a stand-in of kernel32.dll over real processes."""

import ctypes
import os
import sys
import time
from datetime import timedelta

import pytest
from tests.support.kernel32_stand_in import Kernel32StandIn

from rae_plugins.executors.process.identity import ProcessIdentity
from rae_plugins.executors.process.keeper.procfs import read_process
from rae_plugins.executors.process.keeper.spawn import SpawnError
from rae_plugins.executors.process.keeper.windows import adopted_tree, kernel32
from rae_plugins.executors.process.keeper.windows.control import WindowsControl
from rae_plugins.executors.process.keeper.windows.job_object import JobObject, priority_class
from rae_plugins.executors.process.keeper.windows.kernel32 import Kernel32
from rae_plugins.executors.process.keeper.windows.limits import JobObjectWatcher

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the stand-in is made of POSIX processes")
KILL_ON_JOB_CLOSE, BREAKAWAY_OK, SILENT_BREAKAWAY_OK = 0x2000, 0x800, 0x1000
MESSAGES = {"cpu_time": 1, "processes": 3, "memory": 10}
LIMITS = {"memory": 300_000_000, "cpu_time": 2.5, "processes": 10, "nice": 10}


@pytest.fixture
def stand_in() -> Kernel32StandIn:
    return Kernel32StandIn()


@pytest.fixture
def kernel(stand_in: Kernel32StandIn) -> Kernel32:
    return Kernel32(stand_in)


@pytest.fixture
def job_request(tmp_path):
    """Return a function that makes the request of a job which runs some code."""

    def make(code: str, **changes):
        request = {"key": "a", "argv": [sys.executable, "-c", code], "env": dict(os.environ), "cwd": str(tmp_path)}
        return {**request, "output": str(tmp_path / "a.log"), "cap": 1000, "hide": [], **changes}

    return make


@pytest.mark.skipif(sys.maxsize < 2**32, reason="the sizes are those of 64 bits")
def test_structures_have_the_size_of_those_of_windows():
    structures = (kernel32.BasicLimits, kernel32.ExtendedLimits, kernel32.Accounting, kernel32.CompletionPort)
    assert [ctypes.sizeof(structure) for structure in structures] == [64, 144, 48, 16]
    assert kernel32.ExtendedLimits.job_memory.offset == 120
    assert kernel32.BasicLimits.priority_class.offset == 56


@pytest.mark.parametrize("limits", [{}, LIMITS])
def test_job_object_lives_on_without_the_keeper(stand_in, kernel, limits):
    """Kill-on-close is off: jobs survive the keeper. Nothing may leave either."""
    job = JobObject(kernel, limits)
    flags = stand_in.jobs[job.path].limits.basic.flags
    assert flags & (KILL_ON_JOB_CLOSE | BREAKAWAY_OK | SILENT_BREAKAWAY_OK) == 0


def test_job_object_carries_the_limits(stand_in, kernel):
    job = JobObject(kernel, LIMITS)
    limits = stand_in.jobs[job.path].limits
    assert (limits.job_memory, limits.basic.active_processes) == (300_000_000, 10)
    assert (limits.basic.job_user_time, limits.basic.priority_class) == (40_000_000, 0x4000)
    assert limits.basic.flags == 0x200 | 0x8 | 0x4 | 0x20
    assert job.enforced == {"memory", "processes"}


@pytest.mark.parametrize(
    ("nice", "number"), [(19, 0x40), (15, 0x40), (1, 0x4000), (0, 0x20), (-1, 0x8000), (-9, 0x8000), (-20, 0x80)]
)
def test_niceness_becomes_a_priority_class(nice, number):
    assert priority_class(nice) == number


@pytest.mark.parametrize(("name", "message"), MESSAGES.items())
def test_limit_that_the_kernel_enforces_is_named(stand_in, kernel, name, message):
    job = JobObject(kernel, LIMITS)
    watch = JobObjectWatcher(job, LIMITS, 0.0)
    assert watch.check([], 0.0, 1.0) is None
    stand_in.send_message(job.path, 6)  # a new process, which is no limit
    stand_in.send_message(job.path, message)
    assert watch.check([], 0.0, 2.0).startswith(f"{name} limit of ")


def test_cpu_time_of_the_kernel_mode_counts(stand_in, kernel, monkeypatch):
    job = JobObject(kernel, LIMITS)
    monkeypatch.setattr(job, "cpu_seconds", lambda: 2.6)
    assert JobObjectWatcher(job, LIMITS, 0.0).check([], 0.0, 1.0) == "cpu_time limit of 2.5s exceeded"


def test_process_is_in_its_job_object_before_it_runs(stand_in, kernel, job_request):
    control = WindowsControl(kernel, stand_in.create_suspended)
    job, details = control.spawn(job_request("import time; time.sleep(300)"))
    assert stand_in.calls == ["CreateProcess", "AssignProcessToJobObject", "ResumeThread"]
    assert control.members(job)[0].pid == job.pid
    assert details["group"] in stand_in.jobs
    assert abs(details["spawned"][0] - time.time()) < 60
    job.container.kill()
    job.process and kernel.wait(job.process)
    job.output.close()
    control.close()


def test_process_that_gets_no_job_object_never_runs(stand_in, kernel, job_request, tmp_path, monkeypatch):
    monkeypatch.setattr(stand_in, "AssignProcessToJobObject", lambda *_: 0)
    control = WindowsControl(kernel, stand_in.create_suspended)
    with pytest.raises(SpawnError, match="cannot be put into a job object"):
        control.spawn(job_request("open('ran', 'w')"))
    assert stand_in.calls == ["CreateProcess"]
    assert not (tmp_path / "ran").exists()
    assert stand_in.jobs == {}
    control.close()


def test_job_object_is_found_by_name_while_its_process_has_a_handle(stand_in, kernel):
    job = JobObject(kernel, {})
    inherited = job.duplicate_for_child()
    job.remove()
    assert adopted_tree.read_job_pids(job.path, kernel) == []
    assert JobObject.open(kernel, job.path) is not None
    kernel.close(inherited)
    assert adopted_tree.read_job_pids("Local\\rae-auto-of-nobody", kernel) == []


def test_process_of_another_time_is_not_killed(stand_in, kernel, job_request):
    created = stand_in.create_suspended(job_request("import time; time.sleep(300)"), [0, 1, 2])
    process = read_process(created.pid)
    identity = ProcessIdentity.of(created.pid)
    adopted_tree.kill_process(process._replace(ticks=5), kernel)
    assert identity.is_alive()
    ticks = int(kernel.created_at(created.process) * 100)
    adopted_tree.kill_process(process._replace(ticks=ticks), kernel)
    assert kernel.wait(created.process, int(timedelta(seconds=10).total_seconds() * 1000))
