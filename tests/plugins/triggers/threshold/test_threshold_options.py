"""The options of a threshold, and the messages about options that do not fit together."""

import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from rae_auto.config import check
from rae_auto.registry import Registry
from rae_auto.testing.plugin import PluginConformance
from rae_plugins.machine import power_supply
from rae_plugins.machine.power_supply import Power, Source
from rae_plugins.triggers import threshold
from rae_plugins.triggers.threshold import ThresholdTrigger
from rae_plugins.triggers.threshold.levels import Level, Unit, parse_level
from rae_plugins.triggers.threshold.metrics import MEASURES, Metric

ROOT_MOUNT = os.path.abspath(os.sep)


def options(metric: str, **others: Any) -> dict[str, Any]:
    """Return valid options for a metric."""
    of = {
        "disk-free": ROOT_MOUNT,
        "disk-used": ROOT_MOUNT,
        "network-in": "*",
        "network-out": "*",
        "process-cpu": "*",
        "process-memory": "*",
        "process-count": "*",
    }
    given: dict[str, Any] = {"metric": metric, "above": 50, **others}
    if metric in of:
        given.setdefault("of", of[metric])
    if metric == "command":
        given["command"] = ["true"]
    if "below" in given:
        del given["above"]
    return given


class TestEveryMetricConforms(PluginConformance):
    @pytest.fixture(params=list(Metric))
    def plugin(self, request: pytest.FixtureRequest) -> ThresholdTrigger:
        return ThresholdTrigger(**options(request.param))


def test_every_metric_has_a_reader_by_its_name() -> None:
    assert set(MEASURES) == set(Metric)
    assert all(
        ThresholdTrigger(**options(metric.value)).level == Level(50, MEASURES[metric].units[0]) for metric in Metric
    )


def test_command_needs_no_metric() -> None:
    trigger = ThresholdTrigger(command=["date", "+%s"], above=5)
    assert (trigger.measured, trigger.command) == (Metric.COMMAND, ("date", "+%s"))


@pytest.mark.parametrize(
    ("metric", "written", "level"),
    [
        ("cpu", 90, Level(90, Unit.PERCENT)),
        ("cpu", "90%", Level(90, Unit.PERCENT)),
        ("cpu", "12.5 %", Level(12.5, Unit.PERCENT)),
        ("process-cpu", 250, Level(250, Unit.PERCENT)),
        ("memory", "2GB", Level(2 << 30, Unit.BYTES)),
        ("memory-available", "10%", Level(10, Unit.PERCENT)),
        ("disk-free", 10, Level(10, Unit.PERCENT)),
        ("disk-free", "1.5GiB", Level(3 << 29, Unit.BYTES)),
        ("network-in", "1MB", Level(1 << 20, Unit.RATE)),
        ("network-in", 1000, Level(1000, Unit.RATE)),
        ("process-memory", "512MB", Level(512 << 20, Unit.BYTES)),
        ("temperature", -5, Level(-5, Unit.CELSIUS)),
        ("command", 1e6, Level(1e6, Unit.NUMBER)),
        ("command", "1kB", Level(1024, Unit.BYTES)),
    ],
)
def test_level_is_a_number_a_percentage_or_a_size(metric: str, written: Any, level: Level) -> None:
    assert ThresholdTrigger(**options(metric, above=written)).level == level


@pytest.mark.parametrize(
    ("metric", "others", "problem"),
    [
        ("cpu", {"above": "10GB"}, "'above' must be a percentage such as 90"),
        ("cpu", {"above": "90"}, "'above' must be a percentage"),
        ("cpu", {"above": "9e1%"}, "'above' must be a percentage"),
        ("cpu", {"above": "٣%"}, "'above' must be a percentage"),
        ("cpu", {"above": True}, "'above' must be a percentage"),
        ("cpu", {"above": float("nan")}, "'above' must be a percentage"),
        ("cpu", {"above": float("-inf")}, "'above' must be a percentage"),
        ("cpu", {"above": 10**5000}, "'above' must be a percentage"),
        ("cpu", {"above": ["90"]}, "'above' must be a percentage"),
        ("cpu", {"above": "9" * 10_000}, "'above' must be a percentage"),
        ("cpu", {"above": 100}, "between 0 and 100: cpu can't cross 100"),
        ("cpu", {"above": -1}, "between 0 and 100: cpu can't cross -1"),
        ("cpu", {"below": 0}, "'below' must be between 0 and 100: cpu can't cross 0"),
        ("disk-free", {"below": "110%"}, "'below' must be between 0 and 100"),
        ("disk-free", {"below": "10 bananas"}, 'such as 90 or "90%" or a size such as "10GB", not "10 bananas"'),
        ("load", {"below": 0}, "'below' must be more than 0"),
        ("temperature", {"above": "80%"}, "degrees Celsius"),
        ("command", {"above": "80%"}, "a number or a size"),
        ("load", {"below": 1, "clear": 0.5}, "'clear' must be at least below, which is 1"),
        ("load", {"above": 1, "clear": 1.5}, "'clear' must be at most above, which is 1"),
        ("load", {"above": 1, "clear": -1}, "'clear' must be more than 0: load can't reach -1"),
        ("battery", {"below": 20, "clear": 101}, "battery can't reach 101"),
        ("disk-free", {"below": "10GB", "clear": 20}, "'clear' must be in bytes, like the level 10GB"),
        ("load", {"above": None}, "set exactly one of above and below"),
        ("cpu", {"of": "x"}, "'of' must be left out: metric cpu has no parts to choose from"),
        ("command", {"of": "x"}, "'of' must be left out"),
        ("disk-free", {"of": None}, "metric disk-free needs the mount point"),
        ("disk-free", {"of": "home"}, "'of' must be the mount point of a file system, such as /home, not \"home\""),
        ("network-in", {"of": None}, "metric network-in needs a network interface"),
        ("process-count", {"of": ""}, "'of' must be the name of a program"),
        ("process-count", {"of": "a\0b"}, "'of' must be the name of a program"),
        ("cpu", {"command": ["true"]}, "'command' must be left out with metric cpu"),
        ("cpu", {"every": "999ms"}, "'every' must be at least 1s"),
        ("cpu", {"timeout": 0}, "'timeout' must be more than 0s"),
        ("cpu", {"for_": "soon"}, "invalid duration"),
    ],
)
def test_conflicting_threshold_options_are_refused(metric: str, others: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)) as caught:
        ThresholdTrigger(**options(metric, **others))
    said = str(caught.value)

    assert "\n" not in said
    assert len(said) < 250


def test_above_and_below_together_are_refused() -> None:
    with pytest.raises(ValueError, match="set exactly one of above and below"):
        ThresholdTrigger(metric="load", above=1, below=2)


@pytest.mark.parametrize("command", [[], [""], ["a\0b"], [1]])
def test_command_that_cannot_be_run_is_refused(command: Any) -> None:
    with pytest.raises(ValueError, match="'command' must be a list of words"):
        ThresholdTrigger(command=command, above=1)


def test_threshold_without_a_metric_is_refused() -> None:
    with pytest.raises(ValueError, match="give metric, or command"):
        ThresholdTrigger(above=1)
    with pytest.raises(ValueError, match='metric "command" needs the words'):
        ThresholdTrigger(metric="command", above=1)


@pytest.mark.parametrize(
    ("metric", "function"), [("temperature", "sensors_temperatures"), ("battery", "sensors_battery")]
)
def test_metric_missing_on_the_platform_is_refused(monkeypatch: pytest.MonkeyPatch, metric: str, function: str) -> None:
    monkeypatch.delattr(psutil, function)
    with pytest.raises(
        ValueError,
        match=f"'metric' can't be used, because this platform does not report {metric}",
    ):
        ThresholdTrigger(metric=metric, above=50)


def test_threshold_error_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "rae.toml"
    path.write_text(
        '[jobs.a]\ncommand = ["true"]\n[jobs.a.trigger]\ntype = "threshold"\nmetric = "load"\n'
        'above = 4\nclear = 5\nfor = "never"\n'
    )
    path.chmod(0o600)
    assert check(path, Registry()).errors == (
        f"{path}:7: jobs.a.trigger.clear: must be at most above, which is 4",
        f'{path}:8: jobs.a.trigger.for: invalid duration "never"; use a number and a unit, as in "90s" or "1h30m"',
    )


# Warnings


def test_available_subjects_give_no_warning() -> None:
    certain = [metric for metric in Metric if metric not in (Metric.SWAP, Metric.BATTERY, Metric.TEMPERATURE)]
    assert [ThresholdTrigger(**options(metric)).warnings() for metric in certain] == [()] * len(certain)


@pytest.mark.parametrize(
    ("given", "warning"),
    [
        (options("disk-free", of="/no/such/mount"), 'disk-free of "/no/such/mount" is unavailable now; mount points'),
        (options("network-in", of="wlan\n9*"), 'network-in of "wlan\\n9*" is unavailable now; network interfaces here'),
        ({"command": ["no-such-program-anywhere"], "above": 1}, 'program "no-such-program-anywhere" not found'),
        (options("cpu", for_="5s"), "for is shorter than every; it takes two readings, so at least 10s"),
    ],
)
def test_missing_subjects_give_a_warning(given: dict[str, Any], warning: str) -> None:
    (said,) = ThresholdTrigger(**given).warnings()
    assert warning in said
    assert "\n" not in said


def test_missing_battery_swap_and_sensors_give_warnings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(power_supply, "read_power", lambda: Power(Source.MAINS))
    monkeypatch.setattr(psutil, "sensors_temperatures", dict)
    monkeypatch.setattr(psutil, "swap_memory", lambda: SimpleNamespace(total=0, used=0))
    said = [ThresholdTrigger(metric=metric, above=50).warnings() for metric in ("battery", "swap", "temperature")]
    assert said == [
        ("battery is unavailable now: this machine has no battery",),
        ("swap is unavailable now: this machine has no swap space",),
        ("temperature is unavailable now; temperature sensors here: none",),
    ]


def test_battery_swap_and_sensors_give_no_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(power_supply, "read_power", lambda: Power(Source.MAINS, True, 50))
    monkeypatch.setattr(
        psutil,
        "sensors_temperatures",
        lambda: {"chip": [SimpleNamespace(label=f"core {n}", current=5) for n in range(9)]},
    )
    monkeypatch.setattr(psutil, "swap_memory", lambda: SimpleNamespace(total=100, used=1))
    assert [ThresholdTrigger(metric=metric, above=50).warnings() for metric in ("battery", "swap")] == [()] * 2
    assert ThresholdTrigger(metric="temperature", above=50, of="chip/core 3").warnings() == ()
    (said,) = ThresholdTrigger(metric="temperature", above=50, of="other").warnings()
    assert said.endswith("chip/core 6, chip/core 7 and 1 more")


def test_unreadable_machine_gives_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: Any) -> Any:
        raise PermissionError("not yours")

    monkeypatch.setattr(psutil, "net_io_counters", refuse)
    assert ThresholdTrigger(metric="network-in", of="*", above=1).warnings() == (
        "network-in can't be read now: not yours",
    )


def test_the_module_offers_one_trigger_of_its_name() -> None:
    assert threshold.rae_triggers() == [ThresholdTrigger]
    assert ThresholdTrigger.type == "threshold"


def test_importing_threshold_does_not_import_psutil() -> None:
    code = "import sys, rae_plugins.triggers.threshold; sys.exit('psutil' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_text_without_a_unit_is_not_a_size() -> None:
    with pytest.raises(ValueError, match="must be a size"):
        parse_level("10", [Unit.BYTES])
