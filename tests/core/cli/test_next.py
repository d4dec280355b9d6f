"""rae-auto next: in which zone, with which guards, of which jobs."""

import os
import subprocess
from contextlib import closing
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from tests.support.daemons import Daemons

from rae_auto import Cron, Job
from rae_auto.api import Put
from rae_auto.engine.time.cursors import digest_of
from rae_auto.explain.next_start import NextStart
from rae_auto.model import documents
from rae_auto.model.job_state import Cursor, JobState
from rae_auto.views.next_starts import next_lines
from rae_plugins.stores.sqlite import SqliteStore
from rae_plugins.triggers.interval import IntervalTrigger

CONFIG = """
timezone = "Europe/Berlin"
[jobs.digest]
command = ["digest"]
schedule = "0 18 * * *"
guards = [{ type = "weekday", days = ["mon-fri"] }]
[jobs.late]
command = ["late"]
schedule = "0 8 * * *"
guards = [{ type = "time", from = "09:30", to = "17:00" }]
guard_timeout = "2h"
[jobs.never]
command = ["never"]
schedule = "0 8 * * *"
guards = [{ type = "time", from = "09:30", to = "17:00" }]
"""
FROM = ("--from", "2026-11-27T12:00")


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setattr("rae_auto.cli.planning.on_terminal", lambda: True)


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("0 0 30 2 *", '"0 0 30 2 *" never matches: no date has day of month "30", month "2"; change one of them'),
        ("61 * * * *", 'minute "61": write a value from 0 to 59'),
        ("15:30", '"15:30" is not a cron expression; write "30 15 * * *"'),
    ],
)
def test_wrong_expression_is_explained_without_words_of_a_configuration(offline, expression, problem):
    said = offline("next", expression)
    assert (said.code, said.err.partition("; see")[0].strip()) == (2, f"rae-auto: {problem}")


@pytest.mark.usefixtures("config")
class TestZone:
    def test_of_an_expression_is_the_configured_one(self, offline):
        assert offline("next", "0 9 * * *", *FROM, "--count", "1").out == "2026-11-28T09:00:00+01:00\n"

    def test_of_an_expression_is_that_of_the_named_configuration(self, offline, config, tmp_path):
        other = tmp_path / "other.toml"
        other.write_text('timezone = "Asia/Tokyo"\n')
        other.chmod(0o600)
        said = offline("next", "0 9 * * *", *FROM, "--count", "1", "--config", str(other))
        assert said.out == "2026-11-28T09:00:00+09:00\n"

    def test_of_an_expression_is_the_machines_while_the_file_is_broken(self, offline, config, monkeypatch):
        config.write_text("[jobs")
        monkeypatch.setenv("TZ", "Asia/Tokyo")
        said = offline("next", "0 9 * * *", *FROM, "--count", "1")
        assert said.out == "2026-11-28T09:00:00+09:00\n"
        assert said.err.endswith("so times are in the machine's zone; 'rae-auto check' shows them\n")

    def test_of_a_job_must_be_known(self, offline, config):
        config.write_text('timezone = "Mars/Olympus"\n' + config.read_text().replace("timezone", "# timezone", 1))
        said = offline("next", "digest", *FROM)
        assert (said.code, said.out) == (2, "")
        assert 'unknown time zone "Mars/Olympus"' in said.err
        assert offline("next", "digest", *FROM, "--tz", "UTC", "--count", "1").out == "2026-11-27T18:00:00+00:00\n"


@pytest.mark.usefixtures("config")
class TestGuards:
    def test_leave_out_what_they_forbid(self, offline):
        said = offline("next", "digest", *FROM, "--count", "2", "--json")
        assert said.json == ["2026-11-27T18:00:00+01:00", "2026-11-30T18:00:00+01:00"]

    def test_delay_what_waits_for_them(self, offline):
        said = offline("next", "late", *FROM, "--count", "1", "--json")
        assert said.json == ["2026-11-28T09:30:00+01:00"]

    def test_that_never_allow_a_start_end_the_search(self, offline):
        assert offline("next", "never", *FROM, "--json").json == []

    @pytest.mark.usefixtures("terminal")
    def test_are_explained_on_a_terminal(self, offline):
        first, forbidden, last = offline("next", "digest", "--from", "2036-11-28", "--count", "2").out.splitlines()
        assert first.startswith("2036-11-28 18:00:00 CET (in ")
        assert forbidden == (
            '2036-11-29 18:00:00 CET  not: its guard "weekday" says no: it is Saturday in Europe/Berlin, outside '
            "mon-fri, and 1 more time until 2036-11-30 18:00:00 CET"
        )
        assert last.startswith("2036-12-01 18:00:00 CET (in ")
        (late,) = offline("next", "late", "--from", "2036-11-28", "--count", "1").out.splitlines()
        assert late.startswith("2036-11-28 09:30:00 CET (in ")
        assert '  due at 2036-11-28 08:00:00 CET, but its guard "time" says no' in late


@pytest.mark.parametrize(
    ("seconds", "distance"), [(-240, "in 4 min"), (3, "due now"), (180, "due 3 min ago")], ids=["ahead", "now", "late"]
)
def test_start_in_the_past_is_due(seconds, distance):
    now = datetime(2026, 11, 28, 12, tzinfo=UTC)
    at = now - timedelta(seconds=seconds)
    [line] = next_lines([NextStart(at, at)], ZoneInfo("UTC"), now)
    assert line.endswith(f"({distance})")
    [line] = next_lines([NextStart(at, at)], ZoneInfo("UTC"), now, is_from_now=False)
    assert "due" not in line


@pytest.mark.usefixtures("config")
def test_next_of_an_added_job_comes_from_the_store(offline, tmp_path):
    (tmp_path / "state").mkdir(mode=0o700, exist_ok=True)
    with closing(SqliteStore()) as store:
        store.open(tmp_path / "state")
        job = Job(id="added", command="true", schedule=Cron("0 7 * * *"))
        store.commit([Put(documents.JOB, "added", documents.dump(job))])
    said = offline("next", "added", *FROM, "--count", "1")
    assert (said.out, said.err) == ("2026-11-28T07:00:00+01:00\n", "")
    said = offline("next", "aded")
    assert (said.code, said.out) == (1, "")
    assert 'did you mean "added"?' in said.err


@pytest.mark.usefixtures("daemon")
def test_next_leaves_out_pauses_and_skipped_starts(cli):
    assert cli("add", "shifts", "--schedule", "0 7 * * *", "--tz", "UTC", "--", "true").code == 0
    cli("pause", "shifts", "--until", "2099-01-01 07:00")
    cli("skip", "shifts")
    said = cli("next", "shifts", "--count", "1")
    assert cli("remove", "shifts").code == 0
    assert said.out.startswith("2099-01-02T") or said.out.startswith("2099-01-01T")
    assert 'job "shifts" is paused until ' in said.err


@pytest.mark.usefixtures("daemon")
def test_next_of_a_job_of_the_daemon_comes_first(cli, monkeypatch, tmp_path):
    assert cli("add", "elsewhere", "--schedule", "0 7 * * *", "--", "true").code == 0
    monkeypatch.chdir(tmp_path)
    assert cli("next", "elsewhere", *FROM, "--count", "1").out == "2026-11-28T07:00:00+01:00\n"
    cli("pause", "elsewhere")
    said = cli("next", "elsewhere")
    assert cli("remove", "elsewhere").code == 0
    assert (said.out, said.err) == ("", "job \"elsewhere\" is paused; 'rae-auto resume elsewhere' lets it go on\n")


DAILY = """
import attrs
from datetime import timedelta

from rae_auto.api import ScheduleTrigger
from rae_auto.hookspecs import hookimpl

RAE_API = 1


@attrs.frozen
class Daily(ScheduleTrigger):
    type = "own-daily"

    def next_after(self, instant):
        return instant.replace(hour=7, minute=0, second=0, microsecond=0) + timedelta(days=1)


@hookimpl
def rae_triggers():
    return [Daily]
"""


def test_next_of_a_daemon_knows_plugins_in_single_files(tmp_path):
    file = tmp_path / "plugins" / "own-daily.py"
    file.parent.mkdir(mode=0o700)
    file.write_text(DAILY)
    file.chmod(0o600)
    daemons = Daemons(
        tmp_path, '[plugins]\npaths = ["plugins/"]\n[jobs.a]\ncommand = ["true"]\ntrigger = "own-daily"\n'
    )
    try:
        daemons.serve()
        command = [*daemons.command, "next", "a", "--count", "1", "--config", str(daemons.config)]
        environment = {**os.environ, "RAE_STATE_DIR": str(daemons.state)}
        said = subprocess.run(command, env=environment, capture_output=True, text=True)
    finally:
        daemons.end()
    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout.count("T") == 1


@pytest.mark.usefixtures("config")
class TestWithoutStarts:
    @pytest.mark.parametrize(
        ("lines", "why"),
        [
            ("", "job \"a\" has no schedule; 'rae-auto trigger a' starts it by hand\n"),
            (
                'trigger = { type = "file", paths = ["/tmp/x"] }',
                'job "a" starts when its trigger reports an event, which can\'t be foretold\n',
            ),
            ('trigger = { type = "manual" }', "job \"a\" starts by hand only; 'rae-auto trigger a' does that\n"),
            ('trigger = { type = "once", at = "2020-01-01T00:00:00Z" }', 'the schedule of "a" has no time left\n'),
        ],
        ids=["none", "event", "by hand", "past"],
    )
    def test_a_job_says_why(self, offline, config, lines, why):
        config.write_text(f'[jobs.a]\ncommand = ["true"]\n{lines}\n')
        said = offline("next", "a")
        assert (said.code, said.out, said.err) == (0, "", why)

    def test_a_job_names_the_guard_that_forbids_them(self, offline):
        said = offline("next", "never", *FROM, "--json")
        assert said.json == []
        assert said.err.startswith(
            'job "never" does not start at the next 1,000 times of its schedule: its guard "time" says no'
        )

    def test_a_paused_job_says_so_without_a_daemon(self, offline, tmp_path):
        directory = tmp_path / "state"
        directory.mkdir()
        with closing(SqliteStore()) as store:
            store.open(directory)
            store.commit([Put(documents.STATE, "digest", documents.dump(JobState("digest", paused=True)))])
        said = offline("next", "digest")
        assert (said.out, said.err) == ("", "job \"digest\" is paused; 'rae-auto resume digest' lets it go on\n")


COUNTED = """
timezone = "UTC"
[jobs.poll]
command = ["true"]
trigger = { type = "interval", every = "2h", from = "END" }
"""


@pytest.mark.parametrize("point", ["start", "end"])
class TestOfAScheduleThatCountsFromRuns:
    @pytest.fixture
    def counted(self, tmp_path, monkeypatch, point):
        path = tmp_path / "rae.toml"
        path.write_text(COUNTED.replace("END", point))
        path.chmod(0o600)
        monkeypatch.chdir(tmp_path)

    def store_state(self, tmp_path, point, counts_from):
        digest = digest_of(IntervalTrigger(every="2h", from_=point, timezone="UTC"))
        at = datetime.now(UTC)
        state = JobState("poll", cursors={"interval": Cursor(at, digest, at, counts_from=counts_from)})
        (tmp_path / "state").mkdir(mode=0o700)
        with closing(SqliteStore()) as store:
            store.open(tmp_path / "state")
            store.commit([Put(documents.STATE, "poll", documents.dump(state))])

    @pytest.mark.usefixtures("counted")
    def test_next_knows_nothing_before_a_daemon_has_loaded_it(self, offline, point):
        said = offline("next", "poll")
        assert said.out == ""
        assert f'"every 2h from its {point}" counts from when a daemon loads the job' in said.err

    @pytest.mark.usefixtures("counted")
    def test_next_knows_one_start_and_says_so(self, offline, tmp_path, point):
        begin = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=30)
        self.store_state(tmp_path, point, begin)
        said = offline("next", "poll", "--count", "3")
        due = (begin + timedelta(hours=2)).isoformat()
        assert said.out == f"{due}\n"
        assert f'later starts by "every 2h from its {point}" count from the {point} of the run before' in said.err
        assert offline("next", "poll", "--from", "in 30 days").out == ""
        assert offline("list", "--json").json[0]["next_at"] == due

    @pytest.mark.usefixtures("counted")
    def test_end_that_is_not_known_is_said(self, offline, tmp_path, point):
        if point == "end":
            self.store_state(tmp_path, point, None)
            why = '"every 2h from its end" counts from the end of the run that goes on, which isn\'t known yet'
            assert why in offline("next", "poll").err
            assert why in offline("why", "poll").out


@pytest.mark.parametrize("point", ["start", "end"])
def test_check_refuses_places_for_schedules_by_the_clock(offline, tmp_path, monkeypatch, point):
    path = tmp_path / "rae.toml"
    counted = f'{{ type = "interval", every = "2d", from = "{point}" }}'
    combined = f'trigger = {{ type = "combine", any = [{counted}, "manual"] }}\n'
    shifted = f'trigger = {counted}\nshift = "next"\nguards = [{{ type = "weekday", days = ["mon-fri"] }}]\n'
    path.write_text(f'[jobs.a]\ncommand = ["true"]\n{combined}[jobs.b]\ncommand = ["true"]\n{shifted}')
    path.chmod(0o600)
    monkeypatch.chdir(tmp_path)
    said = offline("check")
    assert f"to count from the {point} of a run is for a trigger that starts a job" in said.out
    assert "shift: is for schedules by the clock, not for one that counts from the last run" in said.out


@pytest.mark.parametrize(
    "command", [("next", "0 9 * * *", "--count", "0"), ("history", "--limit", "0"), ("event", "list", "--limit", "0")]
)
def test_count_or_limit_of_zero_is_refused(offline, command):
    said = offline(*command)
    assert (said.code, said.out) == (2, "")
    assert "must be a whole number from 1 to " in said.err
