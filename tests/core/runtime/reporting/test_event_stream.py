"""Streams of events inside the daemon."""

import asyncio
import gc
from contextlib import aclosing

import pytest
from tests.support.control_peer import in_time

from rae_auto.runtime.reporting.event_stream import MAX_BACKLOG_EVENTS, EventStream


async def numbers(stream):
    return [event["number"] async for event in stream]


def test_listener_gets_what_comes_after_it_until_the_end():
    async def work():
        broadcast = EventStream()
        broadcast.publish({"number": 0})
        first = broadcast.subscribe()
        broadcast.publish({"number": 1})
        second = broadcast.subscribe()
        broadcast.publish({"number": 2})
        broadcast.close()
        return await numbers(first), await numbers(second), broadcast.has_subscribers

    assert in_time(work) == ([1, 2], [2], False)


@pytest.mark.requirement("R32")
def test_slow_listener_loses_the_oldest_events_and_still_gets_the_end():
    async def work():
        broadcast = EventStream()
        slow = broadcast.subscribe()
        for number in range(MAX_BACKLOG_EVENTS + 5):
            broadcast.publish({"number": number})
        broadcast.close()
        return await numbers(slow)

    # The end takes a place too.
    assert in_time(work) == list(range(6, MAX_BACKLOG_EVENTS + 5))


def test_who_stops_listening_is_forgotten():
    async def work():
        broadcast = EventStream()
        async with aclosing(broadcast.subscribe()) as stream:
            broadcast.publish({"number": 1})
            await anext(stream)
            before = broadcast.has_subscribers
        return before, broadcast.has_subscribers

    assert in_time(work) == (True, False)


def test_who_never_began_to_listen_is_forgotten_too():
    async def work():
        broadcast = EventStream()
        async with aclosing(broadcast.subscribe()) as stream:
            before = broadcast.has_subscribers
        del stream
        gc.collect()
        return before, broadcast.has_subscribers

    assert in_time(work) == (True, False)


def test_a_listener_waits_for_what_comes():
    async def work():
        broadcast = EventStream()
        stream = broadcast.subscribe()
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        broadcast.publish({"number": 1})
        event = await waiting
        await stream.aclose()
        return event

    assert in_time(work) == {"number": 1}


def test_events_are_forwarded_only_while_someone_wants_them():
    sent, is_wanted = [], False
    broadcast = EventStream()
    broadcast.forward(sent.append, lambda: is_wanted)
    broadcast.publish({"number": 1})
    before = broadcast.has_subscribers
    is_wanted = True
    broadcast.publish({"number": 2})
    broadcast.close()
    assert (before, broadcast.has_subscribers, sent) == (False, True, [{"number": 2}])


def test_event_that_cannot_be_forwarded_keeps_none_from_the_next():
    sent = []

    def send(event):
        if event["number"] == 1:
            raise ValueError
        sent.append(event)

    broadcast = EventStream()
    broadcast.forward(send, lambda: True)
    for number in (1, 2):
        broadcast.publish({"number": number})
    assert sent == [{"number": 2}]
