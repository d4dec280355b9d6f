"""Where pages read: the daemon, or the store while there is none, which is opened again and again."""

import asyncio
import sys
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from starlette.requests import Request
from tests.support.control_service import serving
from tests.support.platforms import unix_sockets

from rae_auto.control.transports.choice import control_transport
from rae_auto.reading import expected_starts
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


def test_end_of_a_computation_is_noted_where_a_page_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "rae.toml"
    config.write_text(f'state = "{tmp_path}/state"\n[jobs.a]\ncommand = ["true"]\nschedule = "* * * * *"\n')
    config.chmod(0o600)
    # One that fails is tried again by the page that is read after it.
    program = expected_starts.PROGRAM
    monkeypatch.setattr(expected_starts, "RETRY_AFTER", timedelta(0))
    monkeypatch.setattr(expected_starts, "PROGRAM", (sys.executable, "-c", ""))

    async def count(source: RecordSource) -> bool:
        now = source.now()
        return (await source.expected(now, now + timedelta(minutes=5), timedelta(minutes=1))).is_pending

    async def look() -> list[bool]:
        records, noted = Records(FakeContext(tmp_path / "state", config=config)), asyncio.Event()
        records.watch(noted.set)
        pending = []
        for _ in range(2):
            pending.append(await records.read(count))
            await noted.wait()
            noted.clear()
            monkeypatch.setattr(expected_starts, "PROGRAM", program)
        pending.append(await records.read(count))
        await records.close()
        return pending

    assert asyncio.run(asyncio.wait_for(look(), 60)) == [True, True, False]


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
