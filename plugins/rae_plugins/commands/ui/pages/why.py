"""Why: one sentence and the tree of all checks, for a job now, for a time, or for a run."""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import Response

from rae_auto.errors import BadRequest
from rae_auto.screens import CheckNode, RecordSource, WhyPage, load_why_page
from rae_plugins.commands.ui.pages.requests import optional_text
from rae_plugins.commands.ui.site import page, read


def query(request: Request) -> Callable[[RecordSource], Awaitable[WhyPage]]:
    """Return what reads the screen."""
    job, at, run = request.path_params["job"], optional_text(request, "at", limit=64), optional_text(request, "run")

    async def load(source: RecordSource) -> WhyPage:
        return await load_why_page(source, job, at=at, run=run)

    return load


async def show(request: Request) -> Response:
    """Answer with the page of an answer, or for a time that isn't one with the box to type it again."""
    try:
        screen = await read(request, query(request))
    except BadRequest as error:
        again = {"text": str(error), "job": request.path_params["job"], "at": request.query_params.get("at", "")}
        return await page(request, "error.html", title="Error", section="Jobs", values=again, status=400)
    values = {"screen": screen, "markdown": "\n".join(markdown_of(screen)), "record": screen.to_json()}
    return await page(request, "why.html", title=f"Why {screen.job}", section="Jobs", values=values)


def markdown_of(screen: WhyPage) -> Iterator[str]:
    """Yield the lines of the answer as Markdown, to copy into a ticket."""
    now = screen.now.astimezone(ZoneInfo(screen.zone))
    about = f"run {screen.run_id}" if screen.run_id else screen.at or f"{now:%Y-%m-%d %H:%M:%S %Z}"
    code = f" (`{screen.reason}`)" if screen.reason else ""
    yield f"**{screen.job}**, {about}: {screen.answer}{code}"
    yield ""
    yield from _nodes(screen.checks, "")
    if screen.checks and screen.facts:
        yield ""
    yield from (f"- {fact.subject}: {fact.text}" for fact in screen.facts)


def _nodes(nodes: Iterable[CheckNode], indent: str) -> Iterator[str]:
    for node in nodes:
        code = f" (`{node.reason}`)" if node.reason else ""
        yield f"{indent}- **{node.name}** {node.result}: {node.text}{code}"
        yield from (f"{indent}  - {fact.subject}: {fact.text}" for fact in node.facts)
        yield from _nodes(node.children, f"{indent}  ")
