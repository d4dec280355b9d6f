"""The health of a daemon: each trouble has its level, and one line says it all."""

import asyncio
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from rae_auto.errors import DaemonUnreachable
from rae_auto.views.monitoring.health import HealthLevel, check_facts, health_line, health_record, worst_level
from rae_auto.views.screens.health_page import build_health_page, load_health_page
from rae_auto.views.screens.parts.base import Fact
from rae_auto.views.screens.parts.record_source import WorldSpan

NOW = datetime.fromisoformat("2026-11-28T12:00:00+00:00")
DAYS_AGO = (NOW - timedelta(days=5)).isoformat()
GOOD = {
    "starting": False,
    "stopping": False,
    "enabled": True,
    "version": "1.0",
    "jobs": 3,
    "now": NOW.isoformat(),
    "started_at": DAYS_AGO,
    "loop": {"turns": 10, "busy_seconds": 0.1, "longest_seconds": 0.002},
    "store": {
        "problem": None,
        "commits": 4,
        "commit_seconds": 0.02,
        "longest_seconds": 0.004,
        "newest_copy_at": (NOW - timedelta(hours=3)).isoformat(),
    },
    "disk": {"path": "/home/me/state", "free": 5 << 30, "total": 9 << 30},
    "clock": {"synchronized": True, "jumps": {}, "newest_record_at": (NOW - timedelta(hours=1)).isoformat()},
    **{name: [] for name in ("quarantined", "overdue", "overrunning", "problems")},
    "failed_sources": {},
    "notices": {"waiting": 2, "given_up": 0},
}


def with_facts(**facts):
    return {
        name: {**GOOD.get(name, {}), **fact} if isinstance(fact, dict) else fact
        for name, fact in {**GOOD, **facts}.items()
    }


def test_all_is_well_in_one_line():
    checks = check_facts(GOOD)
    assert health_line(checks) == "rae-auto OK: 3 jobs; longest commit 4 ms; 5 GB free; event loop at most 2 ms late"
    assert worst_level(checks) == HealthLevel.OK == 0
    record = health_record(checks, GOOD)
    assert (record["level"], record["summary"], record["facts"]) == ("ok", health_line(checks), GOOD)
    assert {check["level"] for check in record["checks"] if check["name"] != "notices"} == {"ok"}


def test_check_of_the_store_that_is_under_way_is_said():
    [store] = [check for check in check_facts(with_facts(store={"is_checking": True})) if check.name == "store"]
    assert (store.level, store.text) == (
        HealthLevel.OK,
        "longest commit 4 ms; its history is being checked after an unclean stop",
    )


QUARANTINED = {"kind": "notifier", "name": "ops", "place": "ops", "error": "x"}


@pytest.mark.parametrize(
    ("facts", "line"),
    [
        ({"starting": True}, "WARNING: it is still starting; see its log for the cause"),
        ({"stopping": True}, "WARNING: it is stopping (3 jobs)"),
        ({"loop": {"longest_seconds": 1.2}}, "WARNING: event loop at most 1.2 s late"),
        ({"loop": {"longest_seconds": 6}}, "CRITICAL: event loop at most 6 s late"),
        ({"store": {"problem": "the disk is full"}}, "CRITICAL: the store can't be written: the disk is full"),
        ({"store": {"longest_seconds": 2}}, "WARNING: longest commit 2 s"),
        (
            {"store": {"newest_copy_at": DAYS_AGO}},
            "WARNING: the newest verified copy of the store is 5 days old",
        ),
        ({"disk": {"free": 20 << 20}}, "WARNING: 20 MB free"),
        ({"disk": {"free": 1 << 20}}, "CRITICAL: 1 MB free"),
        ({"overdue": ["a"]}, 'CRITICAL: 1 job overdue: "a"'),
        ({"overdue": list("abcde")}, 'CRITICAL: 5 jobs overdue: "a", "b", "c" and 2 more'),
        ({"overrunning": ["a"]}, 'WARNING: 1 run too long: "a"'),
        ({"failed_sources": {"a.file": "OSError()"}}, 'WARNING: 1 source failed: "a.file"'),
        ({"quarantined": [QUARANTINED]}, 'WARNING: 1 plugin quarantined: "notifier ops"'),
        (
            {"clock": {"newest_record_at": (NOW + timedelta(hours=2)).isoformat()}},
            "WARNING: the clock is 2 h behind the newest record, so schedules run late",
        ),
        ({"notices": {"given_up": 2}}, "WARNING: 2 notices could not be delivered"),
        ({"problems": ["a\nb"]}, "WARNING: 1 problem, see 'rae-auto status': a b"),
        ({"overdue": ["a"], "overrunning": ["b"]}, 'CRITICAL: 1 job overdue: "a"; 1 run too long: "b"'),
    ],
)
def test_trouble_has_its_level_and_its_words(facts, line):
    checks = check_facts(with_facts(**facts))
    assert health_line(checks) == f"rae-auto {line}"
    assert worst_level(checks).name == line.partition(":")[0]


SECOND, DAY = timedelta(seconds=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("name", "facts", "levels"),
    [
        ("loop", lambda value: {"loop": {"longest_seconds": value}}, {0.999: 0, 1.0: 1, 4.999: 1, 5.0: 2}),
        ("store", lambda value: {"store": {"longest_seconds": value}}, {0.999: 0, 1.0: 1, 9.999: 1, 10.0: 2}),
        (
            "disk",
            lambda value: {"disk": {"free": value}},
            {(100 << 20) + 1: 0, 100 << 20: 1, (10 << 20) + 1: 1, 10 << 20: 2},
        ),
        (
            "copy",
            lambda value: {"store": {"newest_copy_at": (NOW - value).isoformat()}},
            {2 * DAY: 0, 2 * DAY + SECOND: 1, -DAY: 0},
        ),
        (
            "copy",
            lambda value: {"store": {"newest_copy_at": DAYS_AGO}, "started_at": (NOW - value).isoformat()},
            {2 * DAY: 0, 2 * DAY + SECOND: 1},
        ),
        (
            "clock",
            lambda value: {"clock": {"newest_record_at": (NOW + value).isoformat()}},
            {60 * SECOND: 0, 61 * SECOND: 1},
        ),
    ],
)
def test_levels_begin_at_their_limits(name, facts, levels):
    found = {}
    for value in levels:
        [found[value]] = [one.level for one in check_facts(with_facts(**facts(value))) if one.name == name]
    assert found == levels


@pytest.mark.parametrize(
    ("name", "facts", "text"),
    [
        ("daemon", {}, "3 jobs"),
        ("daemon", {"enabled": False}, "3 jobs, which start by hand only"),
        ("clock", {"clock": {"synchronized": True}}, "the clock is synchronized"),
        ("clock", {"clock": {"synchronized": None}}, "the clock goes on"),
        ("copy", {"store": {"newest_copy_at": None}}, "the store has no copy of itself"),
        ("copy", {}, "the newest verified copy of the store is 3 h old"),
        # The clock was set back since.
        (
            "copy",
            {"store": {"newest_copy_at": (NOW + DAY).isoformat()}},
            "the newest verified copy of the store is 0 s old",
        ),
        ("plugins", {}, "no plugin quarantined"),
        ("sources", {}, "no source failed"),
        ("notices", {"notices": {"waiting": 1}}, "1 notice waiting"),
    ],
)
def test_check_says_what_is_well(name, facts, text):
    assert [one.text for one in check_facts(with_facts(**facts)) if one.name == name] == [text]


@pytest.mark.parametrize("store", [{"newest_copy_at": None}, {"newest_copy_at": DAYS_AGO}])
def test_store_without_a_copy_yet_is_no_trouble(store):
    facts = with_facts(store=store, started_at=(NOW - timedelta(hours=1)).isoformat())
    assert worst_level(check_facts(facts)) is HealthLevel.OK


def test_clock_that_is_not_synchronized_is_said_and_no_trouble():
    checks = check_facts(with_facts(clock={"synchronized": False}))
    assert worst_level(checks) is HealthLevel.OK
    assert any(check.text.startswith("nothing on this machine says that the clock is synch") for check in checks)


@pytest.mark.parametrize(
    ("facts", "name", "shown"),
    [
        ({"clock": {"synchronized": False}}, "clock", "unknown"),
        ({"clock": {"synchronized": True}}, "clock", "ok"),
        ({"notices": {"waiting": 16}}, "notices", "waiting"),
        ({"notices": {"waiting": 0}}, "notices", "ok"),
        ({"notices": {"waiting": 16, "given_up": 1}}, "notices", "warning"),
    ],
)
def test_what_is_unknown_or_waiting_is_not_shown_as_ok(facts, name, shown):
    page = build_health_page(with_facts(**facts), findings=None, outbox=[], world=[], now=NOW, zone="UTC")
    assert {row.name: row.level for row in page.checks}[name] == shown
    checks = health_record(check_facts(with_facts(**facts)), None)["checks"]
    assert {check["name"]: check["level"] for check in checks}[name] == shown
    assert (page.level == "ok") == (shown != "warning")


def test_quarantined_plugin_is_shown_with_its_failures_and_the_last_error():
    found = {"kind": "notifier", "name": "ops", "place": "deliver", "failures": 3, "error": "refused"}
    facts = with_facts(quarantined=[found])
    page = build_health_page(facts, findings=None, outbox=[], world=[], now=NOW, zone="UTC")
    assert [(fact.subject, fact.text) for fact in page.quarantined] == [
        ("notifier ops", "3 failures (deliver): refused")
    ]


NOTICE = {
    "id": "n1", "notifier": "ops", "kind": "failure", "job": "a", "run_id": "r", "text": "a failed",
    "decided_at": NOW.isoformat(), "state": "held", "tries": 2, "error": "refused", "hold": "quiet_hours",
    "next_try_at": (NOW + timedelta(minutes=5)).isoformat(), "held_until": (NOW + timedelta(hours=8)).isoformat(),
}  # fmt: skip
FINDINGS = [
    {"subject": name, "ok": ok, "level": "ok" if ok else "problem", "observation": "x", "hint": None}
    for name, ok in (("disk", False), ("daemon", True))
]


def test_page_of_health_has_every_fact_at_its_place():
    reported = (NOW - timedelta(minutes=7)).isoformat()
    source = {"source": "a.file", "type": "file", "state": "watching", "error": "", "reported_at": reported}
    plugin = {"kind": "store", "name": "json", "jobs": None, "failures_in_a_row": 1}
    store = {"commits": 1_204, "longest_seconds": 0.5}
    facts = with_facts(store=store, sources={"total": 900, "shown": [source]}, plugins=[plugin])
    world = [WorldSpan("down", NOW - age, NOW, f"{age}") for age in (3 * DAY, DAY, 2 * DAY)]
    page = build_health_page(
        facts, findings=FINDINGS, disk_sizes=[Fact("store", "4 MB")], outbox=[NOTICE], world=world, now=NOW, zone="UTC"
    )
    assert [(fact.subject, fact.text) for fact in page.sizes] == [
        ("disk", "5 GB of 9 GB free in /home/me/state"),
        ("commits", "1,204, the longest 500 ms"),
        ("store", "4 MB"),
    ]
    assert [(one.source, one.reported_at) for one in page.sources] == [("a.file", NOW - timedelta(minutes=7))]
    assert (page.sources_extent.shown, page.sources_extent.total) == (1, 900)
    assert [(one.kind, one.name, one.jobs, one.failures_in_a_row) for one in page.plugins] == [
        ("store", "json", None, 1)
    ]
    assert [span.since for span in page.world] == [NOW - age * DAY for age in (1, 2, 3)]
    assert [(one.subject, one.ok) for one in page.findings] == [("disk", False), ("daemon", True)]
    assert (page.has_findings, page.findings_at) == (True, NOW)
    [row] = page.outbox
    assert (row.tries, row.error, row.hold, row.decided_at) == (2, "refused", "quiet_hours", NOW)
    assert (row.next_try_at, row.held_until) == (NOW + timedelta(minutes=5), NOW + timedelta(hours=8))
    assert [one.kind for one in page.actions] == ["doctor", "retry_notices"]


def test_notice_has_the_times_that_it_has():
    one, other = {**NOTICE, "held_until": None}, {**NOTICE, "next_try_at": None}
    page = build_health_page(None, findings=None, outbox=[one, other], world=[], now=NOW, zone="UTC")
    assert [(row.next_try_at, row.held_until) for row in page.outbox] == [
        (NOW + timedelta(minutes=5), None),
        (None, NOW + timedelta(hours=8)),
    ]


def test_page_without_a_daemon_or_findings_has_none_of_theirs():
    page = build_health_page(None, findings=None, outbox=[], world=[], now=NOW, zone="UTC")
    assert [(row.name, row.level) for row in page.checks] == [("daemon", "critical")]
    assert (page.sizes, page.sources, page.plugins, page.findings, page.outbox) == ((), (), (), (), ())
    assert (page.has_findings, page.findings_at, page.sources_extent.total) == (False, None, 0)
    assert [one.kind for one in page.actions] == ["doctor"]


def test_downtimes_of_the_last_thirty_days_are_asked_for():
    asked = []

    class Source:
        has_daemon, zone = False, ZoneInfo("UTC")

        def now(self):
            return NOW

        async def health(self):
            raise DaemonUnreachable("none runs")

        async def outbox(self):
            return []

        async def world(self, since, until):
            asked.append((since, until))
            return []

    page = asyncio.run(load_health_page(Source()))
    assert asked == [(NOW - 30 * DAY, NOW)]
    assert page.level == "critical"
