"""Where pages read: the daemon, or the store while there is none, which is opened again and again."""

import asyncio
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from starlette.requests import Request
from tests.support.control_service import serving
from tests.support.platforms import unix_sockets

from rae_auto.control.transports.choice import control_transport
from rae_auto.screens import RecordSource
from rae_auto.testing.commands import FakeContext
from rae_auto.views.screens.parts.record_source import ExpectedCounts
from rae_plugins.commands.ui import site
from rae_plugins.commands.ui.site import Records, page, read


@unix_sockets
@pytest.mark.parametrize("answer", [{"timezone": "Asia/Tokyo"}, {}], ids=["says its zone", "says no zone"])
def test_times_keep_the_configured_zone_while_a_daemon_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: dict[str, str]
) -> None:
    monkeypatch.setattr(site, "RETRY_SECONDS", -1.0)
    state, config = tmp_path / "state", tmp_path / "rae.toml"
    config.write_text(f'state = "{state}"\ntimezone = "Asia/Tokyo"\n')
    config.chmod(0o600)
    state.mkdir(0o700)
    said: dict[str, str] = {}

    async def ping(_: object) -> dict[str, str]:
        return said

    async def look() -> list[tuple[str, bool]]:
        records = Records(FakeContext(state, config=config))
        async with serving(control_transport().path(state), ping=ping):
            starting = await records.open()
            said["timezone"] = "Asia/Tokyo"
            started = await records.open()
        await records.close()
        return [(one.zone.key, one.has_daemon) for one in (starting, started)]

    said |= answer
    assert asyncio.run(look()) == [("Asia/Tokyo", "timezone" in answer), ("Asia/Tokyo", True)]


@unix_sockets
def test_pages_have_the_zone_of_a_configuration_that_was_reloaded(tmp_path: Path) -> None:
    state, config = tmp_path / "state", tmp_path / "rae.toml"
    config.write_text(f'state = "{state}"\ntimezone = "Asia/Tokyo"\n')
    config.chmod(0o600)
    state.mkdir(0o700)
    said = {"timezone": "Asia/Tokyo"}

    async def ping(_: object) -> dict[str, str]:
        return said

    async def look() -> list[str]:
        records = Records(FakeContext(state, config=config))
        async with serving(control_transport().path(state), ping=ping):
            zones = [(await records.open()).zone.key]
            said["timezone"] = "Europe/Oslo"
            zones.append((await records.open()).zone.key)
            records.note_reload()
            zones += [(await records.open()).zone.key, (await records.open()).zone.key]
        await records.close()
        return zones

    assert asyncio.run(look()) == ["Asia/Tokyo", "Asia/Tokyo", "Europe/Oslo", "Europe/Oslo"]


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


def test_page_read_before_a_change_does_not_say_that_it_has_it() -> None:
    live = SimpleNamespace(version=1)

    async def read_meanwhile(_: object) -> None:
        live.version = 2  # something happens, after what is read

    async def fail() -> None:
        raise OSError

    records = SimpleNamespace(read=read_meanwhile, open=fail)
    site = SimpleNamespace(live=live, records=records, door=SimpleNamespace(is_read_only=False))
    session = SimpleNamespace(csrf_token="", take_messages=list)
    app = SimpleNamespace(state=SimpleNamespace(site=site))
    request = Request({
        "type": "http", "app": app, "state": {"session": session}, "path": "/", "query_string": b"", "headers": [],
    })  # fmt: skip

    async def answer() -> str:
        await read(request, read_meanwhile)
        answer = await page(request, "error.html", title="", section="", values={"text": ""})
        return bytes(answer.body).decode()

    assert 'data-version="1"' in asyncio.run(answer())
