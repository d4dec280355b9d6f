"""Texts of what plugins raise while their options are read."""

from cattrs.errors import StructureHandlerNotFoundError

from rae_auto.model.primitives.formatting import describe_raise

NO_TYPE = "the plugin gives it a type that no value can have"


def describe_plugin_error(error: BaseException) -> str:
    """Return the text of a refusal; of another error also its class, and the line that raised it."""
    if isinstance(error, StructureHandlerNotFoundError):
        return f"{NO_TYPE} ({error.type_}); report it to its author, who finds it with 'rae-auto plugins check'"
    if not isinstance(error, ValueError | TypeError):
        return f"it raised {describe_raise(error)}"  # a mistake in the plugin, whose author needs the line
    # attrs adds the attribute and the value to the arguments of some of its errors.
    return str(error.args[0] if error.args else "") or type(error).__name__
