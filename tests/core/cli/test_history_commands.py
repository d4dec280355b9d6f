"""stats, backup and restore, beside a daemon and without one."""

import json
from datetime import UTC, datetime

import pytest
from tests.support.waiting import eventually

from rae_auto.control.client import Client
from rae_auto.errors import BadRequest
from rae_auto.records.backup_files import examine
from rae_auto.views.statistics import sparkline


def ran(cli, job: str) -> str:
    run = cli("trigger", job).out.strip()
    eventually(lambda: [r for r in cli("history", job, "--json").json if r["run_id"] == run and r["finished_at"]])
    return run


@pytest.mark.usefixtures("daemon")
class TestBesideADaemon:
    def test_stats_of_all_and_of_a_job(self, cli):
        ran(cli, "hello")
        ran(cli, "broken")
        assert cli("stats", "--json").json["runs"] >= 2
        found = cli("stats", "broken", "--json").json
        assert found["states"] == {"failed": found["runs"]}
        assert found["success_rate"] == 0
        assert found["duration"]["p50"] >= 0
        assert cli("stats", "broken", "--since", "now", "--json").json["runs"] == 0

    def test_output_names_what_kept_an_attempt_from_starting(self, cli):
        cli("add", "nowhere", "--every", "1d", "--", "/missing/program")
        run = ran(cli, "nowhere")
        assert "has no output: " in cli("output", run).err
        assert "/missing/program" in cli("output", run).err
        assert cli("output", run, "--attempt", "7").code == 1
        assert "has no attempt 7; its last one is attempt 1" in cli("output", run, "--attempt", "7").err

    @pytest.mark.requirement("R29")
    def test_processes_that_were_left_behind_are_named(self, cli):
        cli("add", "server", "--every", "1d", "--shell", "sleep 300 > /dev/null & echo $!")
        run = ran(cli, "server")
        pid = cli("output", run).out.strip()
        remark = f'ended 1 process left behind: sleep (pid {pid}); orphans = "allow" keeps it'
        assert cli("output", run).err == f"rae-auto: {remark}\n"
        assert remark in cli("history", "server").out
        assert cli("history", "server", "--json").json[0]["remark"] == remark
        assert remark in cli("why", "server").out
        assert eventually(lambda: remark in cli("logs").out)

    def test_why_takes_a_run_or_the_start_of_its_id(self, cli):
        run = ran(cli, "broken")
        answer = cli("why", run).out
        assert answer == cli("why", run[:20]).out == cli("why", "broken", "--run", run).out
        assert run in answer
        for command in ("why", "output"):
            said = cli(command, "01ZZZZZZZZ")
            assert (said.code, said.err) == (
                1, "rae-auto: no run \"01ZZZZZZZZ\"; 'rae-auto history' lists them\n"
            )  # fmt: skip
        assert "leave one of them out" in cli("why", run, "--at", "09:00").err

    def test_job_with_a_name_like_the_id_of_a_run_is_a_job(self, cli):
        cli("add", "202611", "--every", "1d", "--", "echo", "hi")
        ran(cli, "202611")
        assert cli("output", "202611").out == "hi\n"
        assert "202611 (run " in cli("why", "202611").out

    def test_a_job_without_records_shows_no_bare_headings(self, cli):
        cli("add", "fresh", "--every", "1d", "--", "true")
        assert cli("history", "fresh").out == ""
        assert cli("history", "fresh").err == "rae-auto: no runs of fresh on record\n"

    @pytest.mark.parametrize(
        ("options", "asked"),
        [
            (["--state", "lost"], " in the state lost"),
            (["hello", "--state", "lost", "--state", "failed"], " of hello in the state lost or failed"),
            (["--since", "2001-01-01", "--until", "2001-01-02"], " queued since 2001-01-01 and until 2001-01-02"),
        ],
    )
    def test_nothing_found_names_what_was_asked_for(self, cli, options, asked):
        ran(cli, "hello")
        said = cli("history", *options)
        assert (said.out, said.err) == ("", f"rae-auto: no runs{asked} on record\n")

    def test_stats_for_people(self, cli):
        ran(cli, "hello")
        lines = dict(line.split("  ", 1) for line in cli("stats", "hello").table.splitlines())
        assert lines["runs"].endswith("succeeded")
        assert lines["success"] == "100.0%"
        assert lines["duration"].startswith("p50 ")
        assert set(lines["trend of success"]) == {"█"}

    def test_misspelt_job_or_instant_is_reported(self, cli):
        said = cli("stats", "helo")
        assert (said.code, said.err) == (1, 'rae-auto: no job "helo"; did you mean "hello"?\n')
        assert cli("stats", "--since", "yesterdy").code == 2

    def test_backup_asks_the_daemon(self, cli, tmp_path):
        run = ran(cli, "hello")
        target = tmp_path / "backup"
        assert cli("backup", str(target)).out.endswith(f" records to {target}\n")
        assert run in target.read_text()
        assert cli("backup", str(target)).code == 1
        made = cli("backup", str(target), "--replace", "--json").json
        assert made == examine(target).record()

    def test_backup_takes_a_name_in_the_working_directory(self, cli, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert cli("backup", "here").code == 0
        assert examine(tmp_path / "here").changes >= 0

    @pytest.mark.parametrize("path", [None, 1, "", "here", "/" + "x" * 5000, "/tmp/\0"])
    def test_the_daemon_writes_to_absolute_paths_only(self, cli, path):
        with Client() as client, pytest.raises(BadRequest, match="an absolute path"):
            client.call("backup", path=path)

    def test_restore_refuses_a_running_daemon(self, cli, tmp_path):
        cli("backup", str(tmp_path / "backup"))
        said = cli("restore", str(tmp_path / "backup"), "--replace")
        assert said.code == 1
        assert "stop it with 'rae-auto stop'" in said.err
        assert cli("status").code == 0


class TestWithoutADaemon:
    @pytest.fixture
    def config(self, offline, tmp_path):
        path = tmp_path / "rae.toml"
        path.write_text('[jobs.a]\ncommand = ["true"]\n')
        path.chmod(0o600)
        return path

    def test_stats_and_backup_before_the_first_start_name_the_command(self, offline, config):
        for command in (("stats",), ("backup", "file")):
            said = offline(*command)
            assert (said.code, said.out) == (1, "")
            assert "'rae-auto run' creates it" in said.err

    def test_what_is_restored_can_be_looked_at_and_backed_up(self, offline, config, tmp_path):
        from rae_auto.api.store import Put
        from rae_auto.records.backup_files import write

        write(tmp_path / "one", [Put("job", "b", {"id": "b"})], datetime(2026, 1, 31, 12, tzinfo=UTC))
        assert offline("restore", "one").out == "restored 1 record from the backup of 2026-01-31T12:00:00+00:00\n"
        assert offline("stats", "--json").json["runs"] == 0
        assert "runs  0\nsuccess  -\n" in offline("stats").table
        assert offline("backup", "two", "--json").json["changes"] == 1
        config.write_text('store = "json"\n' + config.read_text())
        assert offline("restore", "two").code == 1
        first, second = offline("restore", "two", "--replace").out.splitlines()
        assert first.startswith("restored 1 ")
        assert second.startswith("the old store is now in ")
        assert offline("restore", "two", "--replace", "--json").json["aside"]

    def test_damaged_backup_is_reported_in_one_line(self, offline, config, tmp_path):
        (tmp_path / "bad").write_text("hello\n")
        said = offline("restore", "bad", "--json")
        assert said.code == 1
        assert "restore another backup" in json.loads(said.err)["error"]["message"]


def test_a_sparkline_has_a_bar_for_each_value():
    assert sparkline([0, 0.5, 1], 1) == "▁▅█"
    assert sparkline([], 0) == ""
    assert sparkline([0, 0], 0) == "▁▁"
