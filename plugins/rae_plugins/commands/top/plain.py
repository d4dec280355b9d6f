"""The view without a screen: one frame as text, or each change as a sentence."""

import shutil
import sys
from datetime import UTC, datetime

import click

from rae_auto.api import CommandContext
from rae_auto.model.primitives.escaping import escape_line
from rae_auto.model.primitives.formatting import time_format
from rae_auto.screens import load_job_list, load_overview, open_records
from rae_auto.toolkit.text_cells import wrap_to_cells
from rae_plugins.commands.top.cells import duration_text
from rae_plugins.commands.top.frame import whole_frame
from rae_plugins.commands.top.live import Link, follow_daemon, sentence_of
from rae_plugins.commands.top.styled_lines import plain_text

MAX_JOBS = 1000
MIN_WIDTH = 30
NARROW_WIDTH = 60
"""In a terminal with fewer columns a change is printed with the time of day, without the date."""

ASCII_MARKS = str.maketrans("●▲✕⊘■◩○▶▸▷▹◔↻‖✓·…→", "*!xx%%o>><<w@=v.~>")


async def print_frame(context: CommandContext) -> int:
    """Print one frame; return 1 if something needs a person."""
    width = max(shutil.get_terminal_size((100, 24)).columns, MIN_WIDTH)
    async with open_records(context.config) as records:
        overview = await load_overview(records)
        jobs = await load_job_list(records, limit=MAX_JOBS)
        for parts in whole_frame(overview, jobs, records.zone, width):
            click.echo(_in_encoding(escape_line(plain_text(parts))))
    return 0 if overview.ok else 1


async def print_state(context: CommandContext) -> int:
    """Print what a frame shows as sentences, without the table; return 1 if something needs a person."""
    async with open_records(context.config) as records:
        overview = await load_overview(records)
    _say(overview.verdict, context)
    for one in overview.attention:
        _say(f"{one.why}; see to it with '{one.action.command}'", context)
    for run in overview.running:
        _say(f"{run.job} {'has been' if run.is_known else 'was'} running for {duration_text(run.elapsed)}", context)
    for waiting in overview.waiting:
        _say(f"{waiting.job} waits: {waiting.waiting_for}", context)
    return 0 if overview.ok else 1


async def print_changes(context: CommandContext) -> int:
    """Print whether all is well, and then each change, until the person interrupts."""
    async for event in follow_daemon(context.state_directory):
        if event is Link.UP:
            async with open_records(context.config) as records:
                _say((await load_overview(records)).verdict, context)
        elif isinstance(event, Link):
            _say("The daemon has stopped; waiting for it to come back", context)
        elif (sentence := sentence_of(event, time_format(context.zone, datetime.now(UTC), local=True))) is not None:
            _say(sentence, context)
    return 0


def _say(sentence: str, context: CommandContext) -> None:
    # No width in a pipe: there a sentence is one line.
    width = shutil.get_terminal_size((0, 0)).columns
    form = "%H:%M:%S" if 0 < width < NARROW_WIDTH else "%Y-%m-%d %H:%M:%S"
    text = f"{datetime.now(UTC).astimezone(context.zone):{form}} {escape_line(sentence)}"
    for one in wrap_to_cells(text, max(width, MIN_WIDTH)) if width else [text]:
        click.echo(_in_encoding(one))


def _in_encoding(text: str) -> str:
    """Return a text with marks of ASCII, as wide as ours, for an output that can't encode these."""
    encoding = sys.stdout.encoding
    # An output in ASCII is one whose locale isn't set up; click writes UTF-8 there.
    is_utf8 = encoding is None or encoding.lower().replace("_", "-") in ("utf-8", "ascii", "us-ascii", "ansi-x3.4-1968")
    return text if is_utf8 else text.translate(ASCII_MARKS)
