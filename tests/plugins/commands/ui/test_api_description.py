"""Answers of the JSON API are as its description says, whatever it is asked: requests made by schemathesis."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from tests.plugins.commands.ui.conftest import Page

from rae_plugins.commands.ui.json_api import OPERATIONS, describe_api

schemathesis = pytest.importorskip("schemathesis", reason="needs schemathesis: pip install schemathesis")

EXAMPLES = 12
SLOW = {"/api/what-if": 2, "/api/health": 3}
"""Number of requests to addresses that take long."""

KNOWN = {"job": "bad", "date": "2026-11-28", "code": "need_failed"}
"""Parameters of a path that mostly name something that is there."""


def check(case: Any, page: Page) -> int:
    """Send a request as a browser does, compare the answer with the description, and return its status."""
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

    headers = {"Cookie": page.cookie}
    if case.method == "POST":
        headers |= {"Origin": page.origin, "X-CSRF-Token": page.csrf()}
    response = case.call(base_url=page.origin, headers=headers, timeout=60)
    assert response.status_code < 500, response.text
    checks = [status_code_conformance, content_type_conformance, response_schema_conformance]
    case.validate_response(response, checks=checks)
    return response.status_code


@pytest.mark.requirement("S13")
@pytest.mark.parametrize("path", [one.path for one in OPERATIONS])
def test_answers_conform_to_the_description(page: Page, path: str) -> None:
    operation = next(one for one in OPERATIONS if one.path == path)
    described = schemathesis.openapi.from_dict(describe_api())[path][operation.method]

    @seed(1)
    @settings(
        max_examples=SLOW.get(path, EXAMPLES),
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=described.as_strategy())
    def ask(case: Any) -> None:
        for name in case.path_parameters or {}:
            if len(str(case.path_parameters[name])) % 2:
                case.path_parameters[name] = KNOWN.get(name, page.runs["bad"])
        check(case, page)

    ask()


def test_every_known_thing_conforms_to_the_description(page: Page) -> None:
    described = schemathesis.openapi.from_dict(describe_api())
    check(described["/api/openapi.json"]["GET"].Case(), page)
    for operation in OPERATIONS:
        if operation.method == "GET":
            parameters = {name: KNOWN.get(name, page.runs["bad"]) for name in operation.path_parameters()}
            query = {"pattern": "no"} if operation.path.endswith("search") else {}
            case = described[operation.path]["GET"].Case(path_parameters=parameters, query=query)
            check(case, page)


def find_vague(schema: Any, place: str) -> list[str]:
    """Return the places of a schema that say nothing of what is there."""
    if not isinstance(schema, dict) or "$ref" in schema:
        return []
    parts = dict(schema.get("properties", {}))
    parts |= {
        f"[{number}]": part for name in ("anyOf", "prefixItems") for number, part in enumerate(schema.get(name, ()))
    }
    parts |= {name: schema[name] for name in ("items", "additionalProperties") if schema.get(name, False) is not False}
    if not parts and (schema == {} or schema.get("type") in ("object", "array")) and "enum" not in schema:
        return [place]
    return [found for name, part in parts.items() for found in find_vague(part, f"{place}.{name}")]


FREE = {"DescriptionAnswer.paths.additionalProperties", "DescriptionAnswer.components.additionalProperties"}
"""Parts of OpenAPI itself, which has no schema of ours."""

GIVEN = ("event",)
"""Names of fields that have what a person or a program gave, as it is."""


def test_description_has_the_fields_of_every_answer(page: Page) -> None:
    described = describe_api()
    answers = {
        (path, method): operation["responses"]["200"]["content"]["application/json"]["schema"]
        for path, item in described["paths"].items()
        for method, operation in item.items()
    }
    assert [name for name, schema in answers.items() if set(schema) != {"$ref"}] == []
    vague = [found for name, schema in described["components"]["schemas"].items() for found in find_vague(schema, name)]
    assert [one for one in vague if one not in FREE and one.split(".")[1] not in GIVEN] == []


def test_changes_and_edits_conform_to_the_description(page: Page) -> None:
    described = schemathesis.openapi.from_dict(describe_api())
    done = {"kind": "run", "target": "chatty"}
    for path, body in (("/api/do", done), ("/api/what-if", {"days": "1"}), ("/api/what-if", {"text": "[jobs.a]"})):
        case = described[path]["POST"].Case(body=body, media_type="application/json")
        assert check(case, page) == 200


@pytest.mark.parametrize(
    ("since", "status"), [("2h", 200), ("monday", 200), ("", 200), ("whenever", 400), ("tomorrow", 400)]
)
def test_digest_of_a_span_is_that_of_the_command(page: Page, since: str, status: int) -> None:
    answer = page.ask(f"/api/digest?since={since}")
    assert answer.status == status
    if status == 200:
        digest = json.loads(answer.text)
        assert digest["runs"] == sum(digest["states"].values())
        assert "bad" in [row["job"] for row in digest["failures"]]


def test_description_is_small_enough_to_read(page: Page) -> None:
    assert len(json.dumps(describe_api())) < 100_000
    assert page.ask("/api/openapi.json").status == 200
