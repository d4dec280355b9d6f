"""Runs by hand: values for one run, several jobs at once, and a start despite needs."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.core.cli.conftest import Cli
from tests.support.waiting import eventually


def output_of(cli: Cli, run: str) -> str:
    eventually(lambda: next(r for r in cli("history", "--json").json if r["run_id"] == run)["finished_at"])
    return cli("output", run).out


@pytest.fixture
def printer(cli: Cli, daemon: subprocess.Popen[bytes]) -> str:
    """A job that prints its arguments, a variable and its event."""
    script = 'echo "$A $@ $RAE_EVENT"'
    cli("add", "printer", "--replace", "--env", "A=job", "--", "sh", "-c", script, "name", "first")
    return "printer"


def test_trigger_gives_values_to_one_run(cli: Cli, printer: str) -> None:
    run = cli("trigger", printer, "--env", "A=x y", "--arg", "-v", "--arg", "é", "--event", '{"k": 1}').out.strip()
    assert output_of(cli, run) == 'x y first -v é {"k": 1}\n'
    assert "given: variables A; arguments -v 'é'" in cli("why", printer, "--run", run).out
    (record,) = [record for record in cli("history", printer, "--json").json if record["run_id"] == run]
    assert record["given"] == {"env": ["A"], "args": ["-v", "é"], "event": {"k": 1}}
    assert output_of(cli, cli("trigger", printer).out.strip()) == "job first {}\n"
    assert cli("history", printer, "--json").json[0]["given"] is None


def test_show_says_what_an_open_run_was_given(cli: Cli, daemon: subprocess.Popen[bytes]) -> None:
    cli("add", "waiter", "--replace", "--", "sleep")
    run = cli("trigger", "waiter", "--env", "TOKEN=secret", "--arg", "60", "--event", '{"k": 1}').out.strip()
    said = cli("show", "waiter").out
    cli("cancel", run)
    assert ', with variables TOKEN; arguments 60; event {"k": 1}\n' in said
    assert "secret" not in said


def test_trigger_refuses_values_that_a_run_can_not_have(cli: Cli, printer: str) -> None:
    for arguments, problem in (
        (["--env", "A"], '--env must be KEY=VALUE, not "A"'),
        (["--env", "RAE_JOB=x"], "begin with RAE_"),
        (["--event", "[1]"], "--event must be a JSON object"),
        (["--event", "{"], "--event is not valid JSON"),
        (["--arg", "x" * 70_000], "larger than 64 KB"),
    ):
        refused = cli("trigger", printer, *arguments)
        assert (refused.code, problem in refused.err) == (2, True), refused.err


def test_trigger_gives_no_arguments_to_a_shell_line(cli: Cli, daemon: subprocess.Popen[bytes]) -> None:
    refused = cli("trigger", "hello", "--arg", "x")
    assert refused.code == 2
    assert 'job "hello" has a shell line, which takes no arguments' in refused.err


def test_trigger_starts_several_jobs_and_reports_each_that_fails(cli: Cli, printer: str) -> None:
    said = cli("trigger", "nosuch", printer, "hello", "after")
    assert said.code == 1
    assert [output_of(cli, run) for run in said.out.split()] == ["job first {}\n", "hello from hello\n"]
    unknown, unmet = said.err.splitlines()
    assert unknown.startswith('rae-auto: no job "nosuch"')
    assert unmet.startswith('rae-auto: job "after" was not started: ')


def test_trigger_of_several_jobs_prints_a_line_of_json_for_each(cli: Cli, printer: str) -> None:
    lines = cli("trigger", printer, "hello", "--json").out.splitlines()
    runs = [json.loads(line)["run_id"] for line in lines]
    assert [output_of(cli, run) for run in runs] == ["job first {}\n", "hello from hello\n"]
    waited = cli("trigger", printer, "hello", "--wait", "--json").out.splitlines()
    assert {json.loads(line)["job"] for line in waited} == {printer, "hello"}


def test_force_starts_a_job_despite_its_needs_and_why_says_so(cli: Cli, daemon: subprocess.Popen[bytes]) -> None:
    cli("add", "needy", "--needs", "sleeper", "--", "true")
    run = cli("trigger", "needy", "--force").out.strip()
    eventually(lambda: cli("history", "needy", "--json").json[0]["finished_at"])
    assert cli("history", "needy", "--json").json[0]["state"] == "succeeded"
    explanation = cli("why", "needy", "--run", run).out
    assert "with --force, despite its needs" in explanation
    assert "needs: not checked, because the run was started with --force" in explanation
    cli("remove", "needy")


def test_cancel_ends_several(cli: Cli, printer: str) -> None:
    run = cli("trigger", "sleeper").out.strip()
    said = cli("cancel", "sleeper", printer, "nosuch")
    assert (said.code, said.out) == (1, f"{run}\nprinter has no open runs\n")
    assert "nosuch" in said.err


def test_run_that_has_ended_is_not_cancelled(cli: Cli, printer: str) -> None:
    run = cli("trigger", printer).out.strip()
    eventually(lambda: cli("history", printer, "--json").json[0]["finished_at"])
    said = cli("cancel", run)
    assert (said.code, said.out) == (1, "")
    assert f'run "{run}" of job "printer" has already ended: succeeded' in said.err


def test_exec_gives_values_to_the_run(tmp_path: Path) -> None:
    config = tmp_path / "rae.toml"
    script = """["sh", "-c", 'echo "$A $@ $RAE_EVENT"; cat $RAE_EVENT_FILE | wc -c', "x"]"""
    config.write_text(f"[jobs.echo]\ncommand = {script}\n")
    config.chmod(0o600)
    command = [sys.executable, "-m", "rae_auto", "exec", "echo", "--config", str(config)]
    event = json.dumps({"text": "x" * 40_000})
    ran = subprocess.run(
        [*command, "--env", "A=1", "--arg", "z", "--event", "-"], input=event, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    line, count = ran.stdout.splitlines()
    assert line.startswith('1 z {"too_large": ')
    assert int(count) == len(event)


def test_exec_runs_an_added_job_too(cli: Cli, printer: str) -> None:
    ran = cli("exec", printer, "--arg", "last")
    assert (ran.code, ran.out) == (0, "job first last {}\n")


def test_exec_shows_what_a_function_returned(tmp_path: Path) -> None:
    config = tmp_path / "rae.toml"
    config.write_text('[jobs.root]\npython = "math:sqrt"\nargs = [16]\n')
    config.chmod(0o600)
    command = [sys.executable, "-m", "rae_auto", "exec", "root", "--config", str(config)]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "rae-auto: root returned 4.0\n")


def test_exec_counts_as_success_what_the_job_says(cli, daemon):
    cli("add", "rsync", "--every", "1d", "--success-code", "0", "--success-code", "24", "--shell", "exit 24")
    assert cli("exec", "rsync").code == 0
    cli("add", "import", "--every", "1d", "--fail-on", "stderr", "--shell", "echo careful >&2")
    said = cli("exec", "import")
    reason = 'it wrote to standard error (fail_on = ["stderr"]): "careful"'
    assert (said.code, said.err) == (1, f"rae-auto: import failed: {reason}\n")


def test_command_line_in_a_job_talks_to_the_daemon_that_runs_it(cli: Cli, daemon: subprocess.Popen[bytes]) -> None:
    program = f"{sys.executable} -m rae_auto"
    line = f"cd / && {program} event send from.a.job && {program} status && {program} trigger hello"
    cli("add", "telling", "--every", "1d", "--shell", line)
    run = cli("trigger", "telling").out.strip()
    (over,) = eventually(lambda: [r for r in cli("history", "telling", "--json").json if r["finished_at"]])
    assert (over["run_id"], over["state"]) == (run, "succeeded"), cli("output", run).out
    assert [event["name"] for event in cli("event", "list", "--json").json if event["name"] == "from.a.job"]


def test_files_of_a_job_have_the_permissions_of_the_daemon(cli: Cli, tmp_path: Path) -> None:
    config = tmp_path / "rae.toml"
    config.write_text(
        '[jobs.a]\nshell = "mkdir www && echo x > www/page"\n[jobs.b]\nshell = "echo x > own"\numask = "077"\n'
    )
    config.chmod(0o600)
    for job in ("a", "b"):
        command = [sys.executable, "-m", "rae_auto", "exec", job, "--config", str(config)]
        assert subprocess.run(command, umask=0o022).returncode == 0
    modes = [(tmp_path / name).stat().st_mode & 0o777 for name in ("www", "www/page", "own")]
    assert modes == [0o755, 0o644, 0o600]


def test_trigger_waits_for_the_ends_of_runs_and_says_how_they_ended(cli: Cli, printer: str) -> None:
    cli("add", "broken", "--replace", "--", "sh", "-c", "exit 3")
    good = cli("trigger", printer, "--wait")
    run = good.out.strip()
    assert (good.code, good.err.split(" after ")[0]) == (0, f"printer (run {run}) succeeded")
    both = cli("trigger", "broken", printer, "nosuch", "--wait")
    assert (both.code, len(both.out.split())) == (1, 2)
    assert 'no job "nosuch"' in both.err
    ends = {line.split(" ")[0]: line for line in both.err.splitlines() if "(run " in line}
    assert ends.keys() == {"broken", "printer"}
    assert ends["broken"].endswith("exit code 3")
    assert cli("trigger", "broken", "--wait").code == 1
    record = cli("trigger", printer, "--wait", "--json").json
    assert (record["job"], record["state"]) == (printer, "succeeded")


def test_trigger_stops_waiting_after_a_time_and_the_run_goes_on(cli: Cli, daemon: subprocess.Popen[bytes]) -> None:
    cli("add", "slow", "--replace", "--", "sleep", "60")
    said = cli("trigger", "slow", "--wait", "--timeout", "100ms")
    run = said.out.strip()
    assert (said.code, said.err) == (
        1,
        f"rae-auto: not finished after 100 ms; run {run} goes on; 'rae-auto output {run} --follow' shows it, "
        f"'rae-auto cancel {run}' ends it\n",
    )
    assert cli("cancel", "slow").out.strip() == run
    for arguments, problem in (
        (["--timeout", "1s"], "--timeout goes with --wait; add that"),
        (["--wait", "--timeout", "soon"], '--timeout: invalid duration "soon"'),
    ):
        refused = cli("trigger", "slow", *arguments)
        assert (refused.code, problem in refused.err) == (2, True), refused.err


def test_ctrl_c_ends_the_wait_and_leaves_the_run_alone(cli: Cli, daemon: subprocess.Popen[bytes]) -> None:
    cli("add", "endless", "--replace", "--", "sleep", "60")
    words = [sys.executable, "-m", "rae_auto", "trigger", "endless", "--wait"]
    command = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert command.stdout is not None
    run = command.stdout.readline().decode().strip()
    command.send_signal(signal.SIGINT)
    _, said = command.communicate(timeout=60)
    assert (command.returncode, said.decode().strip()) == (
        130,
        f"rae-auto: no longer waiting; run {run} goes on; 'rae-auto output {run} --follow' shows it, "
        f"'rae-auto cancel {run}' ends it",
    )
    assert cli("cancel", "endless").out.strip() == run
