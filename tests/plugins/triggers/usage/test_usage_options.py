"""usage: options as in a configuration, and refusals."""

import re
import subprocess
import sys

import pytest

from rae_auto.api import Event
from rae_auto.config.options import build
from rae_auto.model.primitives.problems import Invalid
from rae_auto.registry import Registry
from rae_auto.testing.sources import START
from rae_plugins.triggers.usage import UsageTrigger
from rae_plugins.triggers.usage.patterns.idle_periods import ReturnPattern
from rae_plugins.triggers.usage.patterns.options import UsagePattern

PLUGINS = Registry()


def make_usage(**options: object) -> UsagePattern:
    options = {name.rstrip("_"): value for name, value in options.items()}
    pattern = build(UsageTrigger, options, timezone="Europe/Berlin", plugins=PLUGINS)
    assert isinstance(pattern, UsagePattern)
    return pattern


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"pattern": "often"}, "must be one of count"),
        ({"pattern": "count", "of": "x", "within": "1h"}, "count: is missing"),
        ({"pattern": "count", "of": "x", "count": 3}, "within: is missing"),
        ({"pattern": "count", "of": "x"}, "count: is missing; add it; within: is missing; add it"),
        ({"pattern": "first_of_day", "of": "door opened"}, "of: must be the name of an event"),
        ({"pattern": "first_of_day", "of": ""}, "of: must be the name of an event"),
        ({"pattern": "first_of_day", "of": "gap"}, "of: must be the name of an event"),
        ({"pattern": "duration", "application": "x", "for": "2d"}, "for: must be at most 1d"),
        ({"pattern": "duration", "application": "x", "for": "8d", "per": "week"}, "for: must be at most 7d"),
        ({"pattern": "duration", "application": "x", "for": "2h", "within": "1h"}, "for: must be at most 1h"),
        ({"pattern": "count", "of": "x", "count": 0, "within": "1h"}, "count: must be at least 1"),
        ({"pattern": "count", "of": "x", "count": 20_000, "within": "1h"}, "count: must be at most"),
        ({"pattern": "count", "count": 3, "within": "1h"}, "nothing counts"),
        ({"pattern": "count", "of": "x", "count": 3, "within": "1ms"}, "within: must be at least 1s"),
        ({"pattern": "count", "of": {"type": "nothing"}, "count": 3, "within": "1h"}, "of: unknown trigger"),
        ({"pattern": "count", "of": {"type": "interval"}, "count": 3, "within": "1h"}, "of.every: is missing"),
        ({"pattern": "count", "of": "x", "application": "y", "count": 3, "within": "1h"}, "because 'of' already says"),
        (
            {"pattern": "count", "application": "y", "count": 3, "within": "1h", "where": {"a": 1}},
            "where: must be removed",
        ),
        (
            {"pattern": "first_of_day", "of": "x", "days": 3},
            'days: is not an option of pattern "first_of_day", only of streak; remove it',
        ),
        ({"pattern": "first_of_day", "of": "x", "day_start": "9"}, "invalid time of day"),
        ({"pattern": "first_of_day", "of": "x", "source": "process"}, "source: must be removed"),
        ({"pattern": "first_of_day", "of": "x", "timezone": "Mars/Olympus"}, "unknown time zone"),
        ({"pattern": "absence", "of": "x"}, "for: is missing"),
        ({"pattern": "idle"}, "for: is missing"),
        ({"pattern": "idle", "for": "5s"}, "for: must be at least 10s"),
        ({"pattern": "idle", "for": "5m", "of": "x"}, "only of count, absence, first_of_day, streak, habit, surge"),
        ({"pattern": "idle", "for": "5m", "source": "process"}, "source: must be one of idle, activitywatch"),
        ({"pattern": "return", "for": "5m", "url": "http://127.0.0.1:1"}, 'source = "activitywatch" set'),
        ({"pattern": "duration", "for": "2h"}, "'application'"),
        ({"pattern": "duration", "for": "2h", "application": "/(/"}, "invalid regular expression"),
        (
            {"pattern": "duration", "for": "2h", "application": "x", "source": "idle"},
            "source: must be one of process, activitywatch",
        ),
        ({"pattern": "duration", "for": "2h", "application": "x", "title": "y"}, 'source = "activitywatch" set'),
        (
            {"pattern": "duration", "for": "2h", "application": "x", "within": "4h", "per": "week"},
            "per: must be removed",
        ),
        (
            {"pattern": "duration", "for": "2h", "title": "x", "source": "activitywatch", "url": "http://example.org"},
            "must be an address of this machine",
        ),
        ({"pattern": "streak", "of": "x", "days": 1}, "days: must be at least 2"),
        ({"pattern": "habit", "of": "x", "probability": 1.0}, "probability: must be less than"),
        ({"pattern": "habit", "of": "x", "lead": "13h"}, "lead: must be at most 12h"),
        ({"pattern": "habit", "of": "x", "count": 3}, "only of count, surge"),
        ({"pattern": "surge", "of": "x", "factor": 0.5}, "factor: must be at least 1"),
    ],
)
def test_usage_refuses_options_that_do_not_fit(options: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)) as caught:
        make_usage(**options)
    assert "\n" not in str(caught.value)


def test_of_takes_the_name_of_an_event_or_a_trigger() -> None:
    named = make_usage(pattern="first_of_day", of="system.unlock")
    assert (named.event_names(), named.parts()) == (("system.unlock",), {})
    inner = make_usage(pattern="first_of_day", of={"type": "usage", "pattern": "return", "for": "1h"})
    (part,) = inner.parts().values()
    assert isinstance(part, ReturnPattern)
    assert inner.event_names() == ()
    (name,) = inner.parts()
    (firing,) = inner.step(inner.begin(START).state, Event("1", name, START, {}), START).firings
    assert firing.event is not None
    assert firing.event["of"] == "usage"


def test_days_are_those_of_the_configured_time_zone() -> None:
    assert make_usage(pattern="first_of_day", of="x").timezone == "Europe/Berlin"
    assert make_usage(pattern="first_of_day", of="x", timezone="Asia/Tokyo").timezone == "Asia/Tokyo"


@pytest.mark.parametrize(
    ("options", "upstream_jobs"),
    [
        ({"pattern": "count", "of": "run.succeeded", "where": {"job": "poll"}}, ("poll",)),
        ({"pattern": "count", "of": "*", "where": {"job": "poll"}}, ("poll",)),
        ({"pattern": "count", "of": "run.succeeded", "where": {"job": "po*"}}, ()),
        ({"pattern": "count", "of": "shell.command", "where": {"job": "poll"}}, ()),
        ({"pattern": "count", "of": "run.*"}, ()),
        ({"pattern": "absence", "of": "run.succeeded", "where": {"job": "poll"}}, ()),
    ],
)
def test_count_of_run_ends_follows_the_job(options: dict[str, object], upstream_jobs: tuple[str, ...]) -> None:
    """A job must not start itself by its own ends, but may run because it has not succeeded for long."""
    more = {"count": 2, "within": "1h"} if options["pattern"] == "count" else {"for": "1h"}
    assert make_usage(**options, **more).upstream_jobs() == upstream_jobs


def test_usage_warns_about_own_runs_and_short_periods() -> None:
    (own,) = make_usage(pattern="count", of="run.*", count=2, within="1h").warnings()
    assert "its own runs" in own
    assert make_usage(pattern="count", of="run.*", where={"job": "other"}, count=2, within="1h").warnings() == ()
    (short,) = make_usage(pattern="idle", for_="1m", source="activitywatch").warnings()
    assert "shorter" in short
    inner = {"type": "usage", "pattern": "count", "of": "run.*", "count": 2, "within": "1h"}
    assert make_usage(pattern="first_of_day", of=inner).warnings() == (own,)


def test_api_key_is_a_reference() -> None:
    with pytest.raises(ValueError, match="must be a reference") as error:
        make_usage(pattern="idle", for_="5m", source="activitywatch", api_key="s3cret")
    assert "s3cret" not in str(error.value)


def test_usage_imports_no_optional_libraries() -> None:
    """Libraries that only some patterns need are imported with these."""
    code = "import sys, rae_plugins.triggers.usage; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"psutil", "dbus_fast", "ctypes", "urllib.request"}.isdisjoint(modules)


def test_usage_refuses_a_former_option_with_the_new_name() -> None:
    with pytest.raises(Invalid, match='shadow: was renamed; write "dry_run"'):
        make_usage(pattern="habit", of="x", shadow=True)
