"""The commands against a real daemon: what they print, what they change, how they end."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from tests.support.waiting import eventually

NO_CHANGES = {"added": [], "changed": [], "removed": [], "at_next_start": [], "needs_restart": []}

pytestmark = pytest.mark.usefixtures("daemon")


def ended(cli, run_id):
    """The record of a run once it is over."""

    def find_run():
        runs = cli("history", "--limit", "100", "--json").json
        return next((run for run in runs if run["run_id"] == run_id and run["finished_at"]), None)

    return eventually(find_run)


class TestARun:
    def test_by_hand_is_durable_when_its_id_is_printed(self, cli):
        run_id = cli("trigger", "hello", "--json").json["run_id"]
        record = ended(cli, run_id)
        assert {key: record[key] for key in ("job", "trigger", "state", "attempt", "exit_code")} == {
            "job": "hello",
            "trigger": "manual",
            "state": "succeeded",
            "attempt": 1,
            "exit_code": 0,
        }
        assert list(record)[:7] == [
            *("run_id", "job", "trigger", "scheduled_for", "queued_at", "started_at", "finished_at")
        ]

    def test_that_is_asked_for_twice_is_one_run(self, cli):
        first, second = (cli("trigger", "hello", "--request", "r1").out for _ in range(2))
        assert first == second
        ended(cli, first.strip())

    def test_leaves_its_output(self, cli):
        run_id = cli("trigger", "hello").out.strip()
        ended(cli, run_id)
        assert cli("output", run_id).out == "hello from hello\n"
        assert cli("output", "hello").out == "hello from hello\n"
        assert cli("output", "hello", "--follow", "--raw", "--attempt", "1").code == 0

    def test_is_cancelled_by_its_job_or_its_id(self, cli):
        run_id = cli("trigger", "sleeper").out.strip()
        assert cli("cancel", "sleeper").out.strip() == run_id
        assert ended(cli, run_id)["state"] == "cancelled"
        assert cli("cancel", "sleeper").out == "sleeper has no open runs\n"
        assert cli("cancel", run_id).code == 1

    def test_that_waits_is_shown_with_what_it_waits_for(self, cli):
        sleeper = cli("trigger", "sleeper").out.strip()
        eventually(lambda: cli("status", "--json").json["running"])
        after = cli("trigger", "after").out.strip()
        waiting = cli("status", "--json").json["waiting"]
        assert [(run["run_id"], run["waiting_for"]) for run in waiting] == [
            (after, '"sleeper", which it needs, has an open run')
        ]
        text = cli("status").out
        assert '"sleeper", which it needs, has an open run' in text
        assert sleeper in text
        cli("cancel", "after")
        cli("cancel", "sleeper")
        assert ended(cli, after)["state"] == "cancelled"
        ended(cli, sleeper)

    def test_that_a_policy_refuses_is_refused_with_its_reason(self, cli):
        run_id = cli("trigger", "sleeper").out.strip()
        refused = cli("trigger", "sleeper")
        assert refused.code == 1
        assert refused.err.startswith(
            f'rae-auto: job "sleeper" was not started: run {run_id} of the same job has been open'
        )
        cli("cancel", "sleeper")
        ended(cli, run_id)


class TestAJob:
    def test_is_added_shown_paused_resumed_and_removed(self, cli):
        assert cli("add", "tidy", "--every", "1h", "--retries", "2", "--", "find", ".").out.startswith(
            "added tidy; next at "
        )
        shown = cli("show", "tidy", "--json").json
        assert shown["definition"]["command"] == ["find", "."]
        assert shown["definition"]["retry_policy"] == {"attempts": 3}
        assert "retry  { attempts = 3 }" in cli("show", "tidy").table
        assert "last  -\n" in cli("show", "tidy").table
        assert "every 1h" in cli("list").out
        assert cli("pause", "tidy").out == "paused tidy\n"
        assert "paused" in cli("show", "tidy").out
        assert cli("resume", "tidy").out == "resumed tidy\n"
        assert cli("pause", "tidy", "--for", "2h", "--note", "holiday").out.endswith(" (in 2 h)\n")
        assert "(note: holiday)" in cli("why", "tidy").out
        assert "holiday" in cli("status").out
        assert cli("resume", "--all").out == "resumed tidy\n"
        assert cli("resume", "--all").out == "no job was paused; nothing has changed\n"
        first = cli("skip", "tidy").out
        assert first.startswith("tidy skips its start at ")
        assert "it was skipped by hand" not in cli("skip", "tidy").out
        assert cli("show", "tidy", "--json").json["info"]["skips"]
        assert cli("skip", "tidy", "--undo").out.startswith("tidy will start again at ")
        assert cli("add", "tidy", "--", "true").err.startswith('rae-auto: job "tidy" exists already; replace it with')
        assert cli("add", "tidy", "--replace", "--json", "--", "true").json["job"] == "tidy"
        assert cli("remove", "tidy").out == "removed tidy\n"
        assert cli("remove", "tidy").err == "rae-auto: no job \"tidy\"; 'rae-auto list' shows all jobs\n"

    @pytest.mark.parametrize("text", ['command = ["true"]\ntimeout = "5s"\n', '{"command": ["true"], "timeout": "5s"}'])
    def test_is_read_from_a_file(self, cli, tmp_path, text):
        path = tmp_path / ("job.toml" if text.startswith("c") else "job.json")
        path.write_text(text)
        assert cli("add", "filed", "--file", str(path)).out.startswith("added filed; ")
        assert cli("show", "filed", "--json").json["definition"]["timeout"] == "5s"
        cli("remove", "filed")

    def test_of_the_configuration_is_not_removed(self, cli):
        refused = cli("remove", "hello")
        assert (refused.code, refused.err) == (
            1,
            'rae-auto: job "hello" is defined in the configuration; remove it there\n',
        )


class TestTheDaemon:
    def test_reads_its_configuration_again(self, cli, home):
        before = (home / "rae.toml").read_text()
        (home / "rae.toml").write_text(before + '[jobs.late]\ncommand = ["true"]\n')
        assert cli("reload", "--json").json == {**NO_CHANGES, "added": ["late"]}
        (home / "rae.toml").write_text("nonsense = [")
        refused = cli("reload")
        assert refused.code == 2
        assert "rae.toml:1: invalid TOML" in refused.err
        assert "late" in cli("list").out
        status = cli("status").out
        assert "was not reloaded" in status
        assert status.count("invalid TOML") == 1
        (home / "rae.toml").write_text(before)
        assert cli("reload").out.startswith("reloaded: 1 removed (late); its history stays, ")
        assert "was not reloaded" not in cli("status").out
        assert cli("reload").out == "reloaded: no job changed\n"
        assert cli("reload", "--json").json == NO_CHANGES

    def test_status_shows_that_an_edited_configuration_is_broken(self, cli, home):
        before = (home / "rae.toml").read_text()
        (home / "rae.toml").write_text(before + "nonsense = [\n")
        try:
            shown = cli("status").out
            assert "1 problem" in shown.splitlines()[0]
            assert "the configuration was edited and can't be used" in shown
            assert "invalid TOML" in shown
            assert cli("status").out.count("invalid TOML") == 1
        finally:
            (home / "rae.toml").write_text(before)
        assert "was edited" not in cli("status").out

    def test_is_followed_live_until_ctrl_c(self, cli, home):
        """`status --watch` shows the next state when something happens."""
        command = [sys.executable, "-m", "rae_auto", "status", "--watch", "--json"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        with subprocess.Popen(command, **pipes) as watching, contextlib.ExitStack() as last:
            last.callback(watching.kill)
            assert watching.stdout is not None
            decoder, seen = json.JSONDecoder(), ""

            def next_status():
                nonlocal seen
                while True:
                    try:
                        status, end = decoder.raw_decode(seen.lstrip())
                    except ValueError:
                        seen += watching.stdout.readline()
                    else:
                        seen = seen.lstrip()[end:]
                        return status

            assert next_status()["running"] == []
            # Only now it listens; the socket took the first call before.
            run_id = cli("trigger", "sleeper").out.strip()
            eventually(lambda: any(run["run_id"] == run_id for run in cli("status", "--json").json["running"]))
            cli("cancel", "sleeper")
            ended(cli, run_id)
            cli("trigger", "hello")
            assert "running" in next_status()
            watching.send_signal(signal.SIGINT)
            assert "Traceback" not in watching.communicate(timeout=60)[1]
            assert watching.returncode == 130


def test_a_terminal_gets_headers_and_relative_times_and_a_pipe_plain_lines(cli):
    assert cli("list").out.splitlines()[1].split("  ")[:2] == ["sleeper", "idle"]
    pty = pytest.importorskip("pty", reason="needs pseudo-terminals")
    ours, theirs = pty.openpty()
    subprocess.run(
        [sys.executable, "-m", "rae_auto", "list"], stdout=theirs, env={**os.environ, "COLUMNS": "200"}, check=True
    )
    os.close(theirs)
    shown = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert "SCHEDULE" in shown
    assert " days)" in shown


def test_a_name_that_is_nearly_right_gets_a_suggestion(cli):
    assert cli("trigger", "helo").err == 'rae-auto: no job "helo"; did you mean "hello"?\n'
    assert (
        cli("show", "helo", "--json").err
        == json.dumps({"error": {"kind": "JobNotFound", "message": 'no job "helo"; did you mean "hello"?'}}) + "\n"
    )


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["history", "--state", "faild"], 2, 'unknown state "faild"; did you mean "failed"?'),
        (["history", "--state", "waiting"], 2, 'unknown state "waiting"; use "queued" or "retrying"'),
        (["history", "--state", "xyzzy"], 2, 'unknown state "xyzzy"; use "queued", "starting", "running", '),
        (["history", "--since", "soon"], 2, 'rae-auto: --since: invalid time "soon"; write yesterday, "1h ago", 09:00'),
        (["history", "--until", "10"], 2, 'rae-auto: --until: invalid time "10"; write yesterday'),
        (["add", "x", "--at", "x", "--", "true"], 2, 'rae-auto: --at: invalid time "x"; write "in 10 minutes", 09:00'),
        (["add", "x", "--at", "2026-01-01", "--", "true"], 2, "ago) is in the past; name a time to come"),
        (["add", "x", "--at", "1h ago", "--", "true"], 2, "(1 h ago) is in the past; name a time to come"),
        (["stats", "--since", "x"], 2, 'rae-auto: --since: invalid time "x"; write yesterday'),
        (["event", "list", "--until", "x"], 2, 'rae-auto: --until: invalid time "x"; write yesterday'),
        (["event", "delete", "--before", "x", "y"], 2, 'rae-auto: --before: invalid time "x"; write yesterday'),
        *(
            ([*command.split(), "nobody"], 1, "no job \"nobody\"; 'rae-auto list' shows all jobs")
            for command in (
                "history",
                "history --state failed",
                "stats",
                "output",
                "why",
                "pause",
                "show",
                "cancel",
                "remove",
            )
        ),
        (["history", "helo"], 1, 'no job "helo"; did you mean "hello"?'),
        (["output", "01" + "A" * 24], 1, "; 'rae-auto history' lists them"),
        (["output", "after", "--attempt", "7"], 1, "job \"after\" has no run that started; 'rae-auto trigger after'"),
        (["add", "bad/name", "--", "true"], 2, 'invalid job id "bad/name"; use 1 to 64 letters, digits, "-" or "_"'),
        (["add", "x", "--schedule", "61 * * * *", "--", "true"], 2, "61"),
        (["add", "x", "--timeout", "soon", "--", "true"], 2, "soon"),
        (["add", "x"], 2, "nothing to run; end with -- and a command, as in 'rae-auto add tidy -- ls /tmp'"),
        (["event", "delete", "--all", "x"], 2, "--all deletes all events; leave it out to delete only those named"),
        (["event", "delete"], 2, "no events are named; name those to delete, or use --all"),
        (["pause", "x" * 300], 2, "at most 256 printable characters"),
    ],
)
def test_what_the_daemon_refuses_is_one_line(cli, arguments, code, message):
    said = cli(*arguments)
    assert (said.code, said.out) == (code, "")
    assert message in said.err
    assert said.err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("why", ""), "no job or run is named; give the name of a job, or the id of a run"),
        (("output", ""), "no job or run is named; give the name of a job, or the id of a run"),
        (("trigger", ""), 'the request needs "job", and it is empty; name a job'),
        (("history", ""), 'the request needs "job", and it is empty; name a job'),
    ],
)
def test_empty_name_is_said_to_be_missing(cli, words, problem):
    said = cli(*words)
    assert said.code == 2
    assert problem in said.err


@pytest.mark.usefixtures("daemon")
@pytest.mark.parametrize("command", ["why", "output"])
def test_start_of_two_runs_names_both_and_asks_for_more(cli, command):
    for _ in range(3):
        assert cli("trigger", "hello", "--wait").code == 0
    # The first six characters of an id are the same for four minutes, so that at least two of three share them.
    starts = [one["run_id"][:6] for one in cli("history", "--json").json]
    start = max(starts, key=starts.count)
    assert starts.count(start) > 1
    said = cli(command, start)
    assert (said.code, said.out) == (2, "")
    assert f'run "{start}" may be ' in said.err
    assert "write more of the id" in said.err


def test_why_prints_one_line_and_the_facts_behind_it(cli):
    run = cli("trigger", "broken").out.strip()
    ended(cli, run)
    answer, *facts = cli("why", "broken").out.splitlines()
    assert run in answer
    assert "exit code 3" in answer
    assert facts[0].startswith("  trigger: manual")
    shown = cli("why", "broken", "--run", run, "--json").json["answer"]
    assert shown.partition(" failed at ")[0] == answer.partition(" failed at ")[0]
    assert cli("why", "nothing").code == 1
    assert cli("why", "broken", "--at", "soon").code == 2


def test_times_without_an_offset_are_in_the_configured_zone(cli):
    # Of this week, because older events are removed at some time.
    day = (datetime.now(UTC) - timedelta(days=3)).date().isoformat()
    at = cli("event", "send", "local.time", "--at", f"{day}T18:00", "--json").json["at"]
    assert (
        at
        == datetime.fromisoformat(f"{day}T18:00").replace(tzinfo=ZoneInfo("Europe/Berlin")).astimezone(UTC).isoformat()
    )

    def count_listed(*bounds):
        return len(cli("event", "list", "--name", "local.time", *bounds, "--json").json)

    assert (count_listed("--since", f"{day}T18:00"), count_listed("--since", f"{day}T18:01")) == (1, 0)
    assert (count_listed("--until", f"{day}T18:00"), count_listed("--until", day)) == (1, 0)
    assert cli("history", "--until", "2020-01-31", "--json").json == []
    assert cli("history", "--until", "yesterday", "--json").json == []


def test_add_runs_a_job_once_at_a_time_as_people_write_it(cli):
    said = cli("add", "tea", "--at", "in 10 minutes", "--", "true")
    assert (said.code, said.err) == (0, "")
    next_at = datetime.fromisoformat(cli("show", "tea", "--json").json["info"]["next_at"])
    assert timedelta(minutes=9) < next_at - datetime.now(UTC) <= timedelta(minutes=10)
