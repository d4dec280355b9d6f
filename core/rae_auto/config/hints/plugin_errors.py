"""Texts for errors that plugins raise while their options are read."""

from collections.abc import Iterator
from contextlib import contextmanager

from attrs import frozen
from cattrs.errors import StructureHandlerNotFoundError

from rae_auto.api.plugin import Kind, PluginSource
from rae_auto.model.primitives.formatting import describe_raise, quote
from rae_auto.model.primitives.problems import Invalid, Problem

NO_TYPE = "the plugin gives it a type that no value can have"


@frozen
class PluginFault(Problem):
    """A mistake in a plugin, not in the options that it got: what it raised, and where."""


def find_problem(error: BaseException) -> Problem:
    """Return the problem for a ValueError or the like, which refuses a value; for another error, the plugin's fault."""
    if isinstance(error, ValueError | TypeError | StructureHandlerNotFoundError):
        return Problem((), describe_plugin_error(error))
    return PluginFault((), describe_plugin_error(error))


def describe_plugin_error(error: BaseException) -> str:
    """Return the text of a refusal; for another error also its class, and the line that raised it."""
    if isinstance(error, StructureHandlerNotFoundError):
        return f"{NO_TYPE} ({error.type_}); report it to its author, who finds it with 'rae-auto plugins check'"
    if not isinstance(error, ValueError | TypeError):
        return f"it raised {describe_raise(error)}"  # a mistake in the plugin, whose author needs the line
    # attrs adds the attribute and the value to the arguments of some of its errors.
    return str(error.args[0] if error.args else "") or type(error).__name__


@contextmanager
def naming_plugin(kind: Kind, name: str, plugins: PluginSource, hint: str) -> Iterator[None]:
    """Let an Invalid that the block raises name the plugin of each fault, its distribution, and the author's remedy."""
    try:
        yield
    except Invalid as error:
        raise name_plugin(error, kind, name, plugins, hint) from None


def name_plugin(error: Invalid, kind: Kind, name: str, plugins: PluginSource, hint: str) -> Invalid:
    """Return an error in which each fault of a plugin is named as by `naming_plugin`."""
    provenance = getattr(plugins, "provenance", None)
    called = f"{kind} {quote(name)}" + (f" of {provenance(kind, name)}" if provenance else "")
    return Invalid(
        [
            Problem(one.key, f"{called}: {one.what}; for its author: {hint}") if isinstance(one, PluginFault) else one
            for one in error.problems
        ]
    )
