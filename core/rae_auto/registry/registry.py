"""The plugins of this machine: indexed without importing, loaded by name, each failure kept to itself."""

from collections.abc import Collection

from attrs import evolve

from rae_auto.api.plugin import Kind, Plugin
from rae_auto.errors import PluginBroken, PluginError, PluginNotFound, PluginUnavailable
from rae_auto.model.primitives.formatting import quote
from rae_auto.model.primitives.names import did_you_mean
from rae_auto.registry.index import PluginInfo, State, claims, installed
from rae_auto.registry.loading import load


class Registry:
    """Finds plugins by kind and name. Nothing is imported until its class is asked for."""

    def __init__(self, infos: Collection[PluginInfo] | None = None) -> None:
        """`infos` are the plugins there are; by default those installed."""
        self._infos = tuple(installed() if infos is None else infos)
        self._loaded: dict[tuple[Kind, str], type[Plugin] | PluginError] = {}

    def names(self, kind: Kind) -> Collection[str]:
        """Return the names of the installed plugins of a kind, working or not."""
        return {info.name for info in self._infos if info.kind is kind}

    def get(self, kind: Kind, name: str) -> type[Plugin]:
        """Return the class of a plugin. Raises PluginNotFound, PluginBroken, PluginUnavailable."""
        if (kind, name) not in self._loaded:
            self._loaded[kind, name] = self._load(kind, name)
        found = self._loaded[kind, name]
        if isinstance(found, PluginError):
            raise found
        return found

    def infos(self) -> list[PluginInfo]:
        """All plugins with what is known of their states; asking loads none."""
        return [self._with_state(info) for info in self._infos]

    def info(self, kind: Kind, name: str) -> PluginInfo:
        """Load a plugin and return its information. Raises PluginNotFound."""
        try:
            self.get(kind, name)
        except PluginNotFound:
            raise
        except PluginError:
            pass
        return self._with_state(claims(self._infos, kind, name)[0])

    def provenance(self, kind: Kind, name: str) -> str:
        """Which distribution offers a plugin, and in which version."""
        return " and ".join(info.provenance for info in claims(self._infos, kind, name)) or "unknown"

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
            near = did_you_mean(name, known) or f"; installed: {', '.join(known) or 'none'}"
            return PluginNotFound(f"unknown {kind} {quote(name)}{near}")
        if len(claimed_by) > 1:
            return PluginBroken(_clash(claimed_by))
        try:
            cls = load(claimed_by[0])
            reason = cls.available()
        except PluginError as error:
            return error
        except (Exception, SystemExit) as error:
            return PluginBroken(
                f"{kind} {quote(name)} of {claimed_by[0].provenance} is broken: available() raised {error!r:.400}"
            )
        return (
            cls
            if reason is None
            else PluginUnavailable(f"{kind} {quote(name)} is not available on this machine: {reason}")
        )

    def _with_state(self, info: PluginInfo) -> PluginInfo:
        claimed_by = claims(self._infos, info.kind, info.name)
        if len(claimed_by) > 1:
            return evolve(info, state=State.BROKEN, problem=_clash(claimed_by))
        match self._loaded.get((info.kind, info.name)):
            case None:
                return info
            case PluginUnavailable() as error:
                return evolve(info, state=State.UNAVAILABLE, problem=str(error))
            case PluginError() as error:
                return evolve(info, state=State.BROKEN, problem=str(error))
            case _:
                return evolve(info, state=State.LOADED)


def _clash(infos: list[PluginInfo]) -> str:
    owners = " and ".join(info.provenance for info in infos)
    return f"{infos[0].kind} {quote(infos[0].name)} is provided by {owners}; uninstall one of them"
