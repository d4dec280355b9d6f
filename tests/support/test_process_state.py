"""The shared state of the process is put back as it was."""

import locale
import os
import signal
import sys
import time
from pathlib import Path

import pytest
from loguru import logger
from tests.support.process_state import ProcessState

from rae_auto.toolkit.secrets.masking import mask_known_secrets, remember_secrets


def test_state_of_the_process_is_restored(tmp_path: Path) -> None:
    before, zones, finder = ProcessState.read(), time.tzname, sys.meta_path[-1]
    lines: list[str] = []
    logger.add(lines.append)
    logger.enable("rae_auto")
    logger.configure(patcher=lambda _: None)
    remember_secrets(["hunter2-hunter2"])
    os.environ |= {"RAE_TEST_LEAK": "1", "TZ": "Asia/Kolkata"}
    time.tzset()
    os.chdir(tmp_path)
    sys.path.insert(0, str(tmp_path))
    sys.meta_path.remove(finder)
    locale.setlocale(locale.LC_ALL, "C")
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    before.restore()
    after = ProcessState.read()
    assert (after, time.tzname, lines) == (before, zones, [])
    assert finder in sys.meta_path
    assert mask_known_secrets("hunter2-hunter2") == "hunter2-hunter2"


def test_state_that_has_not_changed_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAE_TEST_OWN", "1")
    before = ProcessState.read()
    before.restore()
    assert ProcessState.read() == before
