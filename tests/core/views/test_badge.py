"""Badges: the pictures in badges/, byte by byte, are what people have in their pages.

`python -m tests.core.views.test_badge` writes them again after a change; look at them before you keep it.
"""

from pathlib import Path
from xml.etree import ElementTree

import pytest
from tests.core.views.test_jobs import NOW, job
from tests.core.views.test_status import STATUS, failed

from rae_auto.views.monitoring.badge import UNREACHABLE, Badge, job_badge, status_badge

PICTURES = Path(__file__).parent / "badges"
OVERDUE = [{"job": "a", "expected_by": NOW.isoformat(), "since": NOW.isoformat()}]
SLOW = {**job("b", "running"), "overrunning": ["R"]}
BADGES = {
    "well": status_badge(STATUS),
    "failed": status_badge({**STATUS, "failed": failed("a", "b"), "overdue": OVERDUE}),
    "too-long": status_badge({**STATUS, "running": [{"job": "b", "overran_at": NOW.isoformat()}]}),
    "stopping": status_badge({**STATUS, "state": "stopping"}),
    "by-hand": status_badge({**STATUS, "enabled": False}),
    "unreachable": UNREACHABLE,
    "job-succeeded": job_badge(job("backup", "idle")),
    "job-failed": job_badge({**job("backup", "running"), "last_state": "timed_out"}),
    "job-overdue": job_badge({**job("backup", "idle"), "overdue_at": NOW.isoformat()}),
    "job-too-long": job_badge(SLOW),
    "job-paused": job_badge(job("backup", "paused")),
    "job-never": job_badge({**job("backup", "idle"), "last_state": None}),
    "job-running": job_badge({**job("backup", "running"), "last_state": None}),
}


@pytest.mark.parametrize("name", BADGES)
def test_badge_is_the_picture_that_is_kept(name):
    assert BADGES[name].svg() == (PICTURES / f"{name}.svg").read_text()


def test_kept_pictures_are_those_of_the_test():
    assert {path.stem for path in PICTURES.iterdir()} == set(BADGES)


@pytest.mark.parametrize("text", ["a" * 300, '<script>alert("&")</script>', "é…"])
def test_any_text_makes_a_picture_and_nothing_else(text):
    root = ElementTree.fromstring(Badge(text, text, "#000").svg())
    assert {element.tag.rpartition("}")[2] for element in root.iter()} == {"svg", "title", "rect", "path", "g", "text"}
    assert root[0].text == f"{text}: {text}"
    assert int(root.attrib["width"]) < 900


if __name__ == "__main__":
    for name, badge in BADGES.items():
        (PICTURES / f"{name}.svg").write_text(badge.svg())
