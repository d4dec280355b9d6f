"""The line about the store says how the last daemon ended, whatever kind of store it had."""

from datetime import timedelta
from pathlib import Path

import pytest

from rae_auto.offline.doctor.facts import Machine
from rae_auto.offline.doctor.state import check_state
from rae_auto.records.presence_log import note_end, note_start


@pytest.mark.parametrize(
    ("notes", "line"),
    [
        ("", "not in use"),
        ("start", "not in use; the last daemon crashed, and the next one recovers its runs"),
        ("start end", "not in use; the last daemon stopped cleanly"),
    ],
)
def test_end_of_the_last_daemon_is_that_of_its_notes(tmp_path: Path, notes: str, line: str) -> None:
    machine = Machine.inspect()
    before = machine.now - timedelta(minutes=1)
    (tmp_path / "lock").touch()
    if "start" in notes:
        note_start(tmp_path, before)
    if "end" in notes:
        note_end(tmp_path, before, "", by="signal")
    findings = [finding.observation for finding in check_state(tmp_path, machine, None) if finding.subject == "store"]
    assert findings == [line]
