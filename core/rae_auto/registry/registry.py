"""The plugins of this machine: indexed without importing, loaded by name, each failure kept to itself."""

import sys
from collections.abc import Collection, Mapping, Sequence
from copy import copy
from pathlib import Path

from attrs import evolve

from rae_auto.api.plugin import Kind, Plugin
from rae_auto.errors import PluginBroken, PluginError, PluginNotFound, PluginUnavailable
from rae_auto.model.primitives.formatting import join_words, quote
from rae_auto.model.primitives.names import did_you_mean
from rae_auto.registry.choice import PluginChoice
from rae_auto.registry.containment import is_foreign
from rae_auto.registry.index import (
    PluginInfo,
    State,
    claims,
    find_conflict,
    find_holder,
    find_loss,
    installed,
    rescan_installed,
)
from rae_auto.registry.loading import load
from rae_auto.registry.plugin_files import find_plugin_files
from rae_auto.toolkit.files import FileIdentity, identify_file


class Registry:
    """Finds plugins by kind and name. Nothing is imported until its class is asked for."""

    def __init__(self, infos: Collection[PluginInfo] | None = None) -> None:
        """`infos` are the plugins there are; by default those that are installed, as the environment chooses."""
        self._given = None if infos is None else tuple(infos)
        self._problems: list[str] = []
        self._is_configured = False
        self._excluded: dict[tuple[Kind, str], str] = {}
        self._infos = self._find(PluginChoice.read())
        self._loaded: dict[tuple[Kind, str], type[Plugin] | PluginError] = {}
        self._sources: dict[tuple[Kind, str], tuple[PluginInfo, Mapping[Path, FileIdentity]]] = {}

    def fork(self) -> "Registry":
        """Return a registry with the same plugins: what is configured and loaded there changes nothing here.

        A configuration that may not come into force is read with it.
        """
        other = copy(self)
        other.adopt(self)
        return other

    def adopt(self, other: "Registry") -> None:
        """Use the plugins of a fork from now on."""
        self._problems, self._is_configured, self._infos = list(other._problems), other._is_configured, other._infos
        self._loaded, self._sources, self._excluded = dict(other._loaded), dict(other._sources), other._excluded

    def configure(self, paths: Sequence[Path], disabled: Collection[str]) -> list[str]:
        """Use the plugins that a configuration names as well: single files in `paths`, without those in `disabled`.

        Called again, as by a reload, it takes what was installed meanwhile; what is loaded stays loaded. Returns a line
        for each file that can't be used, and for each name that is unknown.
        """
        infos = rescan_installed() if self._is_configured and self._given is None else None
        self._is_configured = True
        choice = PluginChoice.read()
        choice = evolve(
            choice, directories=(*choice.directories, *paths), disabled=choice.disabled | frozenset(disabled)
        )
        self._infos = self._find(choice, infos)
        for name, found in list(self._loaded.items()):
            # A file that couldn't be used may have been corrected.
            if isinstance(found, PluginError):
                del self._loaded[name]
        return self._problems

    def file_problems(self) -> list[str]:
        """Return a line for each file with plugins that can't be used."""
        return list(self._problems)

    def outdated(self) -> list[str]:
        """Return a line for each loaded plugin whose code has changed, or of which another version is installed."""
        lines = []
        for (kind, name), (info, files) in list(self._sources.items()):
            now = next((one for one in claims(self._infos, kind, name) if one.module == info.module), None)
            if now is None:
                continue
            what = None
            if now.version != info.version:
                what = f"is now installed as {now.provenance}"
            elif any(identify_file(path) != before for path, before in files.items()):
                what = "has changed"
            if what is not None:
                lines.append(f"{kind} {quote(name)} of {info.provenance} {what}; restart the daemon to use that")
        return lines

    def _find(self, choice: PluginChoice, infos: Collection[PluginInfo] | None = None) -> tuple[PluginInfo, ...]:
        if infos is None:
            infos = installed() if self._given is None else self._given
        files, self._problems = find_plugin_files(choice.directories)
        everything = (*infos, *files)
        self._problems += choice.find_unknown(everything)
        self._excluded = {
            (one.kind, one.name): f"{one.kind} {quote(one.name)} of {one.provenance} {choice.explain_exclusion(one)}"
            for one in everything
            if not choice.includes(one)
        }
        return tuple(info for info in everything if choice.includes(info))

    def names(self, kind: Kind) -> Collection[str]:
        """Return the names of the installed plugins of a kind, working or not."""
        return {info.name for info in self._infos if info.kind is kind}

    def explain_exclusion(self, kind: Kind, name: str) -> str | None:
        """Return why an installed plugin of a name is not used, with the remedy; None if there is none."""
        return self._excluded.get((kind, name))

    def get(self, kind: Kind, name: str) -> type[Plugin]:
        """Return the class of a plugin. Raises PluginNotFound, PluginBroken, PluginUnavailable."""
        if (kind, name) not in self._loaded:
            self._loaded[kind, name] = self._load(kind, name)
        found = self._loaded[kind, name]
        if isinstance(found, PluginError):
            raise found
        return found

    def infos(self) -> list[PluginInfo]:
        """Return all plugins with their known states; loads none of them."""
        return [self._with_state(info) for info in self._infos]

    def info(self, kind: Kind, name: str) -> PluginInfo:
        """Load a plugin and return its information. Raises PluginNotFound."""
        try:
            self.get(kind, name)
        except PluginNotFound:
            raise
        except PluginError:
            pass
        return self._with_state(find_holder(claims(self._infos, kind, name)))

    def provenance(self, kind: Kind, name: str) -> str:
        """Return the distribution that offers a plugin, with its version."""
        claimed_by = claims(self._infos, kind, name)
        if claimed_by and find_conflict(claimed_by) is None:
            return find_holder(claimed_by).provenance
        return join_words(info.provenance for info in claimed_by) or "unknown"

    def owner_of(self, module: str) -> str | None:
        """Return the name of the plugin that a module belongs to, or None."""
        for info in self._infos:
            # An entry point may name an object in its module.
            home = info.module.partition(":")[0]
            if module == home or module.startswith(home + "."):
                return f"{info.kind} {quote(info.name)} of {info.provenance}"
        return None

    def _load(self, kind: Kind, name: str) -> type[Plugin] | PluginError:
        claimed_by = claims(self._infos, kind, name)
        if not claimed_by:
            known = sorted(self.names(kind))
            from rae_auto.config.hints.other_distributions import describe_other_distribution  # lazy: memory

            elsewhere = describe_other_distribution(kind, name)
            hint = f"; {elsewhere}" if elsewhere else f"; installed: {', '.join(known) or 'none'}"
            return PluginNotFound(f"unknown {kind} {quote(name)}{did_you_mean(name, known) or hint}")
        if (conflict := find_conflict(claimed_by)) is not None:
            return PluginBroken(conflict)
        holder = find_holder(claimed_by)
        try:
            cls = load(holder)
            self._sources[kind, name] = holder, _identify_code(holder)
            reason = cls.available()
        except PluginError as error:
            return error
        except BaseException as error:
            if is_foreign(error):
                raise
            return PluginBroken(
                f"{kind} {quote(name)} of {holder.provenance} is broken: available() raised {error!r:.400}"
            )
        return (
            cls
            if reason is None
            else PluginUnavailable(f"{kind} {quote(name)} is not available on this machine: {reason}")
        )

    def _with_state(self, info: PluginInfo) -> PluginInfo:
        claimed_by = claims(self._infos, info.kind, info.name)
        if (conflict := find_conflict(claimed_by)) is not None:
            return evolve(info, state=State.BROKEN, problem=conflict)
        if (loss := find_loss(info, claimed_by)) is not None:
            return evolve(info, state=State.BROKEN, problem=loss)
        match self._loaded.get((info.kind, info.name)):
            case None:
                return info
            case PluginUnavailable() as error:
                return evolve(info, state=State.UNAVAILABLE, problem=str(error))
            case PluginError() as error:
                return evolve(info, state=State.BROKEN, problem=str(error))
            case _:
                return evolve(info, state=State.LOADED)


def _identify_code(info: PluginInfo) -> Mapping[Path, FileIdentity]:
    """Return the files of a loaded plugin's code as they are; none of the built-ins, which come with the program."""
    if info.is_built_in:
        return {}
    home = info.module.partition(":")[0].partition(".")[0]
    files = {
        Path(file)
        for name, module in list(sys.modules.items())
        if (name == home or name.startswith(f"{home}.")) and (file := getattr(module, "__file__", None))
    }
    return {path: identify_file(path) for path in ({info.path} if info.path is not None else files)}
