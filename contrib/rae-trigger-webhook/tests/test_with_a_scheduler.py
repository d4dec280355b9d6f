"""Webhooks in a real scheduler: responses agree with the recorded runs."""

import asyncio
from typing import Any

import pytest
from rae_trigger_webhook import endpoint

from rae_auto import Job, Overlap, Scheduler, TriggerRef
from rae_auto.errors import StoreError
from rae_auto.testing.memory_store import MemoryStore


def job(client, **fields: Any) -> Job:
    """Return a job with a webhook that ends at once."""
    options = {"path": "/deploy", "port": client.port, "token": client.token, **fields.pop("options", {})}
    ref = TriggerRef("webhook", options, "hook")
    return Job(id="deploy", schedule=[ref], **{"python": "time:time", "overlap": Overlap.ALLOW, **fields})


def playing(work, tmp_path, *jobs, store: Any = "json"):
    """Return the result of `work` with an open scheduler."""

    async def main() -> Any:
        async with asyncio.timeout(60), Scheduler(directory=tmp_path / "state", store=store, jobs=jobs) as scheduler:
            return await work(scheduler)

    return asyncio.run(main())


def test_response_names_the_recorded_run(tmp_path, client):
    async def work(scheduler):
        await client.opened()
        reply = await client.send(body=b'{"ref": "main"}', Content_Type="application/json", Idempotency_Key="one")
        (run,) = await scheduler.history()
        return reply, run, await scheduler.wait(run.id)

    reply, run, over = playing(work, tmp_path, job(client))
    assert (reply.status, reply.document) == (202, {"run_id": run.id})
    assert (run.trigger, run.key, run.event["body"]) == ("hook", "one", {"ref": "main"})
    assert over.state == "succeeded"


def test_repeated_request_after_a_restart_gets_the_same_run(tmp_path, client):
    async def work(scheduler):
        await client.opened()
        reply = await client.send(Idempotency_Key="one")
        return reply.document, [run.id for run in await scheduler.history()]

    first, runs = playing(work, tmp_path, job(client))
    assert playing(work, tmp_path, job(client)) == (first, runs)
    assert first == {"run_id": runs[0]}


def test_run_refused_by_a_policy_is_answered_with_the_reason(tmp_path, client):
    slow = job(client, command=["sleep", "600"], python=None, overlap=Overlap.SKIP)

    async def work(scheduler):
        await client.opened()
        replies = [await client.send(Idempotency_Key=key) for key in ("one", "two", "two", "one")]
        await scheduler.cancel("deploy")
        return [(reply.status, reply.document.get("reason")) for reply in replies]

    assert playing(work, tmp_path, slow) == [(202, None), (409, "overlap"), (409, "repeated"), (202, None)]


class FailingStore(MemoryStore):
    """A store that can't be written while it is failing."""

    is_failing = False

    def commit(self, changes: Any) -> None:
        if self.is_failing:
            raise StoreError("no space left on device")
        super().commit(changes)


def test_failing_store_promises_nothing_and_loses_nothing(tmp_path, client, monkeypatch):
    store = FailingStore()

    async def work(scheduler):
        await client.opened()
        store.is_failing = True
        monkeypatch.setattr(endpoint, "EMIT_TIMEOUT_SECONDS", 0.01)
        first = await client.send(Idempotency_Key="one")
        store.is_failing = False
        monkeypatch.setattr(endpoint, "EMIT_TIMEOUT_SECONDS", 60.0)
        again = await client.send(Idempotency_Key="one")
        return first.status, again, [run.id for run in await scheduler.history()]

    first, again, runs = playing(work, tmp_path, job(client), store=store)
    assert (first, again.status, [again.document["run_id"]]) == (503, 202, runs)


def test_changed_job_keeps_its_port_and_removed_job_frees_it(tmp_path, client):
    async def work(scheduler):
        await scheduler.add_job(job(client))
        await client.opened()
        await scheduler.add_job(job(client, options={"path": "/other"}), replace=True)
        # The old one gives up the port before the new one takes it.
        await client.served("/other")
        statuses = [(await client.send(path)).status for path in ("/other", "/deploy")]
        await scheduler.remove_job("deploy")
        await client.closed()
        return statuses

    assert playing(work, tmp_path) == [202, 404]


@pytest.mark.parametrize("body", [b'"\\u0000"', b"[" * 200 + b"]" * 200, b"1e999", b"9" * 30])
def test_event_no_store_can_keep_is_refused(tmp_path, client, body):
    async def work(scheduler):
        await client.opened()
        refused = await client.send(body=body, Content_Type="application/json")
        return refused.status, (await client.send()).status

    assert playing(work, tmp_path, job(client)) == (400, 202)
