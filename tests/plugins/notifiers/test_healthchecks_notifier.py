"""The healthchecks notifier against a real HTTP server that answers, fails, redirects and hangs."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import attrs
import pytest
from tests.plugins.notifiers.conftest import notify
from tests.support.http_service import Service

from rae_auto import Job, NotifyPolicy, PluginRef, Scheduler
from rae_auto.api import Notifier
from rae_auto.config.options import build
from rae_auto.model.policies import NotifyOn
from rae_auto.model.primitives.names import JobId
from rae_auto.model.run import RunState
from rae_auto.registry import Registry
from rae_auto.testing.notifiers import NOTICE, NotifierConformance
from rae_plugins.notifiers.healthchecks import HealthchecksNotifier


def signals(service: Service) -> list[str]:
    return [urlsplit(path).path.removeprefix("/secret-topic") for path, _, _ in service.requests]


class TestHealthchecksConforms(NotifierConformance):
    @pytest.fixture
    def plugin(self, service: Service) -> Notifier:
        return HealthchecksNotifier(url=service.url)

    @pytest.fixture
    def read(self, service: Service) -> Callable[[], list[str]]:
        return lambda: [body.decode().splitlines()[0] for _, _, body in service.requests]

    @pytest.fixture
    def failing(self) -> Notifier:
        return HealthchecksNotifier(url="http://127.0.0.1:1/")

    def test_gathered_notices_arrive(self, plugin: Notifier, read: Callable[[], list[str]]) -> None:
        # One ping for each: a service that watches runs has no use for a summary.
        first, second = NOTICE, attrs.evolve(NOTICE, kind=NotifyOn.SUCCESS, text="backup succeeded")
        asyncio.run(plugin.notify(attrs.evolve(NOTICE, job=JobId(""), text="2 notices", notices=(first, second))))
        assert read() == [NOTICE.text, "backup succeeded"]


def test_notice_about_the_daemon_pings_no_check_of_a_job(service: Service) -> None:
    of_daemon = {"kind": NotifyOn.BACK, "job": JobId(""), "run": ""}
    notify(HealthchecksNotifier(url=f"{service.url}/{{job}}"), **of_daemon)
    assert signals(service) == []
    notify(HealthchecksNotifier(url=service.url), **of_daemon)
    assert signals(service) == ["/log"]


@pytest.mark.parametrize(
    ("kind", "signal"),
    [
        ("start", "/start"),
        ("success", ""),
        ("recovery", ""),
        ("failure", "/fail"),
        ("lost", "/fail"),
        ("late", "/log"),
        ("overrun", "/log"),
        ("skipped", "/log"),
        ("downtime", "/log"),
    ],
)
def test_each_kind_of_notice_has_its_signal(service: Service, kind: str, signal: str) -> None:
    notify(HealthchecksNotifier(url=service.url + "/"), kind=NotifyOn(kind))
    assert signals(service) == [signal]


def test_start_and_end_have_the_same_id(service: Service) -> None:
    notifier = HealthchecksNotifier(url=service.url)
    for run in ("01ARZ3NDEKTSV4RRFFQ69G5FAV", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "01ARZ3NDEKTSV4RRFFQ69G5FAW"):
        notify(notifier, run=run)
    ids = [parse_qs(urlsplit(path).query)["rid"][0] for path, _, _ in service.requests]
    assert ids[0] == ids[1] != ids[2]
    assert str(UUID(ids[0])) == ids[0]


def test_failure_has_the_end_of_the_output(service: Service) -> None:
    notify(HealthchecksNotifier(url=service.url), output="\n".join(f"line {number}" for number in range(5000)))
    ((_, _, body),) = service.requests
    assert len(body) <= 10_000
    assert body.startswith(b"backup failed: exit code 3\n")
    assert body.endswith(b"line 4999\n")


def test_each_job_has_its_check(service: Service) -> None:
    notifier = HealthchecksNotifier(url=f"http://{service.place}/key/{{job}}", create=True)
    notify(notifier, job=JobId("Nightly_Backup"))
    (path,) = [path for path, _, _ in service.requests]
    assert path.startswith("/key/nightly_backup/fail?create=1&rid=")
    with pytest.raises(RuntimeError, match="about no job"):
        notify(notifier, job=JobId(""))


@pytest.mark.requirement("S22")
@pytest.mark.parametrize(
    ("status", "headers", "message"),
    [
        (404, {}, "{place} answered 404 Not Found: taken"),
        (302, {"Location": "file:///etc/passwd"}, "{place} redirects to the address; set url to the final address"),
        (301, {"Location": "http://other.example/x"}, "{place} redirects to other.example; set url to the final"),
    ],
)
def test_refusals_name_the_host_and_not_the_key(service: Service, status: int, headers: Any, message: str) -> None:
    service.status, service.headers = status, headers
    with pytest.raises(RuntimeError) as caught:
        notify(HealthchecksNotifier(url=service.url))
    assert message.format(place=service.place) in str(caught.value)
    assert "secret-topic" not in str(caught.value)


@pytest.mark.requirement("S22")
def test_hanging_service_is_given_up(service: Service) -> None:
    service.may_answer.clear()
    with pytest.raises(RuntimeError, match=r"did not answer within 0\.2 s"):
        notify(HealthchecksNotifier(url=service.url, timeout=timedelta(seconds=0.2)))


@pytest.mark.requirement("S22")
@pytest.mark.parametrize("status", [200, 500])
def test_endless_answer_is_not_read(service: Service, status: int) -> None:
    service.status, service.answer = status, b"x" * (10 << 20)
    notifier = HealthchecksNotifier(url=service.url)
    if status == 200:
        notify(notifier)
        return
    with pytest.raises(RuntimeError) as caught:
        notify(notifier)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"url": "hc-ping.com/x"},
            'url: must be an address, as in "https://hc-ping.com/KEY/{job}", not "hc-ping.com/x"',
        ),
        ({"url": "https://hc-ping.com/x?create=1"}, "url: must not have a query or a fragment"),
        ({}, "url: is missing"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        build(HealthchecksNotifier, options, timezone="UTC", plugins=Registry())
    assert message in str(caught.value)


def test_run_is_followed_from_its_start_to_its_end(service: Service, tmp_path: Any) -> None:
    policy = NotifyPolicy(on=["start", "success", "failure"], via=["hc"])
    job = Job(name="backup", shell='echo working; test "$1"', notify=policy)
    notifiers = {"hc": PluginRef("healthchecks", {"url": service.url})}

    async def main() -> RunState:
        async with asyncio.timeout(60), Scheduler(directory=tmp_path, jobs=[job], notifiers=notifiers) as scheduler:
            run = await scheduler.wait(await scheduler.trigger("backup"))
            while len(service.requests) < 2:  # noqa: ASYNC110 - the other side is a thread
                await asyncio.sleep(0.01)
            return run.state

    assert asyncio.run(main()) is RunState.FAILED
    assert signals(service) == ["/start", "/fail"]
    assert service.requests[1][2].decode().endswith("last lines of output:\n  working\n")
