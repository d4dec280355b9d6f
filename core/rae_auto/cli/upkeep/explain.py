"""The command explain: what a code means, and what to do."""

import click
from click.shell_completion import CompletionItem

from rae_auto.cli import options
from rae_auto.errors import BadRequest
from rae_auto.explain.codes.catalog import all_codes, find_codes, near_codes
from rae_auto.explain.codes.entry import CodeEntry
from rae_auto.model.primitives.escaping import quote_short
from rae_auto.views.tables import on_terminal, print_json, show_table, style, terminal_width


def _complete(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(entry.code) for entry in all_codes() if entry.code.startswith(incomplete)]


@click.command("explain")
@click.argument("code", required=False, shell_complete=_complete)
@options.headers
@options.as_json
def explain_command(code: str | None, json_: bool) -> None:
    """Explain a code: a reason, a state of a run, a kind of error, a kind of problem, or an exit code.

    Gives its cause and what to do. CODE may be a whole line that 'check' printed, in quotes. Without CODE all codes
    are listed. Needs no daemon, no configuration and no network.

    Example: rae-auto explain need_failed
    """
    entries = all_codes() if code is None else find_codes(code)
    if code is not None and not entries:
        near = ", ".join(near_codes(code))
        hint = f"did you mean {near}?" if near else "'rae-auto explain' lists all codes"
        raise BadRequest(f"unknown code {quote_short(code, 64)}; {hint}")
    if json_:
        print_json([_record(entry) for entry in entries])
    elif code is None:
        show_table(["set", "code", "cause"], [(entry.set, entry.code, entry.cause) for entry in entries])
    else:
        click.echo("\n\n".join(_describe(entry) for entry in entries))


def _describe(entry: CodeEntry) -> str:
    """Return an entry for a person, over several lines."""
    lines = [f"{style(entry.code, bold=True)} ({entry.set})"]
    for name, text in (("cause", entry.cause), ("hint", entry.hint), ("page", entry.page)):
        first, rest = f"  {name:<7} ", " " * 10
        lines.append(click.wrap_text(text, terminal_width(), first, rest) if on_terminal() else f"{first}{text}")
    return "\n".join(lines)


def _record(entry: CodeEntry) -> dict[str, str]:
    return {
        "code": entry.code,
        "set": entry.set.value,
        "cause": entry.cause,
        "hint": entry.hint,
        "page": entry.page,
    }
