"""The JSON API: as it is described, and with the numbers that the pages show."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.plugins.commands.ui.conftest import Page

from rae_plugins.commands.ui.json_api import OPERATIONS, ROUTES, describe_api

HOSTILE = ("", "x", "-1", "1e9", "9" * 30, "%00", "..%2F..", "<script>", "%F0%9F%92%A9", "a" * 5000)


def fill(path: str, page: Page) -> str:
    names = {"job": "bad", "run": page.runs["bad"], "date": "2026-11-28", "code": "need_failed"}
    return re.sub(r"{(\w+)}", lambda found: names[found[1]], path)


def test_description_names_every_route_and_no_other() -> None:
    described = {(path, method.upper()) for path, item in describe_api()["paths"].items() for method in item}
    routed = {(route.path, method) for route in ROUTES for method in route.methods or () if method != "HEAD"}
    assert described == routed


def test_description_is_served_and_names_its_parameters(page: Page) -> None:
    served = json.loads(page.ask("/api/openapi.json").text)
    assert served == json.loads(json.dumps(describe_api()))
    for path, item in served["paths"].items():
        for operation in item.values():
            in_path = [one["name"] for one in operation.get("parameters", ()) if one["in"] == "path"]
            assert in_path == re.findall(r"{(\w+)}", path)
            assert operation["summary"]


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one.method == "GET"], ids=lambda one: one.path)
def test_every_address_answers_with_an_object(page: Page, operation: Any) -> None:
    query = "?pattern=no" if operation.path.endswith("search") else ""
    answer = page.ask(fill(operation.path, page) + query)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert isinstance(json.loads(answer.text), dict)


@pytest.mark.requirement("S13")
@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one.method == "GET"], ids=lambda one: one.path)
def test_odd_parameters_are_answered_and_never_fail(page: Page, operation: Any) -> None:
    for value in HOSTILE:
        paths = [f"{fill(operation.path, page)}?{one.name}={value}" for one in operation.query]
        if "{" in operation.path and value and "%2F" not in value:
            paths.append(re.sub(r"{\w+}", value, operation.path))
        for path in paths:
            answer = page.ask(path)
            assert answer.status in (200, 400, 404), (path[:80], answer)
            assert answer.status == 200 or json.loads(answer.text)["error"]


def test_numbers_of_the_page_are_those_of_the_api_and_of_the_command_line(page: Page) -> None:
    overview = json.loads(page.ask("/api/overview").text)
    status = page.daemons.ask("status")
    text = page.ask("/").text
    assert overview["counts"]["jobs"] == status["jobs"]
    assert overview["counts"]["failed"] == len(status["failed"]) == 1
    assert f"<b>{overview['counts']['jobs']}</b> jobs" in text
    # "long" runs unless another test of this page has cancelled it.
    assert [one["job"] for one in overview["running"]] == [one["job"] for one in status["running"]]
    assert [one["waiting_for"] for one in overview["waiting"]] == [one["waiting_for"] for one in status["waiting"]]
    # Without how long it is until the next start: that may have changed between the two questions.
    assert overview["verdict"].partition(" in ")[0] in re.sub(r"</?small>", "", text).replace("&#34;", '"')


def test_history_of_a_job_is_that_of_the_store(page: Page) -> None:
    shown = json.loads(page.ask("/api/jobs/bad").text)
    runs = page.daemons.ask("history", job="bad", limit=100)
    assert [mark["run_id"] for mark in shown["history"] if mark["run_id"]] == [run["run_id"] for run in runs]
    assert shown["history_extent"]["total"] == len(shown["history"])


def edit(page: Page, **fields: Any) -> Any:
    body, token = json.dumps(fields), page.csrf()
    headers = {"Origin": page.origin, "Content_Type": "application/json", "X_CSRF_Token": token}
    return json.loads(page.ask("/api/what-if", "POST", body, **headers).text)


def test_an_edit_is_simulated_and_never_saved(page: Page) -> None:
    saved = page.daemons.config.read_text()
    found = edit(page, text=saved.replace('"0 3 * * *"', '"0 */6 * * *"'), days="2")
    (change,) = found["jobs"]
    assert (change["job"], change["change"]) == ("good", "changed")
    assert change["starts_after"] - change["starts_before"] == 6
    assert {one["job"] for one in found["starts"]} == {"good"}
    assert '+schedule = "0 */6 * * *"' in found["patch"]
    assert page.daemons.config.read_text() == saved


def test_mistakes_of_an_edit_have_their_lines(page: Page) -> None:
    found = edit(page, text='[jobs.a]\ncommand = ["true"]\nschedule = "61 * * * *"\n')
    (problem,) = [one for one in found["problems"] if one["is_error"]]
    assert problem["line"] == 3
    assert not found["is_usable"]


@pytest.mark.parametrize("days", ["nan", "NaN", "-nan", float("nan"), "x", "99", 99, 0, -1, "inf"])
def test_number_outside_its_limits_is_refused_in_words(page: Page, days: Any) -> None:
    assert edit(page, days=days) == {"error": "days must be a number from 1 to 31"}


@pytest.mark.parametrize("given", ["good=5m long=7m", {"good": "5m", "long": "7m"}])
def test_durations_of_an_edit_are_words_or_an_object(page: Page, given: Any) -> None:
    lengths = {
        one["job"]: one["duration"] for one in edit(page, durations=given)["durations"] if one["origin"] == "given"
    }
    assert lengths == {"good": 300, "long": 420}


@pytest.mark.parametrize("given", ["powered.mains=no", {"powered.mains": "no"}, {"mains": "no"}])
def test_answers_of_guards_are_words_or_an_object(page: Page, given: Any) -> None:
    assert edit(page, guards=given)["guards"] == [{"job": "powered", "guard": "mains", "answer": "no"}]


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"guards": "x"}, 'guards: "x" must be GUARD=ANSWER'),
        ({"guards": {"x": "no"}}, 'guards: "x": no job has this guard'),
        ({"guards": ["mains"]}, "guards must be a text, or an object of texts"),
        ({"durations": {"good": 5}}, "durations must be a text, or an object of texts"),
        ({"durations": {"good": "soon"}}, 'durations: "good=soon": invalid duration'),
        ({"text": ["[jobs.a]"]}, "text must be a text or a number"),
        ({"day": 3}, 'unknown field "day"; did you mean "days"?'),
    ],
)
def test_fields_that_would_be_ignored_are_refused(page: Page, fields: dict[str, Any], problem: str) -> None:
    assert edit(page, **fields)["error"].startswith(problem)


def test_flag_of_an_edit_is_as_it_is_in_json(page: Page) -> None:
    page.daemons.ask("pause", job="good", until=None)
    try:
        found = {
            str(flag): edit(page, days="2", ignores_pauses=flag)["assumptions"]
            for flag in (False, "false", "0", True, "true", "1")
        }
    finally:
        page.daemons.ask("resume", job="good")
    assert found["False"] == found["false"] == found["0"] != found["True"]
    assert found["True"] == found["true"] == found["1"]


def test_a_downtime_of_the_form_delays_starts(page: Page) -> None:
    assert edit(page, days="1", down_after_hours="0", down_for_hours="24")["is_usable"]


def test_what_if_without_a_script_has_the_simulation_after_try_it(page: Page) -> None:
    opened = page.ask("/what-if").text
    assert "[jobs.good]" in opened
    assert '<button class="main">Try it</button>' in opened
    found = page.submit("/what-if", text=page.daemons.config.read_text(), durations="good=5m")
    assert "most at once" in found.text
    refused = page.submit("/what-if", text="[jobs.mine]", durations="good=soon")
    assert refused.status == 400
    assert "[jobs.mine]" in refused.text, "the edit is not lost"
    beside_the_field = refused.text.partition('id="durations-problem" class="refused bad" data-live>')[2].partition(
        "</p>"
    )[0]
    assert beside_the_field.startswith("“runs take”: &#34;good=soon&#34;: invalid duration")
    assert found.text.index('id="patch"') < found.text.index('id="starts"')


def test_what_if_says_nothing_about_what_was_not_looked_at(page: Page) -> None:
    text = '[jobs.mine]\ncommand = ["true"]\n'
    refused = page.submit("/what-if", text=text, durations="mine=soon").text
    assert "It can&#39;t be simulated as long as it has errors" not in refused
    checked = refused.split('id="checked-title"')[1].split("</section>")[0]
    assert "No mistakes in the text." in checked
    assert "<code>rae-auto check</code>" in checked, "only that one looks at the machine"
    assert page.submit("/what-if", text=text, days="99").status == 400


def test_large_numbers_of_what_if_have_separators(page: Page) -> None:
    saved = page.daemons.config.read_text()
    found = page.submit("/what-if", text=saved.replace('"0 3 * * *"', '"* * * * *"'), days="1")
    row = found.text.split('<tr><th scope="row">good')[1].split("</tr>")[0]
    assert "<td>1 → <b>1,440</b></td>" in row


@pytest.mark.parametrize(("days", "last_step"), [("7", 7), ("31", 31)])
def test_what_if_plays_a_week_or_a_month_by_a_button(page: Page, days: str, last_step: int) -> None:
    assert f'name="for_days" value="{days}"' in page.ask("/what-if").text
    found = page.submit("/what-if", text=page.daemons.config.read_text(), days="1", for_days=days).text
    assert re.search(rf'name="days" [^>]*value="{last_step}"', found)
    [until] = re.findall(r'What changes until <time datetime="([^"]+)"', found)
    ahead = datetime.fromisoformat(until) - datetime.now(UTC)
    assert timedelta(days=last_step - 1) < ahead <= timedelta(days=last_step)


def test_read_only_page_simulates_edits_too(read_only_page: Page) -> None:
    answer = read_only_page.ask("/what-if")
    assert answer.status == 200
    assert "Nothing is saved or run" in answer.text
