"""Names of programs: one rule in every trigger that takes a name."""

import re
import subprocess
import sys
from typing import Any

import pytest
from tests.support.waiting import eventually

from rae_plugins.machine.programs import check_pattern, is_called, running
from rae_plugins.triggers.system import SystemTrigger
from rae_plugins.triggers.threshold import ThresholdTrigger
from rae_plugins.triggers.usage.patterns.duration import DurationPattern


@pytest.mark.parametrize(
    ("name", "text", "is_meant"),
    [
        ("firefox", "firefox", True),
        ("Firefox.exe", "firefox", True),
        ("firefox.exe", "Firefox.EXE", True),
        ("firefox-esr", "firefox", False),
        ("firefox-esr", "fire*", True),
        ("thunderfire", "fire*", False),
        ("firefox-esr", "/^fire(fox|bird)/", True),
        ("thunderfire", "/fire/", True),
        ("", "firefox", False),
    ],
)
def test_a_name_is_a_glob_or_a_regular_expression_in_any_case(name: str, text: str, is_meant: bool) -> None:
    assert is_called(name, check_pattern(text)) is is_meant


@pytest.mark.parametrize(
    ("trigger", "options"),
    [
        (SystemTrigger, {"on": ["process-started"], "process": "/(/"}),
        (ThresholdTrigger, {"metric": "process-count", "of": "/(/", "above": 1}),
        (DurationPattern, {"application": "/(/", "for_": "1h"}),
    ],
)
def test_what_is_no_regular_expression_is_refused(trigger: Any, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=re.escape('invalid regular expression "/(/"')):
        trigger(**options)


def test_what_is_dead_and_not_yet_buried_does_not_run() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert child.stdin is not None
    assert child.pid in [process.pid for process in running("*")]
    child.stdin.close()
    eventually(lambda: child.pid not in [process.pid for process in running("*")])
    child.wait()
