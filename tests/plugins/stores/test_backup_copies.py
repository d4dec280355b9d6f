"""Tests of the copies of a SQLite file: their times."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rae_plugins.stores.backup_copies import newest_copy_at

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "at"),
    [
        ("20260131T120000.250000Z", NOON + timedelta(seconds=0.25)),
        ("20260131T140000+0200", NOON),
        # Others have the time of the file: those of other programs, and one without an offset.
        ("of-mine", NOON - timedelta(days=1)),
        ("20260131T120000.250000", NOON - timedelta(days=1)),
    ],
)
def test_time_of_a_copy_is_that_of_its_name(name: str, at: datetime, tmp_path: Path) -> None:
    copy = tmp_path / f"state-{name}.bak"
    copy.touch()
    written = (NOON - timedelta(days=1)).timestamp()
    os.utime(copy, (written, written))
    assert newest_copy_at(tmp_path / "state.sqlite") == at
