"""Health: what `rae-auto doctor` finds, each with its remedy."""

import json
import os
import re
import subprocess
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path

from tests.plugins.commands.ui.conftest import start_page, stop
from tests.support.daemons import Daemons, stop_at_once

from rae_auto.records.presence_log import PresenceSpan, note_presence
from rae_auto.views.screens.health_page import build_health_page
from rae_auto.views.screens.parts.doctor_report import build_doctor_report
from rae_plugins.commands.ui.pages.health import keep_findings
from rae_plugins.commands.ui.processes.doctor import MAX_AGE, DoctorRuns

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)

JOBS = """
[jobs.absent]
command = ["<b>no-such-program"]
"""


def test_health_has_findings_of_doctor_with_remedies(tmp_path: Path) -> None:
    daemons = Daemons(tmp_path, JOBS)
    page = start_page(daemons)
    try:
        assert 'href="/health?doctor=1"' in page.ask("/health").text
        text = page.ask("/health?doctor=1").text
    finally:
        stop(page.process)
    rows = text.split('id="findings"')[1].split("</section>")[0].split("<li data-row>")[1:]
    (absent,) = [row for row in rows if "no-such-program" in row]
    (daemon,) = [row for row in rows if "no daemon is running for " in row]
    assert "<b>warning:</b>" in daemon, "as the check above says; doctor's exit code is still 0"
    assert "<b>no" not in absent, "what a configuration says is escaped"
    assert "<b>warning:</b>" in absent
    assert '<span class="block hint">install it, or give its full path</span>' in absent
    command = [*daemons.command, "doctor", "--json", "--config", str(daemons.config)]
    environment = {**os.environ, "RAE_STATE_DIR": str(daemons.state)}
    found = json.loads(subprocess.run(command, env=environment, capture_output=True, check=False).stdout)["findings"]
    hints = [unescape(hint) for hint in re.findall(r'class="block hint">([^<]+)<', "".join(rows))]
    assert hints == [one["hint"] for one in found if one["hint"]]


def test_page_that_is_kept_up_to_date_does_not_ask_doctor_again(tmp_path: Path) -> None:
    daemons = Daemons(tmp_path, JOBS)
    page = start_page(daemons)
    try:
        first = page.ask("/health?doctor=1").text
        daemons.write(JOBS.replace("<b>no-such-program", "another-program"))
        fetched = page.ask("/health?doctor=1", Sec_Fetch_Dest="empty").text
        again = page.ask("/health?doctor=1").text
    finally:
        stop(page.process)
    parts = ("findings", "sizes")
    shown = [[text.split(f'id="{part}"')[1].split("</section>")[0] for part in parts] for text in (first, fetched)]
    assert [re.sub("</?time[^>]*>[^<]*", "", part) for part in shown[0]] == [
        re.sub("</?time[^>]*>[^<]*", "", part) for part in shown[1]
    ]
    times = [re.findall('As of <time datetime="([^"]+)"', part[0]) for part in shown]
    assert len(times[0]) == 1
    assert times[0] == times[1], "the findings are as old as they are"
    assert ("no-such-program" in fetched, "another-program" in again) == (True, True)


def test_findings_are_kept_as_long_as_they_are_recent() -> None:
    doctor = DoctorRuns()
    page = build_health_page(None, findings=[], outbox=[], world=[], now=NOW, zone="UTC")
    assert doctor.find_shown(NOW) is None
    doctor.note(build_doctor_report([], NOW), page)
    just_before = NOW + MAX_AGE - timedelta(seconds=1)
    assert [doctor.find_shown(at) for at in (NOW, just_before, NOW + MAX_AGE)] == [page, page, None]
    later = build_health_page(None, findings=None, outbox=[], world=[], now=just_before, zone="UTC")
    kept = keep_findings(later, page)
    assert (kept.now, kept.findings_at, later.findings_at) == (just_before, NOW, None)


def test_health_lists_all_sources_and_plugins_in_use(tmp_path: Path) -> None:
    jobs = """
[notifiers.ops]
type = "command"
command = ["cat"]
[jobs.watching]
command = ["true"]
triggers = [{ type = "file", paths = ["{home}/in/*.pdf"] }]
[jobs.hourly]
command = ["true"]
schedule = "0 * * * *"
guards = [{ type = "time", from = "09:00", to = "17:00" }]
"""
    daemons = Daemons(tmp_path, jobs)
    process = daemons.serve()
    page = start_page(daemons)
    try:
        shown = json.loads(page.ask("/api/health").text)
        part = page.ask("/health").text.split('id="sources"')[1].split("</section>")[0]
    finally:
        stop(page.process)
        stop_at_once(process)
    [source] = shown["sources"]
    assert (source["type"], source["state"], source["reported_at"]) == ("file", "watching", None)
    assert shown["sources_extent"] == {"shown": 1, "total": 1, "since": None}
    used = {(one["kind"], one["name"]): one["jobs"] for one in shown["plugins"]}
    for use in (("trigger", "file"), ("trigger", "cron"), ("guard", "time")):
        assert used[use] == 1
    assert {kind for kind, _ in used} >= {"store", "notifier", "executor", "logger"}
    assert "All work." in part
    assert f"{source['source']}</dt><dd>file, watching, has reported nothing since the daemon started" in part
    assert f"{len(shown['plugins'])} plugins in use" in part


def test_health_lists_downtime_sleep_and_clock_changes_newest_first(tmp_path: Path) -> None:
    daemons = Daemons(tmp_path, JOBS)
    daemons.state.mkdir()
    now, hour = datetime.now(UTC), timedelta(hours=1)
    kinds = ("down", "suspended", "clock_back", "clock_forward")
    spans = [PresenceSpan(kind, now - (48 - number) * hour, now - (47 - number) * hour) for number, kind in
             enumerate(kinds)]  # fmt: skip
    note_presence(daemons.state, now, spans)
    page = start_page(daemons)
    try:
        part = page.ask("/health").text.split('id="world"')[1].split("</section>")[0]
    finally:
        stop(page.process)
    rows = re.findall(r"<time[^>]*>[^<]*</time><span>([^<]+)</span>", part)
    # First comes the time in which no daemon has run since then.
    assert rows[1:] == [
        "the clock was set forward by 1 h",
        "the clock was set back by 1 h",
        "the machine slept for 1 h",
        "no daemon ran for at most 1 h",
    ]
