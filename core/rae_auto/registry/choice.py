"""Which plugins a process uses, by its environment (which options of the program set) and the configuration.

- `RAE_PLUGINS_DIR` (`--plugins-dir`): folders with plugins that are single files.
- `RAE_DISABLED_PLUGINS` (`--no-plugin`), and `[plugins] disable`: plugins that are left out.
- `RAE_PLUGINS`: of the installed distributions only these are used; built-in plugins and single files are, too.
- `RAE_NO_PLUGINS=1`: only the built-in plugins are used.
- `RAE_TRACE_PLUGINS=1`: each plugin that is loaded is reported on standard error, with its time.

A plugin is named by its name, by KIND:NAME, or by its distribution or file.
"""

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Self

from attrs import frozen

from rae_auto.entry_points import DIRECTORY_VARIABLE, DISABLED_VARIABLE
from rae_auto.model.primitives.formatting import quote
from rae_auto.model.primitives.names import did_you_mean
from rae_auto.registry.index import PluginInfo

ONLY_VARIABLE = "RAE_PLUGINS"
NONE_VARIABLE = "RAE_NO_PLUGINS"
TRACE_VARIABLE = "RAE_TRACE_PLUGINS"

_FALSE = ("", "0", "false", "no")


@frozen(kw_only=True)
class PluginChoice:
    """The plugins that are used: those in `only` if it isn't None, without those in `disabled`."""

    directories: tuple[Path, ...] = ()
    disabled: frozenset[str] = frozenset()
    only: frozenset[str] | None = None
    is_built_in_only: bool = False

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Return the choice that the environment makes."""
        only = environment.get(ONLY_VARIABLE)
        return cls(
            directories=tuple(
                Path(one).expanduser() for one in environment.get(DIRECTORY_VARIABLE, "").split(os.pathsep) if one
            ),
            disabled=_words(environment.get(DISABLED_VARIABLE, "")),
            only=None if only is None else _words(only),
            is_built_in_only=is_switched_on(environment, NONE_VARIABLE),
        )

    def includes(self, info: PluginInfo) -> bool:
        """Return whether a plugin is used."""
        names = names_of(info)
        if self.disabled & names:
            return False
        if info.is_built_in:
            return True
        if self.is_built_in_only:
            return False
        return self.only is None or info.path is not None or bool(self.only & names)

    def explain_exclusion(self, info: PluginInfo) -> str:
        """Return why a plugin is not used, as a clause with the remedy."""
        if self.disabled & names_of(info):
            return "is disabled; remove it from [plugins] disable, --no-plugin and RAE_DISABLED_PLUGINS"
        if self.is_built_in_only:
            return f"is not used, because {NONE_VARIABLE} is set; unset that"
        return f"is not used, because {ONLY_VARIABLE} does not name it; add it there"

    def find_unknown(self, infos: Collection[PluginInfo]) -> list[str]:
        """Return a line for each name that no plugin has."""
        known = {name for info in infos for name in names_of(info)}
        asked: Sequence[tuple[str, Collection[str]]] = [
            ("disabled", self.disabled),
            (f"named by {ONLY_VARIABLE}", self.only or ()),
        ]
        return [
            f"unknown plugin {quote(name)} is {how}{did_you_mean(name, sorted(known)) or '; see rae-auto plugins'}"
            for how, names in asked
            for name in sorted(names)
            if name not in known
        ]


def names_of(info: PluginInfo) -> frozenset[str]:
    """Return the words by which a plugin can be chosen: its name, KIND:NAME, its distribution, its file."""
    own = {info.distribution.lower()} if info.path is None else {info.path.stem, info.path.name, str(info.path)}
    return frozenset({info.name, f"{info.kind}:{info.name}", *own})


def is_switched_on(environment: Mapping[str, str], name: str) -> bool:
    """Return whether a variable of the environment is set to anything but 0, "false" or "no"."""
    return environment.get(name, "").lower() not in _FALSE


def _words(text: str) -> frozenset[str]:
    return frozenset(word for part in text.split(",") if (word := part.strip()))
