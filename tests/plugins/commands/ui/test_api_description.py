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


def check(case: Any, page: Page) -> None:
    """Send a request as a browser does, and compare the answer with the description."""
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
    for operation in OPERATIONS:
        if operation.method == "GET":
            parameters = {name: KNOWN.get(name, page.runs["bad"]) for name in operation.path_parameters()}
            query = {"pattern": "no"} if operation.path.endswith("search") else {}
            case = described[operation.path]["GET"].Case(path_parameters=parameters, query=query)
            check(case, page)


def test_description_is_small_enough_to_read(page: Page) -> None:
    assert len(json.dumps(describe_api())) < 100_000
    assert page.ask("/api/openapi.json").status == 200
