"""Other jobs, notifiers and resources, to which jobs refer by name."""

from collections.abc import Collection, Iterable, Mapping

from rae_auto.model.primitives.formatting import format_count, quote
from rae_auto.model.primitives.names import did_you_mean
from rae_auto.model.primitives.problems import Key, Problem
from rae_auto.model.primitives.references import find_references

_REMEDIES = {
    "job": "; add [jobs.{}], or remove the name",
    "notifier": "; add [notifiers.{}], or remove the name",
    "resource": "; add {} = 1 under [resources], or remove the name",
}


def unknown_names(what: str, names: Iterable[object], known: Collection[str] | None) -> list[Problem]:
    """Return a problem for each unknown name, by index, in a table by name; an item that isn't text is another problem.

    `known` is None if not all that are defined could be read; then there are none.
    """
    if known is None:
        return []
    named = zip(names, names, strict=True) if isinstance(names, Mapping) else enumerate(names)
    return [
        Problem((key,), f"unknown {what} {quote(name)}{did_you_mean(name, known) or _REMEDIES[what].format(name)}")
        for key, name in named
        if isinstance(name, str) and name not in known
    ]


def excess_units(wanted: Mapping[str, int], units: Mapping[str, int]) -> list[Problem]:
    """Return a problem for each resource of which a job takes more units than there are."""
    return [
        Problem((name,), f"takes {count} of {format_count(units[name], 'unit')}; take fewer, or raise resources.{name}")
        for name, count in wanted.items()
        if count > units.get(name, count)
    ]


def forbidden_programs(value: object, allowed: Collection[str]) -> list[Problem]:
    """Return a problem for each `${cmd:…}` in the texts of a table, at any depth, whose program isn't allowed."""
    if isinstance(value, str):
        return [
            Problem(
                (), f"refers to {one.text}, whose program is not allowed; add {quote(one.program)} to secret_commands"
            )
            for one in find_references(value)
            if one.program and one.program not in allowed
        ]
    inner: Iterable[tuple[str | int, object]] = ()
    if isinstance(value, Mapping):
        inner = value.items()
    elif isinstance(value, list | tuple):
        inner = enumerate(value)
    return [
        Problem((key, *problem.key), problem.what)
        for key, item in inner
        for problem in forbidden_programs(item, allowed)
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
