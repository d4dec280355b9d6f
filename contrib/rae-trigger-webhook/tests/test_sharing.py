"""Webhooks of one process that share a port, which closes with the last of them."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from rae_trigger_webhook import server

from rae_auto.testing.sources import Listener, RealTimer

OTHER_TOKEN = "fedcba9876543210fedcba9876543210"


def playing(tmp_path, work):
    """Return the result of `work` with a listener."""

    async def main():
        async with asyncio.timeout(60):
            return await work(Listener(tmp_path / "source", RealTimer()))

    return asyncio.run(main())


def test_jobs_on_one_port_have_separate_paths_and_tokens(tmp_path, client, hook):
    async def work(listener):
        deploy, backup = hook(path="/deploy"), hook(path="/backup", token=OTHER_TOKEN)
        async with listener.watching(deploy), listener.watching(backup):
            await client.opened()
            requests = [("/deploy", {}), ("/backup", {}), ("/backup", {"Authorization": f"Bearer {OTHER_TOKEN}"})]
            statuses = [(await client.send(path, **headers)).status for path, headers in requests]
        return statuses, [told.event["path"] for told in listener.occurrences]

    assert playing(tmp_path, work) == ([202, 404, 202], ["/deploy", "/backup"])


def test_path_of_another_job_is_an_error_that_names_it(tmp_path, client, hook):
    async def work(listener):
        first = asyncio.create_task(hook().watch(listener.watch("first")))
        await client.opened()
        with pytest.raises(ValueError, match=r'/deploy on port \d+ is already used by job "first"; give job "second"'):
            await hook().watch(listener.watch("second"))
        status = (await client.send()).status
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        return status

    assert playing(tmp_path, work) == 202


def test_port_closes_with_the_last_webhook_and_can_be_reused(tmp_path, client, hook):
    async def work(listener):
        for _ in range(3):
            async with AsyncExitStack() as both:
                await both.enter_async_context(listener.watching(hook(path="/one")))
                async with listener.watching(hook(path="/two")):
                    await client.opened()
                    assert (await client.send("/two")).status == 202
                assert (await client.send("/two")).status == 404
                assert (await client.send("/one")).status == 202
            assert not client.is_open()
        return server._servers[asyncio.get_running_loop()]

    assert playing(tmp_path, work) == {}


def test_reload_can_swap_paths(tmp_path, client, hook):
    """The daemon ends the old watch of a job and begins its new one, job by job, in one turn of the loop."""

    async def work(listener):
        start = asyncio.get_running_loop().create_task
        old = [start(hook(path=path).watch(listener.watch())) for path in ("/one", "/two")]
        await client.opened()
        swapped = []
        for task, path in zip(old, ("/two", "/one"), strict=True):
            task.cancel()
            swapped.append(start(hook(path=path, rate=7).watch(listener.watch())))
        statuses = [(await client.send(path)).status for path in ("/one", "/two")]
        for task in swapped:
            task.cancel()
        ends = await asyncio.gather(*old, *swapped, return_exceptions=True)
        return statuses, {type(end) for end in ends}

    assert playing(tmp_path, work) == ([202, 202], {asyncio.CancelledError})


def test_port_of_another_program_is_an_error(tmp_path, client, hook):
    async def work(listener):
        async with await asyncio.start_server(lambda *_: None, "127.0.0.1", client.port):
            with pytest.raises(OSError, match=rf"cannot listen on 127.0.0.1 port {client.port} \(.*\); choose another"):
                await hook().watch(listener.watch())
        async with listener.watching(hook()):
            await client.opened()
            return (await client.send()).status

    assert playing(tmp_path, work) == 202


def test_ipv6_address_has_its_own_server(tmp_path, client, hook):
    async def work(listener):
        async with listener.watching(hook()), listener.watching(hook(host="::1")):
            await client.opened()
            reader, writer = await asyncio.open_connection("::1", client.port)
            writer.write(client.request(Host=f"[::1]:{client.port}", Connection="close"))
            answer = await reader.read()
            writer.close()
            await writer.wait_closed()
        return answer.split()[1], listener.occurrences[0].event["remote"]

    assert playing(tmp_path, work) == (b"202", "::1")


def test_active_request_is_answered_before_the_port_closes(tmp_path, client, hook):
    async def work(listener):
        emit, begun, go = listener.emit, asyncio.Event(), asyncio.Event()

        async def slow(key, event=None, at=None):
            begun.set()
            await go.wait()
            return await emit(key, event, at)

        listener.emit = slow
        async with listener.watching(hook()) as task:
            await client.opened()
            idle = asyncio.create_task(client.hangs_up())
            asking = asyncio.create_task(client.send())
            await begun.wait()
            task.cancel()
            go.set()
            return (await asking).status, await idle, (await asyncio.gather(task, return_exceptions=True))[0]

    status, idle, end = playing(tmp_path, work)
    assert (status, idle) == (202, b"")
    assert isinstance(end, asyncio.CancelledError)


def test_undurable_event_does_not_delay_the_close(tmp_path, client, hook, monkeypatch):
    monkeypatch.setattr(server, "CLOSE_TIMEOUT_SECONDS", 0.0)

    async def work(listener):
        begun = asyncio.Event()

        async def never(key, event=None, at=None):
            begun.set()
            await asyncio.Event().wait()

        listener.emit = never
        async with listener.watching(hook()):
            await client.opened()
            asking = asyncio.create_task(client.send())
            await begun.wait()
        return (await asyncio.gather(asking, return_exceptions=True))[0]

    assert isinstance(playing(tmp_path, work), asyncio.IncompleteReadError | ConnectionError)


def test_waiting_clients_survive_a_reload(tmp_path, client, hook):
    async def work(listener):
        start = asyncio.get_running_loop().create_task
        watches = [start(hook().watch(listener.watch()))]
        await client.opened()
        replies = []
        for rate in range(100, 120):
            # A task starts in the next turn: its client connects while the watches change.
            replies.append(start(client.send()))
            watches[-1].cancel()
            watches.append(start(hook(rate=rate).watch(listener.watch())))
            await asyncio.sleep(0)
        statuses = [reply.status for reply in await asyncio.gather(*replies)]
        watches[-1].cancel()
        await asyncio.gather(*watches, return_exceptions=True)
        return set(statuses)

    assert playing(tmp_path, work) == {202}
