"""The command digest: what happened, what needs a person, and what comes next."""

import asyncio
from typing import TYPE_CHECKING

import click

from rae_auto.cli import options
from rae_auto.views.tables import on_terminal, print_json, terminal_width

if TYPE_CHECKING:
    from rae_auto.screens import Digest

FORMAT_NAMES = ("text", "markdown", "html")
DEFAULT_FORMAT, DEFAULT_SPAN = "text", "24h"


@click.command("digest")
@click.option("--since", metavar="TIME", default=DEFAULT_SPAN, show_default=True, help="Begin there: 24h, 7d, Monday.")
@click.option("--format", "format_", type=click.Choice(FORMAT_NAMES), help="Print it in this format, not as text.")
@click.option("--via", metavar="NOTIFIER", help="Send it by this notifier instead of printing it.")
@options.config
@options.as_json
def digest_command(since: str, format_: str | None, via: str | None, config: str | None, json_: bool) -> None:
    """Sum up what ran, failed, was skipped and got slower, what needs you, and what comes next.

    The first line is the verdict. Works without a daemon.

    Example: rae-auto digest --since 7d --format markdown
    """
    if json_ and (other := "--via" if via is not None else "--format" if format_ is not None else ""):
        raise click.UsageError(f"--json prints the digest for programs, without {other}; leave one of them out")
    digest = asyncio.run(_load(config, since, has_pictures=format_ == "html"))
    if json_:
        print_json(digest.to_json())
        return
    # lazy: start-up
    from rae_auto.model.primitives.zones import zone
    from rae_auto.views.digests.formats import FORMATS, digest_text

    if via is None and format_ in (None, DEFAULT_FORMAT) and on_terminal():
        text = digest_text(digest, zone(digest.zone), terminal_width())
    else:
        text = FORMATS[format_ or DEFAULT_FORMAT](digest, zone(digest.zone))
    if via is None:
        click.echo(text, nl=False)
    else:
        click.echo(_send(config, via, digest, text))


async def _load(config: str | None, since: str, *, has_pictures: bool) -> "Digest":
    from rae_auto.screens import build_doctor_report, load_digest, open_records  # lazy: start-up

    async with open_records(config) as records:
        begin = options.read_time("--since", since, records.zone, is_given=since != DEFAULT_SPAN).instants[0]
        doctor = build_doctor_report(await records.findings(), records.now())
        return await load_digest(records, begin, records.now(), has_pictures=has_pictures, doctor=doctor)


def _send(config: str | None, via: str, digest: "Digest", text: str) -> str:
    """Deliver the digest by a notifier of the configuration, and return one line about it."""
    # lazy: start-up
    from rae_auto.api.notifier import Notice
    from rae_auto.model.policies import NotifyOn
    from rae_auto.model.primitives.names import JobId
    from rae_auto.runtime.reporting.sample_notice import deliver_at_once

    project = options.load_project(config, for_reading=True)
    notifiers = {name: project.plugins.notifier(ref) for name, ref in project.config.notifiers.items()}
    notice = Notice(
        kind=NotifyOn.SUCCESS if digest.ok else NotifyOn.FAILURE,
        job=JobId("digest"),
        at=digest.until,
        text=digest.verdict,
        id=f"digest.{digest.until:%Y%m%dT%H%M%S.%f}",
        output=text,
        state_directory=str(project.directory),
    )
    asyncio.run(deliver_at_once(via, notifiers, notice))
    return f"sent by {via}: {digest.verdict}"
