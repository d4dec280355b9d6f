"""Why: what decided comes first, checks with nothing to say are folded, and a wrong time can be typed again."""

import re
from html import unescape

from tests.plugins.commands.ui.conftest import Page

CHECKS = ("catch_up", "enabled", "overlap", "feedback_loop", "parallel", "resources")


def test_wrong_time_can_be_typed_again(page: Page) -> None:
    answer = page.ask("/jobs/good/why?at=half%20past%20%22nine")
    assert answer.status == 400
    text = unescape(answer.text)
    assert re.search(r'<form class="line" action="/jobs/good/why">.*<input id="at" name="at"', answer.text)
    assert 'value="half past "nine"' in text
    assert 'aria-invalid="true" aria-describedby="problem"' in text
    assert re.search(r'<h1 id="problem">[^<]*half past', text)


def test_checks_with_nothing_to_say_are_folded_and_copies_have_all(page: Page) -> None:
    text = unescape(page.ask(f"/jobs/bad/why?run={page.runs['bad']}").text)
    tree, _, copies = text.partition('<details class="copies">')
    folded = re.findall(r"<details><summary class=\"faint\">passed: ([^<]+)</summary>", tree)
    assert len(folded) == 2
    for name in CHECKS:
        assert name.replace("_", " ") in ", ".join(folded)
        assert f"**{name}** yes: " in copies
        assert f'"name": "{name}"' in copies
    assert tree.index("attempt 1") > tree.index("exit code 3")
