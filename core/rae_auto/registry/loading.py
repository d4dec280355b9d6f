"""Loads one plugin, from its entry point to its class, and contains every failure."""

import os
import sys
import time
from importlib import import_module
from types import ModuleType
from typing import Any, cast

import attrs
import pluggy

from rae_auto import hookspecs
from rae_auto.api.command import Command
from rae_auto.api.executor import Executor
from rae_auto.api.guard import ComputedGuard, ReadGuard
from rae_auto.api.logger import Logger
from rae_auto.api.notifier import Notifier
from rae_auto.api.plugin import Kind, Plugin, Variants
from rae_auto.api.store import Store
from rae_auto.api.trigger import ScheduleTrigger, SourceTrigger
from rae_auto.errors import PluginBroken
from rae_auto.model.primitives.formatting import format_elapsed, join_words, place_of_raise, quote
from rae_auto.registry.choice import TRACE_VARIABLE, is_switched_on
from rae_auto.registry.index import PluginInfo
from rae_auto.registry.plugin_files import import_file

CONTRACTS: dict[Kind, tuple[type[Plugin], ...]] = {
    Kind.TRIGGER: (ScheduleTrigger, SourceTrigger),
    Kind.EXECUTOR: (Executor,),
    Kind.STORE: (Store,),
    Kind.LOGGER: (Logger,),
    Kind.NOTIFIER: (Notifier,),
    Kind.GUARD: (ComputedGuard, ReadGuard),
    Kind.COMMAND: (Command,),
}


def load(info: PluginInfo) -> type[Plugin]:
    """Return the class of a plugin. Raises PluginBroken with its distribution and the problem."""
    started_at = time.perf_counter()
    try:
        loaded = _class_of(info, _offered(info, _import(info)))
        if is_switched_on(os.environ, TRACE_VARIABLE):
            _trace(info, time.perf_counter() - started_at)
        return loaded
    except PluginBroken:
        raise
    except BaseException as error:  # sys.exit() at import must not end the daemon
        if isinstance(error, KeyboardInterrupt):
            raise
        raise _broken(info, f"{type(error).__name__}: {error}{_at(error)}") from error


def _at(error: BaseException) -> str:
    place = place_of_raise(error)
    return f" at {place}" if place else ""


def _trace(info: PluginInfo, seconds: float) -> None:
    """Report a loaded plugin on standard error, where the author of a plugin looks."""
    path = getattr(sys.modules.get(info.module), "__file__", None) or info.module
    called = f"{info.kind} {quote(info.name)} of {info.provenance}"
    sys.stderr.write(f"rae-auto: {called} loaded in {format_elapsed(seconds)} from {path}\n")


def _import(info: PluginInfo) -> ModuleType:
    try:
        if info.path is not None:
            return import_file(info.path, info.module)
        return import_module(info.module)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        raise _broken(info, f"it can't be imported ({type(error).__name__}: {error}){_at(error)}") from error


def _offered(info: PluginInfo, module: ModuleType) -> list[Any]:
    """Return the classes of the module's hook, which pluggy checks against the specification."""
    problem = hookspecs.find_version_problem(getattr(module, "RAE_API", hookspecs.API_VERSION))
    if problem is not None:
        raise _broken(info, problem)
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    hook = f"rae_{info.kind}s"
    try:
        manager.register(module)
    except pluggy.PluginValidationError as error:
        raise _broken(info, f"its hook has the wrong signature ({error})") from error
    caller = getattr(manager.hook, hook)
    if not caller.get_hookimpls():
        raise _broken(info, f"{info.module} has no function {hook} with @hookimpl; add one")
    # pluggy leaves out an answer that is None.
    match caller():
        case [list() | tuple() as offered]:
            return list(offered)
        case _:
            raise _broken(info, f"{hook} did not return a list of classes")


def _class_of(info: PluginInfo, offered: list[Any]) -> type[Plugin]:
    named = [cls for cls in offered if getattr(cls, "type", None) == info.name]
    if len(named) != 1:
        raise _broken(info, f"rae_{info.kind}s returned {len(named)} classes with type = {quote(info.name)}, not one")
    cls = named[0]
    _check_contract(info, cls)
    for instantiated in _instantiated_classes(info, cls):
        _check_contract(info, instantiated)
        _check_instantiable(info, instantiated)
    return cast("type[Plugin]", cls)


def _instantiated_classes(info: PluginInfo, cls: type[Plugin]) -> list[Any]:
    """Return the variants of a plugin, or the plugin itself."""
    try:
        variants = cls.variants()
    except (Exception, SystemExit) as error:
        raise _broken(info, f"variants() raised {error!r}") from error
    if variants is None:
        return [cls]
    if not isinstance(variants, Variants) or not variants.classes:
        raise _broken(info, "variants() returned neither Variants with a class nor None")
    return list(variants.classes.values())


def _check_contract(info: PluginInfo, cls: Any) -> None:
    contract = CONTRACTS[info.kind]
    if not (isinstance(cls, type) and issubclass(cls, contract)):
        raise _broken(info, f"{cls!r} is not a subclass of {join_words((base.__name__ for base in contract), 'or')}")
    if not attrs.has(cls):
        raise _broken(info, f"{cls.__name__} is not an attrs class; decorate it with @attrs.frozen")


def _check_instantiable(info: PluginInfo, cls: type[Plugin]) -> None:
    if missing := sorted(getattr(cls, "__abstractmethods__", ())):
        raise _broken(info, f"{cls.__name__} does not define {', '.join(missing)}")
    try:
        attrs.resolve_types(cast("Any", cls))
    except Exception as error:
        what = f"the types of its options can't be found ({error}); import them outside 'if TYPE_CHECKING'"
        raise _broken(info, what) from error


def _broken(info: PluginInfo, what: str) -> PluginBroken:
    line = " ".join(what.split())
    return PluginBroken(f"{info.kind} {quote(info.name)} of {info.provenance} is broken: {line[:400]}")
