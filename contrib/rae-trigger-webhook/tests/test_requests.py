"""Responses to requests, and the events that they become."""

import asyncio
import json
from datetime import UTC, datetime

import pytest
from loguru import logger
from rae_trigger_webhook import endpoint
from rae_trigger_webhook.options import HttpMethod

from rae_auto.api.trigger import EmitResult
from rae_auto.errors import BadRequest, SchedulerClosed
from rae_auto.model.primitives.names import RunId
from rae_auto.model.reasons import Overlapping

NOTHING = {"Content_Length": ""}


def answers(watching, client, hook, *requests, **options):
    """Return the replies to requests, one after the other, and their events."""

    async def work(listener):
        replies = [await client.raw(request) for request in requests]
        return replies, [expected.event for expected in listener.occurrences]

    return watching(work, hook(**options))


def one(watching, client, hook, request, **options):
    (reply,), events = answers(watching, client, hook, request, **options)
    return reply, events


# Events


def test_request_is_answered_with_the_run(watching, client, hook):
    reply, (event,) = one(watching, client, hook, client.request(Idempotency_Key="one"))
    assert (reply.status, reply.document) == (202, {"run_id": "run-one"})
    assert (reply.headers["content-type"], reply.headers["cache-control"]) == ("application/json", "no-store")
    assert event == {
        "method": "POST", "path": "/deploy", "query": {}, "headers": {}, "body": None, "remote": "127.0.0.1",
    }  # fmt: skip


def test_event_holds_query_and_chosen_headers_but_no_proof(watching, client, hook):
    request = client.request(
        "/deploy?branch=main&tag=&branch=next%20one", X_Event="push", User_Agent="forge", Cookie="c=1"
    )
    reply, (event,) = one(watching, client, hook, request, headers=("X-Event", "X-Missing"))
    assert reply.status == 202
    assert (event["query"], event["headers"]) == ({"branch": "next one", "tag": ""}, {"x-event": "push"})
    assert "0123456789abcdef" not in json.dumps(event)


@pytest.mark.parametrize(
    ("kind", "body", "expected"),
    [
        ("application/json", b'{"a": [1, 2.5, null, "\xc3\xa9"]}', {"a": [1, 2.5, None, "é"]}),
        ("application/vnd.forge+json; charset=utf-8", b"[true]", [True]),
        ("application/json", b"", None),
        ("text/plain", b"it's done", "it's done"),
        ("application/x-www-form-urlencoded", b"a=1&b=2", "a=1&b=2"),
        ("", b"{}", "{}"),
    ],
)
def test_event_body_is_json_or_text(watching, client, hook, kind, body, expected):
    reply, (event,) = one(watching, client, hook, client.request(body=body, Content_Type=kind))
    assert (reply.status, event["body"]) == (202, expected)


def test_body_can_be_chunked_after_100_continue(watching, client, hook):
    head = client.request(Transfer_Encoding="chunked", Expect="100-continue", Content_Type="text/plain", **NOTHING)

    async def work(listener):
        async with client.connected() as (reader, writer):
            writer.write(head)
            interim = await reader.readuntil(b"\r\n\r\n")
            writer.write(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
            return interim.split()[1], (await reader.readuntil(b"\r\n")).split()[1], listener.occurrences[0].event

    interim, status, event = watching(work, hook())
    assert (interim, status, event["body"]) == (b"100", b"202", "abcde")


# Refusals


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"path": "/other"}, 404),
        ({"path": "//deploy"}, 404),
        ({"path": "/deploy/"}, 404),
        ({"method": "GET"}, 405),
        ({"method": "OPTIONS"}, 405),
        ({"method": "GET", "Authorization": ""}, 404),
        ({"Authorization": ""}, 404),
        ({"Authorization": "Bearer"}, 404),
        ({"Authorization": "Bearer 0123456789abcdef0123456789abcdee"}, 404),
        ({"Authorization": "Basic 0123456789abcdef0123456789abcdef"}, 404),
        ({"Authorization": "Bearer \xff"}, 404),
        ({"Host": "evil.example.org"}, 421),
        ({"Host": "evil.example.org", "path": "/other"}, 421),
        ({"Host": "[::1]:8787"}, 421),
        ({"Origin": "https://evil.example.org"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://["}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"body": b"{", "Content_Type": "application/json"}, 400),
        ({"body": b"NaN", "Content_Type": "application/json"}, 400),
        ({"body": b'"\\ud800"', "Content_Type": "application/json"}, 400),
        ({"body": b"[" * 60_000, "Content_Type": "application/json"}, 400),
        ({"body": b"\xff\xfe"}, 415),
        ({"body": b"x", "Content_Encoding": "gzip"}, 415),
        ({"Idempotency_Key": "x" * 256}, 400),
        ({"Idempotency_Key": "\xe9"}, 400),
        ({"Content_Length": "65537"}, 413),
        ({"Content_Length": "many"}, 400),
        ({"X_Long": "x" * 200_000}, 431),
    ],
)
def test_refused_request_starts_nothing_and_gets_an_error(watching, client, hook, given, status):
    reply, events = one(watching, client, hook, client.request(**given))
    assert (reply.status, events) == (status, [])
    assert isinstance(reply.document["error"], str)


def test_wrong_proofs_and_unknown_paths_get_the_same_response(watching, client, hook):
    wrong = ["", "Bearer", "Bearer x", "Basic x", "Bearer 0123456789abcdef0123456789abcdee"]
    requests = [client.request(Authorization=value) for value in wrong]
    requests += [client.request(path="/unknown"), client.request(method="GET", Authorization="")]
    replies, _ = answers(watching, client, hook, *requests)
    assert len({(reply.status, reply.document["error"], *sorted(reply.headers)) for reply in replies}) == 1
    assert replies[0].status == 404


def test_request_with_two_tokens_is_unauthorized(watching, client, hook):
    twice = client.request().replace(b"Authorization", b"Authorization: Bearer x\r\nAuthorization")
    assert one(watching, client, hook, twice)[0].status == 404


@pytest.mark.parametrize(
    "given",
    [{"Host": "LOCALHOST:1"}, {"Host": "127.0.0.1"}, {"Host": "hooks.example.org."}, {"Origin": "http://localhost:1"}],
)
def test_own_host_names_are_accepted_on_any_port(watching, client, hook, given):
    assert one(watching, client, hook, client.request(**given), hosts=("Hooks.example.org",))[0].status == 202


def test_methods_option_sets_the_accepted_methods(watching, client, hook):
    replies, _ = answers(
        watching, client, hook, client.request(method="PUT"), client.request(method="POST"), methods=(HttpMethod.PUT,)
    )
    assert [reply.status for reply in replies] == [202, 405]
    assert replies[1].headers["allow"] == "PUT"


def test_token_header_option_names_another_header(watching, client, hook):
    bare = client.request(Authorization="", X_Gitlab_Token="0123456789abcdef0123456789abcdef")
    replies, _ = answers(watching, client, hook, bare, client.request(), token_header="X-Gitlab-Token")
    assert [reply.status for reply in replies] == [202, 404]


def test_response_to_head_has_no_body(watching, client, hook):
    async def work(listener):
        return await client.hangs_up(client.request(method="HEAD", Connection="close"))

    head, _, body = watching(work, hook()).partition(b"\r\n\r\n")
    assert (head.split()[1], body) == (b"405", b"")


@pytest.mark.parametrize("garbage", [b"\x16\x03\x01\x02\x00\x01\x00", b"\r\n" * 100 + b"?\r\n\r\n", b"GET /\r\n\r\n"])
def test_garbage_gets_an_error_and_is_disconnected(watching, client, hook, garbage):
    async def work(listener):
        came = await client.hangs_up(garbage + b"\0" * 20_000)
        return came, (await client.send()).status

    came, after = watching(work, hook())
    assert came.split()[1][:1] == b"4"
    assert after == 202


def test_connection_stays_open_for_more_requests(watching, client, hook):
    async def work(listener):
        async with client.talking() as ask:
            return [(await ask(client.request(path, body=b"x"))).status for path in ("/deploy", "/deploy?again")]

    assert watching(work, hook()) == [202, 202]


def test_refusals_are_logged_at_intervals(watching, client, hook, monkeypatch):
    lines: list[str] = []
    number = logger.add(lambda message: lines.append(message.record["message"]), level="WARNING")

    async def work(listener):
        for token in ("guess-one", "guess-two", "guess-three"):
            await client.send(Authorization=f"Bearer {token}")
        monkeypatch.setattr(endpoint, "REFUSAL_LOG_INTERVAL_SECONDS", 0.0)
        await client.send(Authorization="Bearer guess-four")

    try:
        watching(work, hook())
    finally:
        logger.remove(number)
    assert len(lines) == 2
    assert "127.0.0.1 with status 404" in lines[0]
    assert "2 more" in lines[1]
    assert "guess" not in "".join(lines)


# Results of the daemon


@pytest.mark.parametrize(
    ("expected", "status", "document"),
    [
        (EmitResult(RunId("a-run")), 202, {"run_id": "a-run"}),
        (EmitResult(reason=Overlapping(RunId("r"), datetime(2026, 1, 1, tzinfo=UTC))), 409, {"reason": "overlap"}),
        (EmitResult(), 202, {"run_id": None}),
        (BadRequest("the event: holds a NUL character"), 400, {"error": "the event: holds a NUL character"}),
    ],
)
def test_response_is_the_result_of_the_event(watching, client, hook, expected, status, document):
    def answer(key):
        if isinstance(expected, Exception):
            raise expected
        return expected

    async def work(listener):
        listener.answer = answer
        return await client.send()

    reply = watching(work, hook())
    assert (reply.status, reply.document) == (status, document)


def test_bad_requests_and_shutdown_do_not_fail_the_watch(watching, client, hook):
    errors = iter([BadRequest("no"), SchedulerClosed("stopping")])

    async def work(listener):
        def fail(key):
            raise next(errors)

        good, listener.answer = listener.answer, fail
        statuses = [(await client.send()).status for _ in range(2)]
        listener.answer = good
        return [*statuses, (await client.send()).status]

    assert watching(work, hook()) == [400, 503, 202]


def test_request_not_yet_durable_gets_503_and_later_its_run(watching, client, hook, monkeypatch):
    monkeypatch.setattr(endpoint, "EMIT_TIMEOUT_SECONDS", 0.0)
    emitted = []

    async def work(listener):
        durable = asyncio.Event()
        emit = listener.emit

        async def slow(key, event=None, at=None):
            emitted.append(key)
            await durable.wait()
            return await emit(key, event, at)

        listener.emit = slow
        async with listener.watching(hook()):
            await client.opened()
            first = await client.send(Idempotency_Key="one")
            again = await client.send(Idempotency_Key="one")
            monkeypatch.setattr(endpoint, "MAX_PENDING_EVENTS", 1)
            other = await client.send(Idempotency_Key="two")
            monkeypatch.setattr(endpoint, "EMIT_TIMEOUT_SECONDS", 30.0)
            waiting = asyncio.create_task(client.send(Idempotency_Key="one"))
            await asyncio.sleep(0)
            durable.set()
            return first, again, other, await waiting

    first, again, other, last = watching(work)
    assert (first.status, again.status, other.status) == (503, 503, 503)
    assert first.headers["retry-after"] == "10"
    assert (last.status, last.document) == (202, {"run_id": "run-one"})
    assert set(emitted) == {"one"}


def test_two_hundred_requests_at_once_are_all_recorded(watching, client, hook):
    async def work(listener):
        replies = await asyncio.gather(*(client.send(Idempotency_Key=f"key-{n}") for n in range(200)))
        return [reply.document for reply in replies], {expected.key for expected in listener.occurrences}

    documents, keys = watching(work, hook(rate=1000))
    assert documents == [{"run_id": f"run-key-{n}"} for n in range(200)]
    assert keys == {f"key-{n}" for n in range(200)}


def test_requests_with_one_identity_at_once_are_one_event(watching, client, hook):
    async def work(listener):
        replies = await asyncio.gather(*(client.send(Idempotency_Key="same") for _ in range(20)))
        return {reply.document["run_id"] for reply in replies}, len(listener.occurrences)

    assert watching(work, hook()) == ({"run-same"}, 1)


def test_requests_without_identity_are_separate(watching, client, hook):
    async def work(listener):
        replies = [await client.send() for _ in range(2)]
        return len({reply.document["run_id"] for reply in replies})

    assert watching(work, hook()) == 2
