"""Reports of a keeper that starts many attempts: they are held back, in order, and none is lost."""

import asyncio
import json
import subprocess
import sys
import threading
from datetime import UTC, datetime

import pytest
from tests.plugins.executors.conftest import an_executor, run_async

from rae_auto import ExpectPolicy
from rae_plugins.executors.process import keeper_client
from rae_plugins.executors.process.keeper_client import MAX_UNANSWERED, KeeperClient, ReportHold

MANY = MAX_UNANSWERED + 10
RECORD = {"exit_code": 3, "signal": None, "error": None, "remark": None, "cpu": 0.0, "memory": None}
ENDED = {**RECORD, "stderr": None, "ended_at": 2.0, "started_at": 1.0}


def started(number):
    return b'{"started": "%d"}' % number


def ended(number):
    return b'{"ended": "%d"}' % number


def take_each(lines, expected):
    """Return what a hold that expects answers of attempts 0 to `expected` hands on for each of these lines."""

    async def work():
        hold = ReportHold()
        for number in range(expected):
            hold.expect_answer(str(number))
        return [list(hold.take([line])) for line in lines]

    return run_async(work)


def test_reports_of_a_few_starts_are_handed_on_at_once():
    lines = [started(number) for number in range(MAX_UNANSWERED)]
    assert take_each(lines, len(lines)) == [[line] for line in lines]


def test_reports_of_many_starts_wait_for_the_last_start():
    lines = [report for number in range(MANY) for report in (started(number), ended(number))]
    *held, all_of_them, last = take_each(lines, MANY)
    assert (held, last) == ([[]] * (len(lines) - 2), lines[-1:])
    assert all_of_them == lines[:-1]


def test_failed_start_answers_a_request_too():
    lines = [b'{"failed": "%d"}' % number for number in range(MANY)]
    assert take_each(lines, MANY)[-1] == lines


def test_ends_of_earlier_starts_and_of_those_with_timeouts_do_not_wait():
    """One with a timeout would be stopped although it is over."""
    lines = [
        started(0),
        b'{"started": "of-job-with-timeout"}',
        b'{"ended": "of-job-with-timeout"}',
        b'{"ended": "old"}',
    ]
    assert take_each(lines, MANY) == [[], *([line] for line in lines[1:])]


@pytest.mark.parametrize("line", [b"", b"{}", b'{"ended": 5}', b'"', b"[" * 1000])
def test_report_without_a_key_is_handed_on(line):
    assert take_each([line], MANY) == [[line]]


def test_reports_are_held_for_a_limited_time(monkeypatch):
    monkeypatch.setattr(keeper_client, "MAX_HOLD_SECONDS", 0.0)
    assert take_each([started(0), started(1)], MANY) == [[started(0)], [started(1)]]


def play_keeper(monkeypatch, script, number=MANY):
    """Have the keeper be a thread that reads so many requests, then calls a script with its socket and their keys."""

    def start(channel, _):
        channel = channel.dup()

        def work():
            with channel:
                keys = []
                while len(keys) < number:
                    line = b""
                    while not line.endswith(b"\n"):
                        line += channel.recv(1)
                    keys.append(json.loads(line)["key"])
                script(channel, keys)

        threading.Thread(target=work).start()
        return subprocess.Popen([sys.executable, "-I", "-S", "-c", ""])

    monkeypatch.setattr(keeper_client, "start_keeper", start)


def report(channel, *reports):
    channel.sendall("".join(json.dumps(one) + "\n" for one in reports).encode())


@pytest.mark.skipif(sys.platform == "win32", reason="sockets are handed over in another way")
@pytest.mark.parametrize("reads_all", [True, False])
def test_held_reports_of_a_keeper_that_is_killed_count(tmp_path, monkeypatch, reads_all):
    """One that has not read all requests breaks the connection by its death."""
    number = MANY if reads_all else MANY - 1

    def die_after_all_but_one(channel, keys):
        for key in keys[: MANY - 1]:
            report(channel, {"started": key, "pid": 1}, {"ended": key, "exit": ENDED})
        # As by the first act of a keeper: so the last attempt may have been spawned.
        (tmp_path / f"{MANY - 1}.1.log").touch()

    async def work():
        client = KeeperClient(tmp_path)
        try:
            return await asyncio.wait_for(spawn_all(client), 30)
        finally:
            await client.close()

    async def spawn_all(client):
        async def run(number):
            request = {"key": str(number), "run": f"run-{number}"}
            return await (await client.spawn(request, tmp_path / f"{number}.1.log")).wait()

        return await asyncio.gather(*(run(number) for number in range(MANY)), return_exceptions=True)

    play_keeper(monkeypatch, die_after_all_but_one, number=number)
    *results, last = run_async(work)
    assert [result.exit_code for result in results] == [3] * (MANY - 1)
    # As the keeper says it, not as late as the report was handled.
    assert {result.ended_at for result in results} == {datetime.fromtimestamp(ENDED["ended_at"], UTC)}
    assert str(last) == "the keeper process was killed"


@pytest.mark.skipif(sys.platform == "win32", reason="sockets are handed over in another way")
def test_keeper_that_hangs_in_a_start_does_not_hold_reports_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(keeper_client, "MAX_HOLD_SECONDS", 0.2)
    may_go_on = threading.Event()

    def hang_in_the_last(channel, keys):
        for key in keys[:-1]:
            report(channel, {"started": key, "pid": 1}, {"ended": key, "exit": ENDED})
        may_go_on.wait(60)
        report(channel, {"failed": keys[-1], "error": "too late"})
        channel.recv(1)

    async def work():
        client = KeeperClient(tmp_path)
        try:
            spawning = [
                asyncio.create_task(client.spawn({"key": str(n), "run": f"run-{n}"}, tmp_path / f"{n}.1.log"))
                for n in range(MANY)
            ]
            others = [await spawned for spawned in spawning[:-1]]
            is_held = not spawning[-1].done()
            may_go_on.set()
            with pytest.raises(RuntimeError, match="too late"):
                await spawning[-1]
            return is_held, len(others)
        finally:
            await client.close()

    play_keeper(monkeypatch, hang_in_the_last)
    assert run_async(work) == (True, MANY - 1)


@pytest.mark.parametrize(
    ("fields", "can_wait"),
    [({}, True), ({"timeout": "1h"}, False), ({"expect": ExpectPolicy(max_runtime="1h")}, False)],
)
def test_reports_of_a_job_with_a_timeout_are_not_held(tmp_path, make_assignment, monkeypatch, fields, can_wait):
    asked = []

    async def spawn(self, request, output, *, can_wait):
        asked.append(can_wait)
        raise RuntimeError("enough")

    async def work():
        async with an_executor(tmp_path) as executor:
            with pytest.raises(RuntimeError, match="enough"):
                await executor.start(make_assignment("true", **fields))

    monkeypatch.setattr(KeeperClient, "spawn", spawn)
    run_async(work)
    assert asked == [can_wait]
