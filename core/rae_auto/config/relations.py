"""Names by which jobs refer to other jobs, notifiers and resources."""

from collections.abc import Collection, Mapping, Sequence

from rae_auto.model.primitives.formatting import quote
from rae_auto.model.primitives.names import did_you_mean
from rae_auto.model.primitives.problems import Key, Problem


def unknown_names(what: str, names: Sequence[str], known: Collection[str]) -> list[Problem]:
    """Return a problem for each unknown name, by index."""
    return [
        Problem(
            (index,), f"unknown {what} {quote(name)}{did_you_mean(name, known) or '; define it, or remove the name'}"
        )
        for index, name in enumerate(names)
        if name not in known
    ]


def document_key(name: str, options: object) -> Key:
    """Return the key of a name among the options of a plugin, at any depth; () if it isn't there."""
    inner: Collection[tuple[str | int, object]] = ()
    if isinstance(options, Mapping):
        inner = options.items()
    elif isinstance(options, list | tuple):
        inner = list(enumerate(options))
    for key, value in inner:
        if value == name:
            return (key,)
        if inner_key := document_key(name, value):
            return (key, *inner_key)
    return ()
