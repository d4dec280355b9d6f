"""Plugins of each kind at work in `plugins try`."""

import re

import pytest
from tests.support.planted_plugins import HEAD, good_source

from rae_auto.offline.trial.messages import Key
from rae_auto.toolkit.secrets.masking import forget_secrets, list_known_secrets

EVENING = """
from zoneinfo import ZoneInfo

@frozen
class Good(ScheduleTrigger):
    '''Fires each evening.'''

    type = "good"
    {option}

    def next_after(self, instant):
        local = instant.astimezone({zone})
        at = local.replace(hour=18, minute=0, second=0, microsecond=0)
        while at <= local:
            at += timedelta(days=1)
        return at.astimezone(UTC)

    def summary(self):
        return "each evening"
"""
TIMEZONE = 'timezone: str = field(default=None, metadata={"help": "zone"})'


def schedule_source(zone: str, option: str = "") -> str:
    """A schedule at 18:00 in a zone."""
    return good_source("schedule").replace(
        good_source("schedule")[len(HEAD) :].partition("@hookimpl")[0], EVENING.format(zone=zone, option=option)
    )


def test_schedule_shows_instants_a_month_and_clock_changes(play):
    async def work(trial):
        lines = trial.lines("next")
        assert len(lines) == 10
        assert lines[:2] == ["Sat 2026-10-24 20:00:00 CEST", "Sun 2026-10-25 19:00:00 CET  (the clocks have changed)"]
        assert trial.lines("month") == ["1" * 31]
        assert trial.lines("purity") == [
            "the same instants again, asked backwards and from between, and no clock is read"
        ]
        moved = trial.lines("clock changes")[0]
        assert moved.startswith("Sun 2026-10-25, 03:00 becomes 02:00: warning: starts move from 20:00 to 19:00")
        assert "take an option timezone" in moved

    play("tried_utc", schedule_source("UTC"), work)


def test_schedule_with_a_timezone_gets_that_of_the_trial(play):
    async def work(trial):
        assert trial.lines("next")[:2] == [
            "Sat 2026-10-24 18:00:00 CEST",
            "Sun 2026-10-25 18:00:00 CET  (the clocks have changed)",
        ]
        assert trial.lines("clock changes")[0] == "Sun 2026-10-25, 03:00 becomes 02:00: starts stay at 18:00"

    play("tried_zone", schedule_source("ZoneInfo(self.timezone)", TIMEZONE), work)


def test_schedule_that_skips_instants_is_named(play):
    async def work(trial):
        assert "count from a fixed instant, so that none is skipped" in trial.lines("purity")[0]

    skipping = good_source("schedule").replace("minute=0, second=0, ", "", 1)
    play("tried_skips", skipping, work)


def test_clock_behind_a_helper_is_named_with_its_line(play):
    async def work(trial):
        (line,) = [line for line in trial.lines("purity") if "time.time in next_after" in line]
        assert re.search(r"tried_clock\.py:\d+: warning: .*; use the instant that it gets \[impure\]$", line)

    play("tried_clock", good_source("schedule").replace("return instant +", "return later(instant) +", 1), work)


def test_options_are_shown_as_a_configuration_has_them(play):
    async def work(trial):
        assert trial.lines("options") == ['{ type = "good", every = 5, quiet = true, wait = "1m30s", names = ["a"] }']

    more = """
    quiet: bool = field(default=False, metadata={"help": "quiet"})
    wait: timedelta = field(default=timedelta(0), metadata={"help": "time"})
    names: tuple[str, ...] = field(default=(), metadata={"help": "names"})

    def next_after"""
    source = good_source("schedule").replace("\n    def next_after", more, 1)
    play("tried_toml", source, work, options=("every=5", "quiet=true", "wait=90s", 'names=["a"]'))


def test_wrong_option_is_blamed_and_not_the_plugin(play):
    async def work(trial):
        assert trial.lines("problem") == ["options: wrong: unknown key; valid keys: every"]
        assert trial.lines("findings") == []
        assert trial.frame.has_errors

    play("tried_wrong", good_source("schedule"), work, options=("wrong=1",))


def test_keys_move_the_clock_of_a_schedule(play):
    async def work(trial):
        await trial.press(Key.NEXT)
        await trial.wait_for("next", lambda lines: lines[0].startswith("Sun 2026-10-25"))
        await trial.press(Key.MOVE, 86_400)
        await trial.wait_for("next", lambda lines: lines[0].startswith("Mon 2026-10-26"))
        await trial.press(Key.MOVE, -3 * 86_400)
        await trial.wait_for("next", lambda lines: lines[0].startswith("Fri 2026-10-23"))
        await trial.press(Key.RESET)
        await trial.wait_for("next", lambda lines: lines[0].startswith("Sat 2026-10-24"))
        assert not trial.frame.is_running
        await trial.press(Key.HOLD)
        assert trial.frame.is_running

    play("tried_keys", schedule_source("UTC"), work)


def test_source_shows_traces_and_occurrences_as_the_clock_moves(play):
    seeing = "while True:\n            context.trace('looked')"

    async def work(trial):
        assert trial.lines("would fire") == ["nothing yet"]
        await trial.press(Key.MOVE, 120)
        fired = await trial.wait_for("would fire", lambda lines: len(lines) == 2)
        assert fired == [
            "Sat 14:01:00  2026-10-24T12:01:00+00:00",
            "Sat 14:02:00  2026-10-24T12:02:00+00:00",
        ]
        assert trial.lines("sees") == ["Sat 14:00:00  looked"]

    play("tried_source", good_source("source").replace("while True:", seeing), work, options=("every=60",))


@pytest.mark.parametrize(
    ("name", "change", "problem"),
    [
        ("raises", "while 1 / 0:", "watch raised ZeroDivisionError('division by zero'); fix it there"),
        ("exits", "while exit():", "watch raised SystemExit(None); fix it there"),
        ("returns", "while False:", "watch has returned; let it go on until it is cancelled"),
    ],
)
def test_source_that_ends_is_named_with_its_line(play, name, change, problem):
    async def work(trial):
        (line,) = await trial.wait_for("state", lambda lines: lines != ["watching"])
        assert problem in line
        assert name == "returns" or f"tried_{name}.py:" in line

    play(f"tried_{name}", good_source("source").replace("while True:", change), work)


@pytest.mark.parametrize("kind", ["guard", "read guard"])
def test_guard_answers_again_on_a_key(play, kind):
    counting = 'return GuardResult(Verdict.YES, f"answer {len(asked)}")'
    source = good_source(kind).replace('return GuardResult(Verdict.YES, "always")', f"asked.append(1); {counting}")

    async def work(trial):
        (before,) = await trial.wait_for("now", lambda lines: lines[0].startswith("yes"))
        await trial.press(Key.AGAIN)
        await trial.wait_for("now", lambda lines: lines[0] != before)

    play(f"tried_{kind.replace(' ', '_')}", source.replace("@define", "asked = []\n\n\n@define", 1), work)


def test_notice_of_an_example_is_delivered_on_a_key_alone(play):
    async def work(trial):
        assert "the options are those of the example" in trial.lines("delivered")[0]
        await trial.press(Key.AGAIN)
        await trial.wait_for("delivered", lambda lines: lines == ["a sample notice"])

    play("tried_example", good_source("notifier"), work)


def test_notifier_with_own_options_gets_a_notice(play):
    async def work(trial):
        await trial.wait_for("delivered", lambda lines: lines == ["a sample notice"])

    play("tried_notifier", good_source("notifier"), work, options=("to=x",))


def test_executor_shows_what_a_sample_job_does(play):
    starting = "from rae_auto.toolkit.attempts import start_process\n"
    running = "return await start_process(assignment, assignment.job.command)"
    source = good_source("executor").replace('raise OSError("nothing runs")', running).replace(HEAD, HEAD + starting)

    async def work(trial):
        (line,) = await trial.wait_for("output", bool)
        assert line.startswith("hello from ")
        assert "succeeded, exit code 0" in trial.lines("sample job")[1]

    play("tried_executor", source, work)


def test_mistakes_come_first_and_options_are_wanted(play):
    async def work(trial):
        assert "[abstract]" in trial.lines("findings")[0]
        assert trial.lines("not tried") == ["mend the mistakes first, or give the options"]
        assert trial.frame.has_errors

    play("tried_broken", good_source("schedule").replace("def next_after", "def following"), work)


def test_secrets_among_options_are_masked(play):
    option = '    api_token: str = field(default="", metadata={"help": "token"})\n'
    source = good_source("guard").replace("    def evaluate", f"{option}\n    def evaluate", 1)

    async def work(trial):
        assert trial.lines("now") == ["yes (always)"]
        assert "hunter2-hunter2" in list_known_secrets()

    try:
        play("tried_secret", source, work, options=("api_token=hunter2-hunter2",))
    finally:
        forget_secrets()


FORGETFUL = """
from attrs import define
from rae_auto.hookspecs import hookimpl
from rae_plugins.stores.sqlite import SqliteStore

RAE_API = 1


@define
class Forgetful(SqliteStore):
    type = "forgetful"

    def load(self, kind):
        return {}


@hookimpl
def rae_stores():
    return [Forgetful]
"""


def test_store_runs_its_suite_and_names_the_tests_that_fail(play, monkeypatch):
    chosen = "test_new_store_is_empty or test_load_returns_documents_by_kind_and_key"
    monkeypatch.setenv("PYTEST_ADDOPTS", f"-k '{chosen}'")

    async def work(trial):
        await trial.wait_for("conformance suite", lambda lines: lines and lines[0].startswith("done"))
        assert trial.lines("conformance suite") == ["done, 1 test passed, 1 failed"]
        (failed,) = trial.lines("failed")
        assert failed.startswith("test_load_returns_documents_by_kind_and_key: AssertionError")

    play("tried_store", FORGETFUL, work)
