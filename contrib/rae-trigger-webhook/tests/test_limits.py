"""Limits of rate, size, time and connections."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from rae_trigger_webhook import http_connection, server
from rae_trigger_webhook.rate_limit import TokenBucket

from rae_auto.testing.sources import VirtualTimer


def test_token_bucket_allows_a_burst_and_then_a_steady_rate():
    bucket = TokenBucket(60)
    assert [bucket.try_take(100.0) for _ in range(61)] == [0.0] * 60 + [1.0]
    assert (bucket.try_take(100.5), bucket.try_take(101.0), bucket.try_take(101.0)) == (0.5, 0.0, 1.0)
    assert [bucket.try_take(1e6) for _ in range(61)][-2:] == [0.0, 1.0]


def test_token_bucket_is_not_filled_by_a_clock_set_back():
    bucket = TokenBucket(1)
    assert (bucket.try_take(5.0), bucket.try_take(4.0), bucket.try_take(5.0)) == (0.0, 60.0, 60.0)


def test_rate_limit_says_when_to_try_again(watching, client, hook):
    timer = VirtualTimer()

    async def work(listener):
        first = [await client.send() for _ in range(3)]
        await timer.advance(30)
        return [*first, await client.send()]

    replies = watching(work, hook(rate=2), timer=timer)
    assert [reply.status for reply in replies] == [202, 202, 429, 202]
    assert replies[2].headers["retry-after"] == "31"


def test_guesses_have_a_rate_limit_of_their_own(watching, client, hook, monkeypatch):
    monkeypatch.setattr(server, "MAX_GUESSES_PER_MINUTE", 2)

    async def work(listener):
        guesses = [(await client.send(Authorization="Bearer x")).status, (await client.send("/unknown")).status]
        guesses += [(await client.send(Authorization="Bearer x")).status, (await client.send("/unknown")).status]
        return guesses, (await client.send()).status

    assert watching(work, hook()) == ([404, 404, 429, 429], 202)


@pytest.mark.parametrize(("size", "status"), [(1024, 202), (1025, 413)])
def test_max_body_limits_the_body(watching, client, hook, size, status):
    chunked = client.request(Transfer_Encoding="chunked", Content_Length="")
    half = size // 2
    pieces = b"%x\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (half, b"x" * half, size - half, b"x" * (size - half))

    async def work(listener):
        return [(await client.send(body=b"x" * size)).status, (await client.raw(chunked + pieces)).status]

    assert watching(work, hook(max_body=1024)) == [status, status]


def test_oversized_request_still_gets_its_response(watching, client, hook):
    """A connection that is closed on unread bytes is reset, and the answer with it."""

    async def work(listener):
        return (await client.send(body=b"x" * 900_000)).status

    assert watching(work, hook()) == 413


def test_endless_request_is_disconnected(watching, client, hook, monkeypatch):
    monkeypatch.setattr(http_connection, "LINGER_BYTES", 1)

    async def work(listener):
        async with client.connected() as (_, writer):
            writer.write(client.request(Transfer_Encoding="chunked", Content_Length=""))
            with pytest.raises(ConnectionError):
                while True:
                    writer.write(b"2000\r\n" + b"x" * 0x2000 + b"\r\n")
                    await writer.drain()
        return (await client.send()).status

    assert watching(work, hook()) == 202


@pytest.mark.parametrize(
    ("sent", "status"),
    [(b"", b""), (b"POST /deploy HT", b"408"), (b"POST /deploy HTTP/1.1\r\nHost: 127.0.0.1\r\n", b"408")],
)
def test_silent_client_is_disconnected(watching, client, hook, monkeypatch, sent, status):
    monkeypatch.setattr(http_connection, "REQUEST_TIMEOUT_SECONDS", 0.05)
    monkeypatch.setattr(http_connection, "LINGER_SECONDS", 0.0)

    async def work(listener):
        return await client.hangs_up(sent)

    assert watching(work, hook())[9:12] == status


def test_missing_body_times_out(watching, client, hook, monkeypatch):
    monkeypatch.setattr(http_connection, "REQUEST_TIMEOUT_SECONDS", 0.05)

    async def work(listener):
        async with client.connected() as (reader, writer):
            writer.write(client.request(Content_Length="10") + b"123")
            return (await reader.readuntil(b"\r\n")).split()[1], listener.occurrences

    assert watching(work, hook()) == (b"408", [])


def test_surplus_clients_get_503_and_the_others_stay(watching, client, hook, monkeypatch):
    async def work(listener):
        async with client.connected() as (reader, writer):
            writer.write(client.request(Content_Length="1", Expect="100-continue"))
            await reader.readuntil(b"\r\n\r\n")
            monkeypatch.setattr(server, "MAX_CONNECTIONS", 1)
            turned_away = await client.hangs_up()
            writer.write(b"x")
            after = await reader.readuntil(b"\r\n")
        return turned_away.split()[1], after.split()[1]

    assert watching(work, hook()) == (b"503", b"202")


def test_idle_clients_make_room_for_others(watching, client, hook, monkeypatch):
    """Connections that send nothing delay no other."""
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 3)

    async def work(listener):
        async with AsyncExitStack() as idle:
            for _ in range(6):
                await idle.enter_async_context(client.connected())
            return [(await client.send()).status for _ in range(2)]

    assert watching(work, hook()) == [202, 202]


def test_disconnecting_client_affects_no_other(watching, client, hook):
    async def work(listener):
        for content in (b"", b"POST", client.request(Content_Length="10"), client.request()):
            async with client.connected() as (_, writer):
                writer.write(content)
        return (await asyncio.wait_for(client.send(Idempotency_Key="last"), 30)).document

    assert watching(work, hook()) == {"run_id": "run-last"}
