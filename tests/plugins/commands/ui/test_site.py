"""Where pages read: the daemon, or the store while there is none, which is opened again and again."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from rae_auto.screens import RecordSource
from rae_auto.testing.commands import FakeContext
from rae_auto.views.screens.parts.record_source import ExpectedCounts
from rae_plugins.commands.ui import site
from rae_plugins.commands.ui.site import Records


def test_starts_to_come_are_computed_once_while_a_daemon_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site, "RETRY_SECONDS", -1.0)
    config = tmp_path / "rae.toml"
    config.write_text(f'state = "{tmp_path}/state"\n[jobs.a]\ncommand = ["true"]\nschedule = "* * * * *"\n')
    config.chmod(0o600)

    async def count(source: RecordSource) -> ExpectedCounts:
        now = source.now().replace(second=0, microsecond=0)
        return await source.expected(now, now + timedelta(minutes=5), timedelta(minutes=1))

    async def look() -> ExpectedCounts:
        records = Records(FakeContext(tmp_path / "state", config=config))
        while (found := await records.read(count)).is_pending:  # noqa: ASYNC110 - another process computes
            await asyncio.sleep(0.3)
        await records.close()
        return found

    found = asyncio.run(asyncio.wait_for(look(), 60))
    assert len(found.counts) >= 3
