"""Why: what decided comes first, checks with nothing to say are folded, and a wrong time can be typed again."""

import json
import re
from html import unescape

from tests.plugins.commands.ui.conftest import Page

PASSED = ("overlap", "feedback_loop", "parallel", "resources")
NOT_CHECKED = ("catch_up", "enabled", "paused")


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
    for title, names, result in (("passed", PASSED, "yes"), ("not checked", NOT_CHECKED, "unknown")):
        folded = re.findall(rf'<details><summary class="faint">{title}: ([^<]+)</summary>', tree)
        assert len(folded) == 2
        for name in names:
            assert name.replace("_", " ") in ", ".join(folded)
            assert f"**{name}** {result}: " in copies
            assert f'"name": "{name}"' in copies
    assert tree.index("attempt 1") > tree.index("exit code 3")


def test_facts_stand_beside_the_tree_and_in_the_copy(page: Page) -> None:
    page.daemons.ask("pause", job="guarded", note="moving house")
    try:
        screen = json.loads(page.ask("/api/jobs/guarded/why").text)
        text = unescape(page.ask("/jobs/guarded/why").text)
    finally:
        page.daemons.ask("resume", job="guarded")
    shown, _, copies = text.partition('<details class="copies">')
    facts = shown.partition('id="facts-title"')[2]
    assert re.search(r"\*\*guarded\*\*, [-0-9]+ [0-9:]+ CES?T: ", copies), "by the clock of the page"
    copy = copies.partition('for="json"')[0]
    assert {"paused", "expected"} & {fact["subject"] for fact in screen["facts"]}
    for fact in screen["facts"]:
        assert f"<dt>{fact['subject'].replace('_', ' ')}</dt>" in facts
        assert f"- {fact['subject']}: {fact['text']}" in copy


def test_copy_as_markdown_has_codes_and_facts_of_checks(page: Page) -> None:
    path = f"bad/why?run={page.runs['bad']}"
    nodes = json.loads(page.ask(f"/api/jobs/{path}").text)["checks"]
    copy = unescape(page.ask(f"/jobs/{path}").text).partition('<details class="copies">')[2].partition('for="json"')[0]
    facts = 0
    while nodes:
        one = nodes.pop()
        nodes += one["children"]
        code = f" (`{one['reason']}`)" if one["reason"] else ""
        assert f"- **{one['name']}** {one['result']}: {one['text']}{code}\n" in copy
        for fact in one["facts"]:
            assert f"  - {fact['subject']}: {fact['text']}\n" in copy
            facts += 1
    assert facts
