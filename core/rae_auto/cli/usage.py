"""Bad usage: click's errors in our words, and groups and types whose errors are ours."""

import json
import sys
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import click

from rae_auto.model.primitives.formatting import quote
from rae_auto.model.primitives.names import Synonyms, did_you_mean

COMMAND_SYNONYMS: Synonyms = {
    **dict.fromkeys(("log", "tail", "journal"), ("logs", "output")),
    **dict.fromkeys(("start", "launch"), ("trigger", "run")),
    **dict.fromkeys(("daemon", "serve", "up"), ("run",)),
    **dict.fromkeys(("restart",), ("reload",)),
    **dict.fromkeys(("ls", "jobs"), ("list",)),
    **dict.fromkeys(("ps", "top"), ("status",)),
    **dict.fromkeys(("kill", "abort"), ("cancel",)),
    **dict.fromkeys(("down", "quit", "exit", "shutdown"), ("stop",)),
    **dict.fromkeys(("rm", "delete", "del"), ("remove", "delete")),
    **dict.fromkeys(("create", "new"), ("add", "init")),
    **dict.fromkeys(("disable",), ("pause",)),
    **dict.fromkeys(("enable", "unpause"), ("resume",)),
    **dict.fromkeys(("validate", "lint", "verify"), ("check",)),
    **dict.fromkeys(("explain",), ("why",)),
    **dict.fromkeys(("runs", "last"), ("history",)),
    **dict.fromkeys(("skip_next",), ("skip",)),
    **dict.fromkeys(("dump",), ("backup",)),
    **dict.fromkeys(("info", "describe", "inspect"), ("show",)),
    **dict.fromkeys(("dry_run", "forecast", "preview"), ("simulate",)),
    **dict.fromkeys(("events",), ("event",)),
    **dict.fromkeys(("plugin",), ("plugins",)),
    **dict.fromkeys(("autostart", "systemd", "launchd", "install"), ("service", "install")),
}
"""Our commands for those of systemctl, cron, Docker and other tools."""

_STATES = ("succeeded", "failed", "timed_out", "cancelled", "interrupted", "skipped", "lost", "queued", "running")
_OPTIONS_AS_COMMANDS = ("help", "version")

_MAX_SHOWN_CHARACTERS = 64

MAX_INPUT_CHARACTERS = 1 << 20
"""The part of standard input that is read; the daemon accepts less."""


MAX_SUMMARY_CHARACTERS = 200
"""The length of a command's line in the help of its group, which is wrapped and not cut off."""


class CommandGroup(click.Group):
    """A group that answers an unknown command with the one that may be meant, and no command with its help."""

    def __init__(self, *args: Any, renamed: Mapping[str, str] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.renamed = renamed or {}

    def command_sections(self) -> Mapping[str, Sequence[str]]:
        """Return the commands by the title under which the help shows them."""
        return {"Commands": list(self.commands)}

    def has_command(self, ctx: click.Context, name: str) -> bool:
        """Return whether there is a command of this name."""
        return name in self.list_commands(ctx)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args and self.no_args_is_help and not ctx.resilient_parsing:
            # By ourselves, because click 8.2 and later raise the help as an error.
            click.echo(ctx.get_help(), color=ctx.color)
            ctx.exit()
        return super().parse_args(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands in sections, each with its whole summary; click would cut it off."""
        sections = {title: names for title, names in self.command_sections().items() if names}
        width = max(len(name) for names in sections.values() for name in names)
        for title, names in sections.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), self.summary_of(ctx, name)) for name in names])

    def summary_of(self, ctx: click.Context, name: str) -> str:
        """Return the first line of a command's help."""
        command = self.get_command(ctx, name)
        assert command is not None
        return command.get_short_help_str(MAX_SUMMARY_CHARACTERS)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and not self.has_command(ctx, args[0]):
            ctx.fail(self._describe_unknown(args[0], ctx))
        return super().resolve_command(ctx, args)

    def _describe_unknown(self, name: str, ctx: click.Context) -> str:
        if name in _OPTIONS_AS_COMMANDS:
            return f"unknown command {quote(name)}; did you mean '{ctx.command_path} --{name}'?"
        if name == "promote":
            return f"unknown command {quote(name)}; 'rae-auto show JOB --toml' prints a job for a configuration file"
        if name in self.renamed:
            return f"command {quote(name)} was renamed; use '{ctx.command_path} {self.renamed[name]}'"
        near = did_you_mean(name[:_MAX_SHOWN_CHARACTERS], self.list_commands(ctx), COMMAND_SYNONYMS)
        return f"unknown command {_quote_short(name)}{near or _see_help(ctx, 'lists them')}"


class WholeNumber(click.IntRange):
    """A whole number from `min` to `max`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            limits = f"from {self.min} to {self.max}" if self.max is not None else f"of at least {self.min}"
            self.fail(f"must be a whole number {limits}, not {_quote_short(value)}", param, ctx)


class KeyValue(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.2 on
    """A text of the form KEY=VALUE, as a pair."""

    name = "key_value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        key, is_pair, text = str(value).partition("=")
        if not is_pair or not key:
            self.fail(f"must be KEY=VALUE, not {_quote_short(value)}", param, ctx)
        return key, text


class JsonObject(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.2 on
    """A JSON object; `-` reads it from standard input."""

    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, Any]:
        if isinstance(value, dict):
            return value
        text = sys.stdin.read(MAX_INPUT_CHARACTERS + 1) if value == "-" else valid_text(value)
        if len(text) > MAX_INPUT_CHARACTERS:
            self.fail("is larger than 64 KB; store it in a file and pass its path", param, ctx)
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as error:
            self.fail(f"is not valid JSON ({error})", param, ctx)
        if not isinstance(content, dict):
            self.fail("""must be a JSON object, as in '{"room": "kitchen"}'""", param, ctx)
        return content


class OneOf(click.Choice):  # type: ignore[type-arg]  # generic from click 8.2 on
    """One of a few words."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        words = [str(choice) for choice in self.choices]
        if value not in words:
            near = did_you_mean(str(value)[:_MAX_SHOWN_CHARACTERS], words) or _describe_file(str(value), words, ctx)
            self.fail(f"must be one of {', '.join(words)}, not {_quote_short(value)}{near}", param, ctx)
        return value


def _describe_file(value: str, words: Sequence[str], context: click.Context | None) -> str:
    """Return a remedy for a file that was named where its kind goes before it, empty for anything else."""
    from pathlib import Path  # lazy: start-up

    takes_files = context is not None and any(
        isinstance(one, click.Argument) and one.nargs == -1 for one in context.command.params
    )
    if context is None or not takes_files or len(value) > _MAX_SHOWN_CHARACTERS or not Path(value).exists():
        return ""
    return f"; that is a file, so write its kind before it, as in '{context.command_path} {words[0]} {value}'"


def valid_text(argument: str) -> str:
    """Return an argument as valid text, with undecodable bytes replaced."""
    return argument.encode(errors="surrogateescape").decode(errors="replace")


def describe_usage_error(error: click.ClickException) -> str:
    """Return the error as one line: place, problem and remedy."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    message = " ".join(_restate(error, context).split()).rstrip(".")
    is_remedied = "; " in message
    return message if is_remedied else f"{message}{_see_help(context)}"


def _restate(error: click.ClickException, context: click.Context | None) -> str:
    match error:
        case click.NoSuchOption():
            state = error.option_name.removeprefix("--")
            if state in _STATES and "--state" in _options_of(context):
                return f"unknown option {_quote_short(error.option_name)}; did you mean '--state {state}'?"
            near = did_you_mean(error.option_name[:_MAX_SHOWN_CHARACTERS], _options_of(context))
            return f"unknown option {_quote_short(error.option_name)}{near}"
        case click.MissingParameter(param=click.Parameter() as parameter):
            return f"{_name_of(parameter)} is missing"
        case click.BadOptionUsage():
            needs = "must stand alone" if "does not take a value" in error.message else "needs a value"
            return f"{error.option_name} {needs}"
        case click.BadParameter(param=click.Parameter() as parameter):
            return f"{_name_of(parameter)} {error.message}"
        case click.UsageError() if "unexpected extra argument" in error.message and context is not None:
            # "Got unexpected extra argument (x)", or "arguments (x y)".
            return _describe_extra(error.message.partition("(")[2].rpartition(")")[0].split(" ")[0], context)
    return error.format_message()


def _describe_extra(extra: str, context: click.Context) -> str:
    if extra.endswith(".toml") and "--config" in _options_of(context):
        return f"unexpected argument {_quote_short(extra)}; name a configuration with '--config {extra}'"
    return f"unexpected argument {_quote_short(extra)}"


def _options_of(context: click.Context | None) -> Collection[str]:
    if context is None:
        return ()
    return [name for parameter in context.command.get_params(context) for name in parameter.opts if name[:1] == "-"]


def _name_of(parameter: click.Parameter) -> str:
    if isinstance(parameter, click.Option):
        return max(parameter.opts, key=len)
    return parameter.human_readable_name.removesuffix("...")


def _quote_short(value: object) -> str:
    text = str(value)
    return quote(text if len(text) <= _MAX_SHOWN_CHARACTERS else text[:_MAX_SHOWN_CHARACTERS] + "…")


def _see_help(context: click.Context | None, does: str = "") -> str:
    program = context.command_path if context else "rae-auto"
    return f"; '{program} --help' {does}" if does else f"; see '{program} --help'"
