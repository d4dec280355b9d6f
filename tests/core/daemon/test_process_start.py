"""The report of a start that takes long says what is known, which isn't the cause."""

import sys
from pathlib import Path
from threading import Event

import pytest

from rae_auto.daemon import process_start
from rae_auto.daemon.process_start import report_slow_reading


class Written:
    """A standard error that says when something was written."""

    def __init__(self) -> None:
        self.text = ""
        self.is_written = Event()

    def write(self, text: str) -> None:
        self.text += text
        self.is_written.set()


def test_slow_reading_may_have_more_than_one_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    written = Written()
    monkeypatch.setattr(sys, "stderr", written)
    monkeypatch.setattr(process_start, "SLOW_CALL_SECONDS", 0.0)
    with report_slow_reading(Path("rae.toml")):
        assert written.is_written.wait(60)
    assert written.text.startswith("rae-auto: rae.toml is still being read after 0 s; ")
    assert "the processor may be busy, or a file system slow" in written.text
