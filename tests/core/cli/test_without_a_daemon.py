"""Commands that need no daemon: writing and trying a configuration, running a job here and now, looking back."""

import json
import subprocess
import sys

import click
import pytest

import rae_auto
from rae_auto.cli.command_index import COMMANDS

JOBS = """
timezone = "Europe/Berlin"
[jobs.greet]
shell = "echo $GREETING from $RAE_JOB, attempt $RAE_ATTEMPT, by $RAE_TRIGGER; echo and this >&2"
env = { GREETING = "hello" }
schedule = "30 9 * * mon-fri"
[jobs.three]
command = ["sh", "-c", "exit 3"]
[jobs.killed]
command = ["sh", "-c", "kill -9 $$"]
[jobs.slow]
command = ["sleep", "600"]
timeout = "50ms"
kill_after = "0s"
[jobs.gone]
command = ["no-such-program"]
[jobs.python]
python = "json:dumps"
args = [["never printed"]]
"""


@pytest.fixture
def config(offline, tmp_path):
    path = tmp_path / "rae.toml"
    path.write_text(JOBS)
    path.chmod(0o600)
    return path


class TestTheStarterFile:
    def test_is_good_as_it_is_written(self, offline, tmp_path):
        assert offline("init").out == "wrote rae.toml; try 'rae-auto check', then 'rae-auto run'\n"
        assert offline("check").out == f"{tmp_path / 'rae.toml'} is valid: 3 jobs, no warnings\n"
        assert (tmp_path / "rae.toml").stat().st_mode & 0o777 == 0o600

    def test_is_never_written_over_another(self, offline, tmp_path):
        (tmp_path / "rae.toml").write_text("mine")
        said = offline("init")
        assert said.code != 0
        assert said.err == "rae-auto: rae.toml: already exists; edit it, or write another with 'rae-auto init FILE'\n"
        assert (tmp_path / "rae.toml").read_text() == "mine"


class TestCheck:
    def test_check_reports_every_mistake_with_its_line(self, offline, config):
        config.write_text('max_paralel = 2\n[jobs.a]\ncommand = ["true"]\nschedule = "30 2 30 2 *"\n')
        said = offline("check")
        assert said.code == 2
        first, second, last = said.out.splitlines()
        assert first.endswith('rae.toml:1: max_paralel: unknown key; did you mean "max_parallel"?')
        assert "rae.toml:4: jobs.a.schedule" in second
        assert last == f"{config}: 2 errors, no warnings"

    def test_names_a_file_that_is_not_there(self, offline):
        said = offline("check", "--config", "nowhere.toml")
        assert said.code == 2
        assert said.out.startswith("nowhere.toml: file not found; create one with 'rae-auto init'\n")

    def test_warnings_make_a_strict_check_fail(self, offline, config):
        said = offline("check")
        assert said.code == 0
        assert 'jobs.gone.command: program "no-such-program" not found on PATH' in said.out
        assert said.out.endswith("1 warning\n")
        assert offline("check", "--strict").code == 2
        config.write_text('[jobs.a]\ncommand = ["true"]\n')
        assert offline("check", "--strict").code == 0

    def test_as_json(self, offline, config):
        config.write_text('[jobs.a]\ncommand = ["true"]\n')
        said = offline("check", "--json").json
        assert said == {"file": str(config), "valid": True, "jobs": 1, "errors": [], "warnings": []}
        config.write_text("timezone = 5\n")
        assert len(offline("check", "--json").json["errors"]) == 1


class TestNext:
    def test_of_an_expression(self, offline):
        options = ("--tz", "Europe/Berlin", "--from", "2026-03-27T12:00:00Z", "--count", "3", "--json")
        said = offline("next", "30 2 * * *", *options)
        assert said.json == ["2026-03-28T02:30:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"]

    def test_of_a_job_in_its_zone(self, offline, config):
        said = offline("next", "greet", "--from", "2026-11-20T23:00:00Z", "--count", "1", "--json")
        assert said.json == ["2026-11-23T09:30:00+01:00"]

    @pytest.mark.parametrize(
        ("disable", "subject"),
        [
            (lambda text: text.replace("[jobs.greet]", "[jobs.greet]\nenabled = false"), 'job "greet"'),
            (lambda text: f"enabled = false\n{text}", "the whole configuration"),
        ],
        ids=["job", "all"],
    )
    def test_of_a_disabled_job_is_nothing_and_says_why(self, offline, config, disable, subject):
        config.write_text(disable(config.read_text()))
        said = offline("next", "greet", "--json")
        assert (said.code, said.json) == (0, [])
        assert said.err == f"{subject} is disabled (enabled = false); 'rae-auto trigger greet' starts it by hand\n"

    def test_starts_at_a_local_time(self, offline, config):
        said = offline("next", "greet", "--from", "2026-11-23T09:30", "--count", "1")
        assert said.out == "2026-11-24T09:30:00+01:00\n"
        said = offline("next", "@hourly", "--tz", "Asia/Tokyo", "--from", "2026-11-23", "--count", "1")
        assert said.out == "2026-11-23T01:00:00+09:00\n"

    def test_in_a_pipe_is_a_line_for_each(self, offline):
        said = offline("next", "@yearly", "--tz", "UTC", "--from", "2026-01-01T00:00:00Z", "--count", "2")
        assert said.out == "2027-01-01T00:00:00+00:00\n2028-01-01T00:00:00+00:00\n"


class TestExec:
    def test_runs_a_job_in_the_daemons_environment(self, offline, config):
        command = [sys.executable, "-m", "rae_auto", "exec", "greet"]
        said = subprocess.run(command, capture_output=True, text=True)
        assert (said.returncode, said.stderr) == (0, "")
        assert said.stdout == "hello from greet, attempt 1, by manual\nand this\n"

    @pytest.mark.parametrize(
        ("job", "how"),
        [
            ("three", "exit code 3"),
            ("killed", "killed by SIGKILL (signal 9)"),
            ("slow", "timed out after 50 ms"),
            ("gone", 'program "no-such-program" not found on the PATH of the job; install it, or give its full path'),
        ],
    )
    def test_says_how_a_job_failed(self, offline, config, job, how):
        said = subprocess.run([sys.executable, "-m", "rae_auto", "exec", job], capture_output=True, text=True)
        assert (said.returncode, said.stderr) == (1, f"rae-auto: {job} failed: {how}\n")

    def test_runs_a_function(self, offline, config):
        said = subprocess.run([sys.executable, "-m", "rae_auto", "exec", "python"], capture_output=True, text=True)
        assert (said.returncode, said.stderr) == (0, 'rae-auto: python returned ["never printed"]\n')

    def test_knows_the_jobs_of_the_configuration(self, offline, config):
        said = offline("exec", "gret")
        assert said.code == 1
        assert 'rae.toml; did you mean "greet"?' in said.err


def test_history_is_read_from_the_store(home, daemon, cli, offline, config, tmp_path):
    # The daemon of another directory has nothing to do with this one.
    said = offline("history")
    assert said.code == 1
    assert said.err.endswith("'rae-auto run' creates it\n")


def test_a_schema_of_the_configuration_knows_the_plugins(offline):
    _, *tables = offline("schema").json["definitions"]["trigger"]["oneOf"]
    assert {"cron", "interval"} <= {table["properties"]["type"]["const"] for table in tables}
    assert offline("schema", "job").json["version"] == "1.0.0"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script_of_the_shell(offline, shell):
    assert "_RAE_AUTO_COMPLETE" in offline("completion", shell).out


def test_names_of_jobs_are_completed(offline, config):
    from rae_auto.cli.runs import exec_command as command

    names = [item.value for item in command.params[0].shell_complete(click.Context(command), "t")]
    assert names == ["three"]


def test_the_version(offline):
    assert offline("--version").out == f"rae-auto {rae_auto.__version__}\n"
    said = subprocess.run([sys.executable, "-m", "rae_auto", "--version"], capture_output=True, text=True)
    assert said.stdout == f"rae-auto {rae_auto.__version__}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(offline, command):
    said = offline(command, "--help")
    assert said.code == 0
    assert f"Example: rae-auto {command}" in " ".join(said.out.split())


@pytest.mark.parametrize(
    "command",
    [
        *(
            "status",
            "list",
            "stop",
            "reload",
            "show a",
            "add a -- true",
            "trigger a",
            "cancel a",
            "pause a",
        ),
        "resume a",
    ],
)
def test_without_a_daemon_a_command_that_needs_one_ends_with_3(offline, command, tmp_path):
    said = offline(*command.split())
    assert (said.code, said.out) == (3, "")
    assert said.err == f"rae-auto: no daemon is running for {tmp_path / 'state'}; start one with 'rae-auto run'\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("frobnicate", "unknown command \"frobnicate\"; 'rae-auto --help' lists them"),
        ("reolad", 'unknown command "reolad"; did you mean "reload"?\n'),
        ("stauts", 'unknown command "stauts"; did you mean "status"?\n'),
        ("start", 'unknown command "start"; did you mean "trigger" or "run"?\n'),
        ("log", 'unknown command "log"; did you mean "logs" or "output"?\n'),
        ("event lst", 'unknown command "lst"; did you mean "list"?\n'),
        ("version", "unknown command \"version\"; did you mean 'rae-auto --version'?\n"),
        ("help", "unknown command \"help\"; did you mean 'rae-auto --help'?\n"),
        ("history --failed", "unknown option \"--failed\"; did you mean '--state failed'?\n"),
        ("event forget x", "command \"forget\" was renamed; use 'rae-auto event delete'\n"),
        ("plugins shw", 'unknown command "shw"; did you mean "show"?\n'),
        ("status --jsn", 'unknown option "--jsn"; did you mean "--json"?\n'),
        ("--frob", "unknown option \"--frob\"; see 'rae-auto --help'\n"),
        ("trigger", "JOB is missing; see 'rae-auto trigger --help'\n"),
        ("reload b", "unexpected argument \"b\"; see 'rae-auto reload --help'\n"),
        ("check a.toml", "unexpected argument \"a.toml\"; name a configuration with '--config a.toml'\n"),
        ("run a.toml", "unexpected argument \"a.toml\"; name a configuration with '--config a.toml'\n"),
        ("next a --count", "--count needs a value"),
        ("list --json=3", "--json must stand alone"),
        ("next a --count many", '--count must be a whole number from 1 to 10000, not "many"; see'),
        ("output a --attempt 0", '--attempt must be a whole number of at least 1, not "0"; see'),
        (
            "add a --priority hig",
            '--priority must be one of low, normal, high, critical, not "hig"; did you mean "high"?\n',
        ),
        ("next 61_*_*_*_*", "61"),
        ("next 30_2_30_2_*", "30 2 30 2 *"),
        ("next a_b", "a b"),
        ("next 0_9_*_*_* --tz Europe/Berln", 'did you mean "Europe/Berlin"?'),
        ("next 0_9_*_*_* --from soon", '--from: invalid time "soon"; write "in 10 minutes"'),
        ("next 0_9_*_*_* --count many", "many"),
        ("next greet", "no rae.toml here or in a parent directory; create one with 'rae-auto init', or use --config"),
        ("run --config nowhere.toml", "nowhere.toml"),
        ("run", "no rae.toml here"),
        ("check", "no rae.toml here"),
        ("exec greet", "no rae.toml here"),
        ("remove greet", "no rae.toml here"),
        ("history --limit 0", '--limit must be a whole number from 1 to 100000, not "0"; see'),
        ("schema nonsense", "nonsense"),
        ("completion tcsh", "tcsh"),
        ("add a --priority urgent -- true", "urgent"),
        ("add --file nowhere.json", "nowhere.json"),
        ("plugins show flavour cron", "flavour"),
    ],
)
def test_bad_usage_is_one_line_and_ends_with_2(offline, arguments, message):
    said = offline(*(argument.replace("_", " ") for argument in arguments.split()))
    assert message in said.err
    assert said.err.count("\n") == 1
    assert said.err.startswith("rae-auto: ")
    assert (said.code, said.out) == (2, "")


@pytest.mark.parametrize("command", ["", "event"])
def test_a_group_without_a_command_prints_its_help(offline, command):
    said = offline(*command.split())
    assert (said.code, said.err) == (0, "")
    assert said.out == offline(*command.split(), "--help").out
    assert ("\nCommands:\n" if command else "\nLook:\n") in said.out


def test_an_error_is_json_where_json_was_asked_for(offline):
    said = offline("status", "--json")
    assert json.loads(said.err)["error"]["kind"] == "DaemonUnreachable"
