"""The man page, from the same help texts as `--help` and the page of commands.

Looked at: click-man (a page for each of fifty commands, without their sections; last release in 2023) and the builder
of Sphinx (one long literal block). One page that can be searched serves better, and is forty lines.
"""

import re
from collections.abc import Iterable

import click

INTRODUCTION = "runs your automations on your own machine"


def man_page(version: str, sections: dict[str, list[tuple[str, click.Command]]], epilog: str) -> str:
    """Return the page in the macros of man(7); each command comes with its whole name, below its section's title."""
    parts = [
        f'.TH RAE-AUTO 1 "" "rae-auto {version}" "User commands"',
        ".SH NAME",
        rf"rae\-auto \- {INTRODUCTION}",
        ".SH SYNOPSIS",
        r".B rae\-auto",
        ".I COMMAND",
        "[OPTIONS] [ARGUMENTS]",
        ".SH DESCRIPTION",
        _text(
            "Write a rae.toml (rae-auto init), check it (rae-auto check, rae-auto simulate) and run it (rae-auto run)."
        ),
    ]
    for title, commands in sections.items():
        parts.append(f".SH {_escape(title.upper())}")
        for name, command in commands:
            parts += _command(name, command)
    parts += [".SH FILES AND VARIABLES", *(_text(block) for block in _paragraphs(epilog))]
    parts += [
        ".SH EXIT STATUS",
        _text("0 done; 1 refused or failed; 2 bad usage or configuration; 3 no daemon is running."),
    ]
    parts += [_text("'rae-auto explain CODE' says what a code means.")]
    return "\n".join(parts) + "\n"


def _command(name: str, command: click.Command) -> list[str]:
    """Return the subsection of a command: its usage, help and options."""
    context = click.Context(command, info_name=name)
    usage = " ".join(command.collect_usage_pieces(context))
    lines = [f".SS {_escape(name)}", f".B {_escape(name)}", _breakable(usage)]
    lines += [_text(block) for block in _paragraphs(command.help or "")]
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and "--help" not in record[0]:
            lines += [".TP", f".B {_breakable(record[0])}", _text(record[1], begin="")]
    return lines


def _paragraphs(text: str) -> Iterable[str]:
    return (block for block in re.split(r"\n\s*\n", text.strip()) if block.strip())


def _text(block: str, begin: str = ".PP\n") -> str:
    r"""Return a paragraph; one that click marks with \b keeps its lines."""
    is_fixed = block.lstrip().startswith("\b")
    lines = [_escape(line.strip()) for line in block.replace("\b", "").strip().splitlines()]
    body = "\n".join(lines)
    return f"{begin}.nf\n{body}\n.fi" if is_fixed else f"{begin}{body}"


def _breakable(text: str) -> str:
    """Return an escaped line in which a list of words may break; a long one can't be set otherwise."""
    return _escape(text).replace("|", " | ")


def _escape(text: str) -> str:
    """Return a line that is neither a request nor holds an escape."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    escaped = re.sub(r"[^\x00-\x7f]", lambda found: f"\\[u{ord(found[0]):04X}]", escaped)
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped
