"""The JSON API: the values of the screens as JSON, and changes. Its description is made from the same table."""

import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

from attrs import frozen
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rae_auto import __version__, screens
from rae_auto.errors import BadRequest
from rae_auto.model.primitives.escaping import quote_short
from rae_auto.model.primitives.names import did_you_mean
from rae_plugins.commands.ui import api_answers, changes
from rae_plugins.commands.ui.api_schemas import SchemaCollector
from rae_plugins.commands.ui.pages import (
    digest,
    explain,
    health,
    job,
    jobs,
    month,
    output,
    overview,
    run,
    timeline,
    what_if,
    why,
)
from rae_plugins.commands.ui.site import AsciiJson, read

Answer = Callable[[Request], Awaitable[Any]]


@frozen
class Parameter:
    """A parameter of an operation, in its path or its query."""

    name: str
    help: str
    kind: Literal["string", "integer", "boolean"] = "string"


@frozen
class Operation:
    """One address of the API."""

    path: str
    summary: str
    answer: Answer
    query: tuple[Parameter, ...] = ()
    method: str = "GET"
    body: Mapping[str, str] = {}
    """The fields of the body with their meaning."""
    value: str = ""
    """The name of the class in `rae_auto.screens` whose JSON is answered; "" for one of `form`."""
    form: type | None = None
    """The class that has the fields of an answer that is no screen."""

    def path_parameters(self) -> list[str]:
        """Return the names of the parameters in the path."""
        return [part[1:-1] for part in self.path.split("/") if part.startswith("{")]


async def _jobs(request: Request) -> Any:
    found = await read(request, jobs.query(request))
    return {"jobs": list(found.jobs), "matched": found.matched, "total": found.total}


async def _screen(request: Request, load: Callable[[Request], Any]) -> Any:
    return (await read(request, load(request))).to_json()


_EDIT_FIELDS = {
    "text": "the edited configuration; by default as it is saved",
    **{name: f"{words}, from {low:g} to {high:g}" for name, words, low, high, _ in what_if.SLIDERS},
    "durations": "durations of jobs, such as backup=5m, or an object of them",
    "guards": "answers of guards that read the machine, such as backup.power=no, or an object of them",
    "ignores_pauses": "1 to simulate as if no job were paused and no start skipped by hand",
}
_CHANGE_FIELDS = {
    "kind": f"one of {', '.join(changes.CHANGES)}",
    "target": "the job or the run",
    "note": "for pause: why",
    "until": "for pause: its end",
    "run": "for run: the id of a run, whose event is given again",
}
_OBJECT_FIELDS = ("durations", "guards")
"""The fields that may have an object of words, as well as the words in a text."""


async def _do(request: Request) -> Any:
    form = await _read_body(request, _CHANGE_FIELDS)
    if form.get("kind") not in changes.CHANGES:
        raise BadRequest(f"kind must be one of {', '.join(changes.CHANGES)}")
    return {"done": await changes.carry_out(request, form)}


async def _what_if(request: Request) -> Any:
    return await what_if.answer(request, await _read_body(request, _EDIT_FIELDS))


async def _read_body(request: Request, fields: Mapping[str, str]) -> dict[str, str]:
    """Return the fields of a body as those of a form. Raises BadRequest, also for what would be ignored."""
    try:
        given = json.loads(await request.body())
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise BadRequest("the body must be a JSON object")
    for name in given:
        if name not in fields:
            raise BadRequest(f"unknown field {quote_short(name)}{did_you_mean(name[:64], fields)}")
    return {name: _read_field(name, value) for name, value in given.items() if value is not None}


def _read_field(name: str, value: Any) -> str:
    if isinstance(value, bool):
        # A flag is as in a form.
        return str(int(value))
    if isinstance(value, str | int | float):
        return str(value)
    if name not in _OBJECT_FIELDS:
        raise BadRequest(f"{name} must be a text or a number")
    if not isinstance(value, dict) or not all(isinstance(word, str) for word in value.values()):
        raise BadRequest(f"{name} must be a text, or an object of texts")
    return " ".join(f"{key}={word}" for key, word in value.items())


def _of(load: Callable[[Request], Any]) -> Answer:
    async def answer(request: Request) -> Any:
        return await _screen(request, load)

    return answer


_RANGE = (
    Parameter("start", "first byte; negative counts from the end", "integer"),
    Parameter("after", "byte to read on from: the next_start of the part before", "integer"),
    Parameter("limit", "number of bytes at most", "integer"),
    Parameter("attempt", "number of the attempt; by default the latest", "integer"),
)

_MERGED = (
    Parameter("job", "the job of the runs; by default all"),
    Parameter("runs", "number of runs, the newest", "integer"),
    Parameter("run", "the id of one run, whose attempts are merged instead"),
)

OPERATIONS = (
    Operation(
        "/api/overview",
        "Is all well, what needs a person, what runs, waits and comes next",
        _of(overview.query),
        value="Overview",
    ),
    Operation(
        "/api/jobs",
        "Jobs by name, a part at a time",
        _jobs,
        (
            Parameter("q", "text that the name contains"),
            Parameter("offset", "number of jobs to leave out", "integer"),
            Parameter("limit", "number of jobs at most", "integer"),
        ),
        form=api_answers.JobsAnswer,
    ),
    Operation(
        "/api/jobs/{job}",
        "A job: schedule, occurrences, trends, guards, policies",
        _of(job.query),
        (Parameter("guards", "have guards read the machine, for two seconds at most", "boolean"),),
        value="JobPage",
    ),
    Operation(
        "/api/jobs/{job}/why",
        "Why a job ran, did not run or waits, as a tree of checks",
        _of(why.query),
        (Parameter("at", "a time of the past, as people write it"), Parameter("run", "the id of a run")),
        value="WhyPage",
    ),
    Operation(
        "/api/runs/{run}",
        "A run: its life, its attempts, what differs from the last good one",
        _of(run.query),
        value="RunPage",
    ),
    Operation("/api/runs/{run}/output", "A part of the output of a run", _of(output.query), _RANGE, value="OutputPage"),
    Operation(
        "/api/runs/{run}/output/search",
        "The lines of an output that match a regular expression",
        _of(output.search_query),
        (Parameter("pattern", "regular expression"), Parameter("from", "first byte to search", "integer")),
        value="OutputSearch",
    ),
    Operation(
        "/api/output",
        "The ends of the outputs of several runs, merged in the order of time",
        _of(output.merged_query),
        _MERGED,
        value="MergedOutput",
    ),
    Operation(
        "/api/output/search",
        "The lines of the outputs of several runs that match a regular expression",
        _of(output.merged_search_query),
        (
            Parameter("pattern", "regular expression"),
            *_MERGED,
            Parameter("from", "the next_from of an earlier search, to search on from there"),
        ),
        value="MergedSearch",
    ),
    Operation(
        "/api/timeline",
        "Jobs over a span of time: runs, skips, expected starts, downtimes",
        _of(timeline.query),
        (
            Parameter("span", f"one of {', '.join(timeline.SPANS)}"),
            Parameter("until", "end of the span, an instant with an offset; by default a little after now"),
            Parameter("q", "text that the name of the job contains"),
            Parameter("offset", "number of jobs to leave out", "integer"),
        ),
        value="Timeline",
    ),
    Operation(
        "/api/month",
        "A calendar month: outcomes and expected starts by day",
        _of(month.query),
        (Parameter("year", "the year", "integer"), Parameter("month", "the month, 1 to 12", "integer")),
        value="Month",
    ),
    Operation("/api/day/{date}", "A day, minute by minute", _of(month.day_query), value="DayGrid"),
    Operation(
        "/api/health",
        "How daemon, store, plugins and machine are",
        _of(health.query),
        (Parameter("doctor", "look for problems too, which takes a second", "boolean"),),
        value="HealthPage",
    ),
    Operation(
        "/api/digest",
        "What ran, failed, was skipped and got slower, what needs a person, and what comes next",
        _of(digest.query),
        (Parameter("since", "begin of the span, as people write it; by default 24h"),),
        value="Digest",
    ),
    Operation(
        "/api/explain/{code}",
        "The meaning of a code, and what to do",
        explain.answer,
        form=api_answers.CodesAnswer,
    ),
    Operation(
        "/api/what-if",
        "What an edited configuration would change; needs the header X-CSRF-Token of a page",
        _what_if,
        method="POST",
        form=api_answers.EditedAnswer,
        body=_EDIT_FIELDS,
    ),
    Operation(
        "/api/do",
        "Start, cancel, pause or resume; needs the header X-CSRF-Token of a page",
        _do,
        method="POST",
        form=api_answers.DoneAnswer,
        body=_CHANGE_FIELDS,
    ),
)
"""All addresses."""


def describe_api() -> dict[str, Any]:
    """Return the description of the API as an OpenAPI document."""
    paths: dict[str, Any] = {}
    collector = SchemaCollector()
    for one in OPERATIONS:
        paths.setdefault(one.path, {})[one.method.lower()] = _describe(one, collector)
    own = _responses(collector.describe(api_answers.DescriptionAnswer))
    paths["/api/openapi.json"] = {"get": {"summary": "This description", "responses": own}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "rae-auto ui",
            "version": __version__,
            "description": "Instants are in ISO 8601, durations in seconds. The session's cookie signs requests in.",
        },
        "paths": paths,
        "components": {
            "securitySchemes": {"session": {"type": "apiKey", "in": "cookie", "name": "rae_ui_PORT"}},
            "schemas": {
                "Error": {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]},
                **collector.schemas,
            },
        },
        "security": [{"session": []}],
    }


def _describe(one: Operation, collector: SchemaCollector) -> dict[str, Any]:
    schema = collector.describe(one.form or getattr(screens, one.value))
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in one.path_parameters()
    ]
    in_query = [
        {"name": parameter.name, "in": "query", "description": parameter.help, "schema": {"type": parameter.kind}}
        for parameter in one.query
    ]
    described: dict[str, Any] = {"summary": one.summary, "responses": _responses(schema)}
    if in_path or in_query:
        described["parameters"] = [*in_path, *in_query]
    if one.body:
        properties = {
            name: {"type": ["string", "object"] if name in _OBJECT_FIELDS else "string", "description": text}
            for name, text in one.body.items()
        }
        fields = {"type": "object", "properties": properties, "additionalProperties": False}
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": fields}}}
    return described


def _responses(schema: Mapping[str, Any]) -> dict[str, Any]:
    error = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}}
    answer = {"description": "The value", "content": {"application/json": {"schema": schema}}}
    refusal = {"content": {"text/plain": {"schema": {"type": "string"}}}}
    return {
        "200": answer,
        "400": {"description": "A parameter can't be used", **error},
        "401": {"description": "The browser is not signed in", **refusal},
        "403": {"description": "The page is read-only, or the request comes from another site", **refusal},
        "404": {"description": "The job, run or code is unknown", **error},
        "503": {"description": "The daemon or the store does not answer", **error},
    }


def _endpoint(one: Operation) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        return AsciiJson(_plain(await one.answer(request)))

    return endpoint


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return value.total_seconds() if isinstance(value, timedelta) else value


async def _serve_description(_: Request) -> Response:
    return AsciiJson(describe_api())


ROUTES = [
    Route("/api/openapi.json", _serve_description, methods=["GET"]),
    *(Route(one.path, _endpoint(one), methods=[one.method]) for one in OPERATIONS),
]
