"""Events through the API and the control socket: recorded, found again, forgotten."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from tests.core.daemon.test_commands import run_with_daemon

from rae_auto import Event, Job, Scheduler, SyncScheduler
from rae_auto.errors import BadRequest, SchedulerClosed

THEN = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)


def in_a_scheduler(directory, work, **options):
    async def main():
        async with asyncio.timeout(60), Scheduler(directory=directory, **options) as scheduler:
            return await work(scheduler)

    return asyncio.run(main())


class TestTheAPI:
    def test_what_is_recorded_is_found_also_after_a_restart(self, tmp_path):
        async def record(scheduler):
            before = scheduler.runtime.now()
            event = await scheduler.record_event("door.opened", {"room": "kitchen"})
            assert before <= event.at <= scheduler.runtime.now()
            return event, await scheduler.recorded_events()

        event, found = in_a_scheduler(tmp_path, record)
        assert (event.name, event.data) == ("door.opened", {"room": "kitchen"})
        assert found == [event] == in_a_scheduler(tmp_path, lambda scheduler: scheduler.recorded_events("door.*"))

    def test_the_newest_come_first_and_a_text_is_one_name(self, tmp_path):
        async def work(scheduler):
            for number, name in enumerate(["a.b", "a.c", "b"]):
                await scheduler.record_event(name, at=THEN + timedelta(hours=number))
            found = [
                await scheduler.recorded_events(),
                await scheduler.recorded_events("a.*"),
                await scheduler.recorded_events(["a.b", "b"]),
                await scheduler.recorded_events(limit=1),
                await scheduler.recorded_events(since=THEN + timedelta(hours=1), until=THEN + timedelta(hours=1)),
            ]
            forgotten = await scheduler.delete_events("a.*", before=THEN + timedelta(hours=1))
            return [[event.name for event in events] for events in found], forgotten

        found, forgotten = in_a_scheduler(tmp_path, work)
        assert found == [["b", "a.c", "a.b"], ["a.c", "a.b"], ["b", "a.b"], ["b"], ["a.c"]]
        assert forgotten == 1

    def test_ends_of_runs_are_shown_when_they_are_wanted(self, tmp_path):
        async def work(scheduler):
            run = await scheduler.wait(await scheduler.trigger("fail"))
            await scheduler.record_event("a")
            return run, await scheduler.recorded_events(), await scheduler.recorded_events(["run.*"], runs=True)

        run, without, ends = in_a_scheduler(tmp_path, work, jobs=[Job(name="fail", command=["false"])])
        assert [event.name for event in without] == ["a"]
        (end,) = ends
        assert (end.id, end.name, end.at) == (run.id, "run.failed", run.finished_at)
        assert end.data["exit_code"] == 1

    def test_what_is_rare_is_found_among_many_others(self, tmp_path):
        async def work(scheduler):
            await scheduler.record_event("rare.one", at=THEN)
            await asyncio.gather(*(scheduler.record_event("common") for _ in range(300)))
            return await scheduler.recorded_events("rare.*", limit=1), await scheduler.recorded_events("none.*")

        rare, none = in_a_scheduler(tmp_path, work)
        assert [event.name for event in rare] == ["rare.one"]
        assert none == []

    @pytest.mark.parametrize(
        ("names", "message"),
        [
            ([], "must be a list"),
            ({"a": 1}, "a list of texts, not"),
            ([""], "256"),
            ([3], "one is the number 3"),
            (["run.*"], "history"),
        ],
    )
    def test_what_to_forget_must_be_named(self, tmp_path, names, message):
        async def work(scheduler):
            await scheduler.record_event("a")
            with pytest.raises(BadRequest, match=message):
                await scheduler.delete_events(names)
            return len(await scheduler.recorded_events())

        assert in_a_scheduler(tmp_path, work) == 1

    @pytest.mark.parametrize(
        "at", [datetime(2026, 1, 1), datetime.max.replace(tzinfo=UTC), datetime.now(UTC) + timedelta(hours=1)]
    )
    def test_an_event_has_happened_at_an_instant(self, tmp_path, at):
        async def work(scheduler):
            with pytest.raises(BadRequest, match="at: "):
                await scheduler.record_event("a", at=at)

        in_a_scheduler(tmp_path, work)

    def test_a_scheduler_that_is_not_open_records_nothing(self, tmp_path):
        scheduler = Scheduler(directory=tmp_path)
        for call in (scheduler.record_event("a"), scheduler.recorded_events(), scheduler.delete_events("*")):
            with pytest.raises(SchedulerClosed):
                asyncio.run(call)

    def test_blocking(self, tmp_path):
        with SyncScheduler(directory=tmp_path) as scheduler:
            event = scheduler.record_event("a", {"x": 1}, THEN)
            assert event == Event(event.id, "a", THEN, {"x": 1})
            assert scheduler.recorded_events() == [event]
            assert scheduler.delete_events("*") == 1
            assert scheduler.recorded_events(runs=True) == []


class TestTheSocket:
    def test_record_recorded_and_forget(self, tmp_path):
        async def work(daemon, peer):
            event = await peer.ask("record_event", name="a", data={"x": None}, at=THEN.isoformat())
            found = await peer.ask("list_events", names=["a"])
            return event, found, await peer.ask("delete_events", names=["*"]), await peer.ask("list_events")

        event, found, forgotten, left = run_with_daemon(tmp_path, work)
        assert event == {"id": event["id"], "name": "a", "at": THEN.isoformat()}
        assert found == [{**event, "data": {"x": None}}]
        assert (forgotten, left) == ({"deleted": 1}, [])

    @pytest.mark.parametrize(
        ("command", "arguments"),
        [
            ("record_event", {}),
            ("record_event", {"name": "a", "data": [1]}),
            ("record_event", {"name": "a", "at": 5}),
            ("record_event", {"name": "a b"}),
            ("record_event", {"name": "a", "date": {}}),
            ("list_events", {"names": 5}),
            ("list_events", {"names": []}),
            ("list_events", {"limit": 0}),
            ("list_events", {"runs": 1}),
            ("list_events", {"since": "someday"}),
            ("delete_events", {}),
            ("delete_events", {"names": None}),
            ("delete_events", {"names": ["*"], "before": "someday"}),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, tmp_path, command, arguments):
        assert run_with_daemon(tmp_path, lambda _, peer: peer.refusal(command, **arguments)).kind == "BadRequest"

    def test_many_at_once_become_durable_together(self, tmp_path):
        async def work(daemon, peer):
            peers = [await daemon.connect() for _ in range(20)]
            await asyncio.gather(*(one.ask("record_event", name="a", data={"n": n}) for n, one in enumerate(peers)))
            return sorted(event["data"]["n"] for event in await peer.ask("list_events"))

        assert run_with_daemon(tmp_path, work) == list(range(20))
