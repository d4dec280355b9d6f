"""A plugin's command as click knows it: loaded when it is called, with the fields of its class as options."""

from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal, cast, get_origin

import click

from rae_auto.api.plugin import Kind, Plugin
from rae_auto.cli import options
from rae_auto.cli.usage import OneOf
from rae_auto.errors import PluginBroken, SchedulerError
from rae_auto.model.primitives.formatting import describe_raise, join_words, quote
from rae_auto.model.primitives.problems import Invalid

if TYPE_CHECKING:
    import attrs

    from rae_auto.api.command import Command
    from rae_auto.registry import Registry

MAX_CHOICES_CHARACTERS = 60
"""Characters of choices that the line of the usage shows; more are a paragraph of the help."""


class PluginCommand(click.Command):
    """The command of a plugin. Making it imports nothing."""

    def __init__(self, name: str, registry: "Registry") -> None:
        super().__init__(name)
        self._registry = registry
        self._is_loaded = False

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        self._load()
        return super().get_params(ctx)

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self._load()
        super().format_help_text(ctx, formatter)
        for one in self.params:
            if isinstance(one, click.Argument) and one.metavar and isinstance(one.type, OneOf):
                formatter.write_paragraph()
                with formatter.indentation():
                    formatter.write_text(
                        f"{one.metavar} is {join_words([str(word) for word in one.type.choices], 'or')}."
                    )

    def invoke(self, ctx: click.Context) -> Any:
        """Run the plugin and return its exit code. What goes wrong in it becomes one line that names it."""
        from rae_auto.cli.plugin_commands.context import ProgramContext  # lazy: start-up

        given = dict(ctx.params)
        context = ProgramContext(given.pop("config", None))
        plugin = self._make(given, ctx)
        try:
            return plugin.run(context)
        except (click.exceptions.Exit, click.Abort, click.ClickException, SchedulerError, OSError):
            raise
        except (KeyboardInterrupt, SystemExit):
            raise  # Ctrl-C, and an exit code said in Python's way
        except BaseException as error:  # whatever a plugin raises
            raise self._describe_fault(error) from error

    def _load(self) -> None:
        """Take the options and the help from the class. Raises PluginError."""
        if self._is_loaded:
            return
        cls = self._class()
        try:
            self.params = [*parameters_of(cls), _config_option()]
        except (Exception, SystemExit) as error:
            raise self._describe_fault(error) from error
        self.help = cls.__doc__
        self._is_loaded = True

    def _class(self) -> "type[Command]":
        return cast("type[Command]", self._registry.get(Kind.COMMAND, str(self.name)))

    def _make(self, given: Mapping[str, Any], ctx: click.Context) -> "Command":
        from rae_auto.config.options import build  # lazy: start-up
        from rae_auto.model.primitives.zones import LOCAL  # lazy: start-up

        chosen = {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}
        chosen = {name: value for name, value in chosen.items() if value is not None}
        try:
            return build(self._class(), chosen, timezone=LOCAL, plugins=self._registry)
        except Invalid as error:
            raise click.UsageError(_describe_invalid(error, self.get_params(ctx)), ctx) from None

    def _describe_fault(self, error: BaseException) -> PluginBroken:
        """Return the error about a mistake in the plugin: where it is, and what its author should change."""
        from rae_auto.registry.author_hints import describe_author_hint  # lazy: start-up

        text = describe_raise(error)
        return PluginBroken(f"{self._origin()} failed: {text}{describe_author_hint(Kind.COMMAND, text)}")

    def _origin(self) -> str:
        return f"command {quote(self.name)} of {self._registry.provenance(Kind.COMMAND, str(self.name))}"


def get_plugin_command(name: str) -> PluginCommand:
    """Return the command of a plugin, which isn't imported yet."""
    from rae_auto.registry import Registry  # lazy: start-up

    return PluginCommand(name, Registry())


def parameters_of(cls: type[Plugin]) -> list[click.Parameter]:
    """Return the options and arguments of a command's class."""
    from rae_auto.config.structure import options_of  # lazy: start-up

    return [_parameter(name, field) for name, field in options_of(cls).items()]


def _parameter(name: str, field: "attrs.Attribute[Any]") -> click.Parameter:
    import attrs  # lazy: start-up

    is_required = field.default is attrs.NOTHING
    is_list = get_origin(field.type) in (tuple, list)
    kind = _click_type(field.type)
    if field.metadata.get("argument"):
        is_long = isinstance(kind, OneOf) and len("|".join(map(str, kind.choices))) > MAX_CHOICES_CHARACTERS
        metavar = name.upper() if is_long else None
        return click.Argument([name], type=kind, required=is_required, nargs=-1 if is_list else 1, metavar=metavar)
    text, flag = field.metadata.get("help", ""), f"--{name.replace('_', '-')}"
    if field.type is bool:
        # Only a flag that is on by default needs a way to turn it off.
        spelling = f"{flag}/--no-{flag[2:]}" if field.default is True else flag
        return click.Option([spelling, name], is_flag=True, default=None, help=_sentence(text))
    shown = "" if is_required else _default_text(field)
    return click.Option([flag, name], type=kind, required=is_required, multiple=is_list, help=_sentence(text) + shown)


def _click_type(kind: Any) -> "click.ParamType[Any]":
    if get_origin(kind) is Literal:
        return OneOf([str(word) for word in kind.__args__])
    if isinstance(kind, type) and issubclass(kind, Enum):
        return OneOf([str(member.value) for member in kind])
    # Whatever isn't a number goes on as text: the class says what it takes, in the words of a configuration.
    return _Number(kind) if kind in (int, float) else click.STRING


class _Number(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.2 on
    """A number, or the text as it is."""

    def __init__(self, kind: type[int] | type[float]) -> None:
        self._kind = kind
        self.name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return self._kind(value)
        except ValueError:
            return value


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}{'' if not text or text.endswith('.') else '.'}"


def _default_text(field: "attrs.Attribute[Any]") -> str:
    from rae_auto.registry.describe import format_default  # lazy: start-up

    default = format_default(field)
    return f"  [default: {default}]" if default not in (None, "none", "empty") else ""


def _config_option() -> click.Parameter:
    def holder() -> None:
        """Hold the option that all commands share."""

    options.config(holder)
    return cast("click.Parameter", holder.__click_params__[0])  # type: ignore[attr-defined]


def _describe_invalid(error: Invalid, parameters: list[click.Parameter]) -> str:
    names = {parameter.name: max(parameter.opts, key=len) for parameter in parameters}
    texts = [f"{names.get(str(one.key[0]), one.key[0])}: {one.what}" if one.key else one.what for one in error.problems]
    return "; ".join(texts)
