"""Limits of the process executor, with real processes that exceed them."""

import os
import re
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from tests.plugins.executors.test_process import is_alive, run

from rae_auto.model.policies import Limits
from rae_plugins.executors.process import ProcessExecutor, limit_checks

resource = pytest.importorskip("resource", reason="needs the limits of POSIX")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")

HOG = "x = bytearray({mb} << 20); print('done')"
BURN = "while :; do :; done"


def python(script: str) -> dict[str, object]:
    return {"command": [sys.executable, "-c", script]}


def in_parts(parts: int, mb: int) -> str:
    """Several processes with so much memory each, which outlive none of the others."""
    child = f"import time; x = bytearray({mb} << 20); time.sleep(300)"
    return f"""
import subprocess, sys
children = [subprocess.Popen([sys.executable, "-c", {child!r}]) for _ in range({parts})]
[print(child.pid, flush=True) for child in children]
[child.wait() for child in children]"""


@pytest.mark.parametrize("more", [300, 3000])
@pytest.mark.requirement("R31")
def test_memory_limit_ends_a_job(tmp_path, make_assignment, more):
    """Also where it is used more quickly than anyone could look."""
    # The kernel counts as a child's peak what its parents had when it was made, and that is these tests.
    mb = more + (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10)
    result, _ = run(tmp_path, make_assignment(**python(HOG.format(mb=mb)), limits=Limits(memory="100MB")))
    assert (result.exit_code == 0, result.error) == (False, "memory limit of 100MB exceeded")
    assert result.max_memory > 100 << 20


@pytest.mark.requirement("R31")
def test_memory_limit_counts_the_whole_tree(tmp_path, make_assignment):
    result, output = run(tmp_path, make_assignment(**python(in_parts(4, 60)), limits=Limits(memory="150MB")))
    assert result.error == "memory limit of 150MB exceeded"
    assert [pid for pid in map(int, output.split()) if is_alive(pid)] == []


@pytest.mark.requirement("R31")
def test_memory_limit_ignores_pages_of_files(tmp_path, make_assignment):
    """Pages of files that are only read don't count: the kernel takes them back when it needs them."""
    (tmp_path / "large").write_bytes(bytes(150 << 20))
    script = """
import mmap, time
with open("large", "rb") as file:
    pages = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
sum(pages[at] for at in range(0, len(pages), 4096))
time.sleep(0.6)"""
    result, _ = run(tmp_path, make_assignment(**python(script), limits=Limits(memory="100MB")))
    assert (result.exit_code, result.error) == (0, None)


@pytest.mark.requirement("R31")
def test_cpu_time_limit_ends_a_job(tmp_path, make_assignment):
    result, _ = run(tmp_path, make_assignment(BURN, limits=Limits(cpu_time="300ms")))
    assert result.error == "cpu_time limit of 0.3s exceeded"
    assert result.cpu_time > timedelta(milliseconds=300)


@pytest.mark.requirement("R31")
def test_cpu_time_limit_counts_the_whole_tree(tmp_path, make_assignment):
    """Each of them stays below what they use together; some of it is of those that are gone."""
    script = f"while :; do (timeout 0.4 sh -c '{BURN}'); done"
    result, _ = run(tmp_path, make_assignment(script, limits=Limits(cpu_time="600ms")))
    assert result.error == "cpu_time limit of 0.6s exceeded"


@pytest.mark.requirement("R31")
def test_processes_limit_ends_a_fork_bomb(tmp_path, make_assignment):
    """A fork bomb, of which nothing is left."""
    script = "bomb() { sleep 300 & echo $!; bomb & sleep 300; }; bomb"
    result, output = run(tmp_path, make_assignment(script, limits=Limits(processes=20)))
    assert result.error == "processes limit of 20 exceeded"
    assert [pid for pid in map(int, output.split()) if is_alive(pid)] == []


@pytest.mark.parametrize("script", ["exec head -c 200000 /dev/zero > large", "head -c 200000 /dev/zero > large"])
@pytest.mark.requirement("R31")
def test_file_size_limit_ends_a_job(tmp_path, make_assignment, script):
    result, _ = run(tmp_path, make_assignment(script, limits=Limits(file_size="100KB")))
    assert result.error == "file_size limit of 100KB exceeded"
    assert (tmp_path / "large").stat().st_size == 100 << 10


@pytest.mark.requirement("R31")
def test_open_files_limit_is_set(tmp_path, make_assignment):
    _, output = run(tmp_path, make_assignment("ulimit -n; ulimit -Hn", limits=Limits(open_files=40)))
    assert output == "40\n40\n"


def test_nice_limit_is_set(tmp_path, make_assignment):
    _, output = run(tmp_path, make_assignment("nice", limits=Limits(nice=7)))
    assert output == f"{os.nice(0) + 7}\n"


@pytest.mark.parametrize(("priority", "expected"), [("idle", "idle"), (6, "best-effort: prio 6")])
def test_ionice_limit_is_set(tmp_path, make_assignment, priority, expected):
    if limit_checks.backends()["ionice"] is None or not Path("/usr/bin/ionice").exists():
        pytest.skip("needs ionice")
    _, output = run(tmp_path, make_assignment("ionice", limits=Limits(ionice=priority)))
    assert output == f"{expected}\n"


def test_result_counts_usage_of_the_whole_tree(tmp_path, make_assignment):
    """Also what a process used that lost its parent."""
    burn = "x = bytearray(80 << 20)\nfor _ in range(3 * 10**6): pass"
    script = f"(setsid env -i {sys.executable} -c '{burn}' & ); until [ -e done ]; do sleep 0.05; done"
    script = script.replace("pass'", 'pass\nopen("done", "w")\'')
    result, _ = run(tmp_path, make_assignment(script))
    assert (result.exit_code, result.error) == (0, None)
    assert result.cpu_time > timedelta(milliseconds=40)
    assert result.max_memory > 80 << 20


def test_every_limit_has_a_mechanism():
    assert [name for name, means in ProcessExecutor.backends().items() if means is None] == []
    limits = Limits(memory=1, cpu_time=1, processes=1, open_files=3, file_size=1, nice=1, ionice="idle")
    assert set(ProcessExecutor.backends()) == set(limits.names)
    assert ProcessExecutor.unenforceable(limits) == {}


@pytest.mark.parametrize("best_effort", [False, True])
@pytest.mark.requirement("R31")
def test_limit_that_cannot_be_set_fails_unless_best_effort(tmp_path, make_assignment, best_effort):
    """A number of open files above what the kernel allows even to root."""
    most = int(Path("/proc/sys/fs/nr_open").read_text())
    limits = Limits(open_files=most + 1, best_effort=best_effort)
    if best_effort:
        assert run(tmp_path, make_assignment("true", limits=limits))[0].exit_code == 0
    else:
        with pytest.raises(RuntimeError, match=r'"/bin/sh" cannot be started: limit "open_files" cannot be set'):
            run(tmp_path, make_assignment("true", limits=limits))


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may do anything")
def test_unenforceable_names_limits_this_user_may_not_set():
    found = ProcessExecutor.unenforceable(Limits(nice=-5, open_files=1 << 30))
    assert re.match(r"only root", found["nice"])
    assert re.match(r"this user may set at most", found["open_files"])
