"""`user` of a job: who it runs as, with which rights and environment, and who may not use it."""

import os
from pathlib import Path

import pytest
from tests.plugins.executors.conftest import an_executor, read_output, run_async
from tests.support.platforms import only_root

from rae_auto.checks.check import check_file
from rae_auto.config import load
from rae_auto.errors import InvalidJob
from rae_auto.model.job import Job
from rae_auto.model.policies import Limits
from rae_auto.model.primitives.names import JobId
from rae_auto.registry import Registry
from rae_plugins.executors.process import ProcessExecutor
from rae_plugins.executors.process.keeper.user import build_user_switch

pwd = pytest.importorskip("pwd", reason="needs the user database of POSIX")

USER = "nobody"

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs POSIX users")
needs_root = only_root


def run(tmp_path, assignment):
    """Return the result and the output of one attempt."""

    async def work():
        async with an_executor(tmp_path) as executor:
            return await (await executor.start(assignment)).wait()

    return run_async(work), read_output(assignment)


@needs_root
def test_job_runs_with_the_ids_and_groups_of_its_user(tmp_path, make_assignment):
    entry = pwd.getpwnam(USER)
    groups = " ".join(map(str, sorted(os.getgrouplist(USER, entry.pw_gid))))
    script = "id -u; id -ru; id -g; id -G | tr ' ' '\\n' | sort -n | paste -sd' '"
    result, output = run(tmp_path, make_assignment(script, user=USER, cwd="/"))
    assert result.exit_code == 0
    assert output.split("\n")[:4] == [str(entry.pw_uid), str(entry.pw_uid), str(entry.pw_gid), groups]


@needs_root
def test_job_of_a_user_can_gain_no_privileges(tmp_path, make_assignment):
    script = "grep -E '^(NoNewPrivs|CapEff|CapPrm):' /proc/self/status"
    _, output = run(tmp_path, make_assignment(script, user=USER, cwd="/"))
    assert output.split() == ["CapPrm:", "0000000000000000", "CapEff:", "0000000000000000", "NoNewPrivs:", "1"]


@needs_root
def test_job_of_a_user_can_not_read_files_of_the_daemon(tmp_path, make_assignment):
    (tmp_path / "secret").write_text("hidden")
    (tmp_path / "secret").chmod(0o600)
    result, output = run(tmp_path, make_assignment(f"cat {tmp_path}/secret", user=USER, cwd="/"))
    assert result.exit_code == 1
    assert "hidden" not in output


@needs_root
def test_job_of_a_user_has_its_home_and_name(tmp_path, make_assignment):
    entry = pwd.getpwnam(USER)
    env = {
        "HOME": "/root",
        "USER": "root",
        "XDG_RUNTIME_DIR": "/run/user/0",
        "SSH_AUTH_SOCK": "/run/agent",
        "LANG": "C",
    }
    script = 'echo "$HOME $USER $LOGNAME $SHELL [$XDG_RUNTIME_DIR$SSH_AUTH_SOCK] $LANG"'
    _, output = run(tmp_path, make_assignment(script, user=USER, cwd="/", env=env))
    assert output == f"{entry.pw_dir} {USER} {USER} {entry.pw_shell} [] C\n"


@needs_root
def test_job_of_a_user_has_limits_that_root_alone_can_set(tmp_path, make_assignment):
    limits = Limits(nice=-3, open_files=100)
    _, output = run(tmp_path, make_assignment("id -un; nice; ulimit -n", user=USER, cwd="/", limits=limits))
    assert output.split() == [USER, str(os.nice(0) - 3), "100"]


@needs_root
def test_whole_tree_of_another_user_is_ended(tmp_path, make_assignment):
    from datetime import timedelta

    assignment = make_assignment("sleep 600 & sleep 600", user=USER, cwd="/")

    async def work():
        async with an_executor(tmp_path) as executor:
            execution = await executor.start(assignment)
            await execution.cancel(timedelta(0))
            return await execution.wait()

    assert run_async(work).signal is not None


@needs_root
def test_unknown_user_fails_the_attempt_with_one_line(tmp_path, make_assignment):
    async def work():
        async with an_executor(tmp_path) as executor:
            with pytest.raises(ValueError, match='this machine has no user "gone"; create it, or correct the name'):
                await executor.start(make_assignment("true", user="gone"))

    run_async(work)


@needs_root
def test_switch_that_fails_starts_nothing(tmp_path, make_assignment, monkeypatch):
    # An id that the kernel refuses.
    bad = {"uid": 2**32 - 1, "gid": 0, "groups": [0]}
    monkeypatch.setattr("rae_plugins.executors.process.executor.to_request", lambda _: bad)
    assignment = make_assignment("echo started", user=USER, cwd="/")

    async def work():
        async with an_executor(tmp_path) as executor:
            with pytest.raises(RuntimeError, match="the user cannot be set"):
                await executor.start(assignment)

    run_async(work)
    assert "started" not in read_output(assignment)


def test_no_user_needs_no_switch():
    assert build_user_switch(None) is None


@pytest.mark.parametrize(
    ("work", "other"),
    [({"python": "os:getpid"}, "python"), ({"command": "true", "secret_files": {"A": "x"}}, "secret_files")],
)
def test_user_is_refused_beside_what_needs_files_of_the_daemon(work, other):
    with pytest.raises(InvalidJob, match=f"can't be used with {other}, whose files belong to the daemon; remove one"):
        Job(id=JobId("a"), user="backup", **work)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "rae.toml"
    path.write_text('[jobs.a]\ncommand = ["true"]\nuser = "gone"\n')
    path.chmod(0o600)
    return path


def test_daemon_of_another_user_refuses_the_key(config, monkeypatch):
    reasons = {"user": "needs a daemon of root; install one"}
    monkeypatch.setattr(ProcessExecutor, "unsupported_keys", classmethod(lambda cls: reasons))
    (error,) = check_file(config, Registry()).errors
    assert error == f"{config}:3: jobs.a.user: needs a daemon of root; install one"


def test_unsupported_keys_depend_on_who_runs_the_daemon(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert ProcessExecutor.unsupported_keys()["user"] == (
        "needs a daemon of root; install one with 'sudo rae-auto service install --system', or run a daemon as this "
        "user"
    )
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert ProcessExecutor.unsupported_keys() == {}


@needs_root
def test_check_warns_of_a_user_that_does_not_exist(config):
    report = check_file(config, Registry())
    assert report.warnings == (
        f'{config}:3: jobs.a.user: this machine has no user "gone"; create it, or correct the name',
    )
    assert load(config, Registry()).jobs[0].user == "gone"
