"""Inspects one plugin, from its entry point to an instance, as far as its mistakes allow."""

import ast
import inspect
import io
import time
from collections.abc import Iterable
from contextlib import redirect_stderr, redirect_stdout, suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
from attrs import field, frozen

from rae_auto import hookspecs
from rae_auto.api.plugin import Kind, Plugin
from rae_auto.entry_points import find_entry_point_place
from rae_auto.model.primitives.names import NAME, find_nearest_name
from rae_auto.registry.index import RESERVED_COMMANDS, PluginInfo
from rae_auto.registry.inspection.behaviour_rules import behaviour_findings
from rae_auto.registry.inspection.class_rules import (
    contract_findings,
    executor_findings,
    method_findings,
    place_of_code,
)
from rae_auto.registry.inspection.finding import Mistake, Severity, place_of_error
from rae_auto.registry.inspection.module_rules import imports_of_rae_auto, parse_source, source_findings
from rae_auto.registry.inspection.option_rules import option_findings
from rae_auto.toolkit.toml_values import format_toml

MAX_IMPORT_SECONDS = 0.05
"""Time that importing a plugin may take, beyond what it imports of rae-auto."""


@frozen
class Inspection:
    """Findings of a plugin, with the class if there is one, and what its import took."""

    info: PluginInfo
    findings: tuple[Mistake, ...]
    plugin_class: type[Plugin] | None = None
    instance: Plugin | None = None
    import_seconds: float | None = None
    unavailable: str | None = None
    options_problem: str | None = None
    """Problem of the options that were given, if they have one."""

    @property
    def errors(self) -> tuple[Mistake, ...]:
        """The findings that keep the plugin from working."""
        return tuple(one for one in self.findings if one.severity is Severity.ERROR)


class BadOptions(Exception):
    """Options that were given and make no plugin; the mistake isn't the plugin's."""


@frozen
class _Inspector:
    info: PluginInfo
    options: dict[str, Any] | None
    own_names: frozenset[str]
    found: list[Mistake] = field(factory=list)

    @property
    def home(self) -> str:
        return self.info.module.partition(":")[0]

    @property
    def entry(self) -> str:
        """The place of the entry point."""
        return find_entry_point_place(self.info.distribution, self.info.name)

    def add(self, rule: str, text: str, place: str = "", severity: Severity = Severity.ERROR) -> None:
        self.found.append(Mistake(rule, text, place, severity))

    def extend(self, findings: Iterable[Mistake]) -> None:
        self.found.extend(findings)

    def check_name(self) -> None:
        name, kind = self.info.name, self.info.kind
        if not NAME.fullmatch(name):
            self.add("name", f'invalid name "{name}"; use 1 to 64 letters, digits, "-" or "_"')
        if kind is Kind.COMMAND and name in RESERVED_COMMANDS:
            self.add("name", f'rae-auto has a command "{name}"; choose another name')
        if name in self.own_names and not self.info.is_built_in:
            self.add("name", f'{kind} "{name}" comes with rae-auto, which keeps the name; choose another', self.entry)

    def load_module(self) -> tuple[ModuleType | None, float]:
        home, seconds = self.home, 0.0
        if ":" in self.info.module:
            text = f'the entry point is "{self.info.module}", but names a module alone; write "{home}"'
            self.add("entry-point", text, self.entry)
        _import_public_rooms()
        printed = io.StringIO()
        try:
            if find_spec(home) is None:
                text = f'there is no module "{home}"; correct the entry point, or install the project again'
                self.add("module", text, self.entry)
                return None, seconds
            _import_own_rooms(home)
            began = time.process_time()
            with redirect_stdout(printed), redirect_stderr(printed):
                module = import_module(home)
            seconds = time.process_time() - began
        except ModuleNotFoundError as error:
            missing = "the module of the entry point" if error.name == home.partition(".")[0] else "what it imports"
            rule = "module" if error.name == home.partition(".")[0] else "import"
            text = f"there is no module {error.name!r} ({missing}); install it, or correct the name"
            self.add(rule, text, place_of_error(error, _folder_of(home)))
            return None, seconds
        except SystemExit as error:
            text = f"the module ends the program ({error!r}); let importing do nothing"
            self.add("import-exits", text, place_of_error(error, _folder_of(home)))
            return None, seconds
        except Exception as error:
            text = f"the module raises {error!r}; fix it there"
            self.add("import", text, place_of_error(error, _folder_of(home)))
            return None, seconds
        place = _line_of_print(Path(str(module.__file__)))
        if printed.getvalue().strip():
            line = printed.getvalue().strip().splitlines()[0][:60]
            self.add(
                "import-prints", f'the module prints "{line}" when it is imported; remove that', place, Severity.WARNING
            )
        return module, seconds

    def offered_classes(self, module: ModuleType) -> list[Any]:
        """Return what the hook returns."""
        hook = f"rae_{self.info.kind}s"
        function = getattr(module, hook, None)
        if function is None or not hasattr(function, f"{hookspecs.PROJECT}_impl"):
            self._explain_missing_hook(module, hook, function)
            return []
        place = place_of_code(function)
        if inspect.iscoroutinefunction(function):
            self.add("hook", f"{hook} is a coroutine; write 'def {hook}()'", place)
            return []
        if inspect.signature(function).parameters:
            self.add("hook", f"{hook} takes arguments; write 'def {hook}()'", place)
            return []
        try:
            offered = function()
        except (Exception, SystemExit) as error:
            text = f"{hook} raised {error!r}; fix it there"
            self.add("hook-result", text, place_of_error(error, _folder_of(self.home)))
            return []
        if not isinstance(offered, list | tuple):
            self.add("hook-result", f"{hook} returned {offered!r}; return a list of classes", place)
            return []
        return list(offered)

    def _explain_missing_hook(self, module: ModuleType, hook: str, function: Any) -> None:
        if function is not None:
            self.add("hook", f"{hook} isn't marked; decorate it with @hookimpl", place_of_code(function))
            return
        functions = {name: one for name, one in vars(module).items() if inspect.isfunction(one)}
        others = [f"rae_{kind}s" for kind in Kind if f"rae_{kind}s" in functions]
        near = others[0] if others else find_nearest_name(hook, functions)
        place = place_of_code(functions[near]) if near else str(module.__file__)
        hint = f"{near} is another name; call it {hook}" if near else f"add 'def {hook}()' with @hookimpl"
        self.add("hook", f"the module has no function {hook}; {hint}", place)

    def choose_class(self, module: ModuleType, offered: list[Any]) -> Any:
        """Return the class with the name of the entry point."""
        name = self.info.name
        named = [one for one in offered if getattr(one, "type", None) == name]
        if len(named) == 1:
            return named[0]
        hook = f"rae_{self.info.kind}s"
        place = place_of_code(offered[0]) or place_of_code(getattr(module, hook))
        texts = [one for one in offered if isinstance(one, str)]
        if texts:
            self.add("hook-result", f"{hook} returned the text {texts[0]!r}; return the class itself", place)
            return None
        if len(named) > 1:
            self.add("type", f'the hook returns {len(named)} classes with type = "{name}"; return one', place)
            return None
        types = ", ".join(f"{getattr(one, 'type', None)!r}" for one in offered)
        self.add("type", f'no class has type = "{name}", the name of the entry point, but {types}; write it so', place)
        return offered[0] if len(offered) == 1 else None

    def check_version(self, module: ModuleType) -> None:
        major = hookspecs.API_VERSION[0]
        made_for = getattr(module, "RAE_API", None)
        place = _line_of_version(Path(str(module.__file__)))
        if made_for is None and self.info.is_built_in:
            return  # it comes with the API
        if made_for is None:
            text = f"the module doesn't say which plugin API it was made for; write 'RAE_API = {major}'"
            self.add("api-version", text, place, Severity.WARNING)
        elif (problem := hookspecs.find_version_problem(made_for)) is not None:
            self.add("api-version", problem, place)

    def check_available(self, cls: Any) -> str | None:
        """Return why the plugin can't serve here."""
        if not inspect.ismethod(inspect.getattr_static(cls, "available").__get__(None, cls)):
            return None  # named with the methods
        place = place_of_code(cls.available)
        try:
            reason: Any = cls.available()
        except (Exception, SystemExit) as error:
            self.add("available", f"available() raised {error!r}; return a reason instead", place_of_error(error, None))
            return None
        if reason is not None and (not isinstance(reason, str) or not reason or "\n" in reason):
            self.add("available", f"available() returned {reason!r}; return None or one line", place)
            return None
        return reason if isinstance(reason, str) else None

    def make_instance(self, cls: Any, make: Any) -> Plugin | None:
        """Return a plugin with the options given, those of its example, or none."""
        place = place_of_code(cls)
        required = [f for f in attrs.fields(cls) if f.init and f.default is attrs.NOTHING]
        options = self.options if self.options is not None else dict(cls.example)
        if required and not options:
            names = ", ".join(f.name.rstrip("_") for f in required)
            text = f"there is no example although {names} is required; write 'example = {{…}}' in the class"
            self.add("example", text, place, Severity.WARNING)
            return None
        try:
            made: Plugin = make(cls, options)
            return made
        except (Exception, SystemExit) as error:
            problem = " ".join(str(error).split())
            if self.options is not None:
                raise BadOptions(problem) from error
            text = f"the options {format_toml(options)} don't make a plugin: {problem}; correct example"
            self.add("example", text, place)
            return None


def inspect_plugin(
    info: PluginInfo, *, make: Any, options: dict[str, Any] | None = None, own_names: frozenset[str] = frozenset()
) -> Inspection:
    """Return all findings of a plugin. Runs its module, its hook, and the quick methods of its class.

    `make` makes an instance of a class and options; `own_names` are those of rae-auto's plugins of the kind.
    """
    it = _Inspector(info, options, own_names)
    it.check_name()
    module, seconds = it.load_module()
    if module is None:
        return Inspection(info, tuple(it.found))
    if module.__file__:
        package = it.home.partition(".")[0]
        it.extend(finding for path in _sources_of(module) for finding in source_findings(path, package))
    if seconds > MAX_IMPORT_SECONDS:
        text = f"importing takes {seconds * 1000:.0f} ms; import heavy libraries inside functions"
        it.add("import-time", text, f"{module.__file__}:1", Severity.WARNING)
    it.check_version(module)
    offered = it.offered_classes(module)
    cls = it.choose_class(module, offered) if offered else None
    if not offered and not it.found:
        it.add("hook-result", "the hook returned no class; return a list with the class", str(module.__file__))
    if cls is None:
        return Inspection(info, tuple(it.found), import_seconds=seconds)
    return _inspect_class(it, cls, make, seconds)


def _inspect_class(it: _Inspector, offered: Any, make: Any, seconds: float) -> Inspection:
    place = place_of_code(offered)
    it.extend(contract_findings(it.info.kind, offered, place))
    is_usable = isinstance(offered, type) and issubclass(offered, Plugin) and attrs.has(offered)
    if not is_usable:
        return Inspection(it.info, tuple(it.found), import_seconds=seconds)
    cls: type[Plugin] = offered
    variants = cls.variants()
    classes = [cls] if variants is None else list(variants.classes.values())
    for one in classes:
        it.extend(option_findings(it.info.kind, one, place))
        it.extend(method_findings(it.info.kind, one))
    if it.info.kind is Kind.EXECUTOR:
        it.extend(executor_findings(cls, place))
    unavailable = it.check_available(cls)
    instance, problem = None, None
    if unavailable is None and not [one for one in it.found if one.severity is Severity.ERROR]:
        try:
            instance = it.make_instance(cls, make)
        except BadOptions as error:
            problem = str(error)
        if instance is not None:
            known = {(one.rule, one.place) for one in it.found}
            found = behaviour_findings(instance, _folder_of(it.home))
            it.extend(one for one in found if (one.rule, one.place) not in known)
    return Inspection(it.info, tuple(it.found), cls, instance, seconds, unavailable, problem)


def _line_of_version(path: Path) -> str:
    """Return FILE:LINE of the version that a module was made for, or of its first line."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return str(path)
    return f"{path}:{next((number for number, line in enumerate(lines, 1) if line.startswith('RAE_API')), 1)}"


def _line_of_print(path: Path) -> str:
    """Return FILE:LINE of the first print outside of functions, or of the first line."""
    body = (node for node in parse_source(path).module.body if not isinstance(node, ast.FunctionDef | ast.ClassDef))
    calls = (node for one in body for node in ast.walk(one) if isinstance(node, ast.Call))
    return f"{path}:{next((call.lineno for call in calls if ast.unparse(call.func) == 'print'), 1)}"


def _import_public_rooms() -> None:
    """Import what every plugin imports, so that the plugin's own import can be timed."""
    for name in ("rae_auto.api", "rae_auto.hookspecs", "rae_auto.errors", "asyncio", "json"):
        import_module(name)


def _import_own_rooms(home: str) -> None:
    """Import what a plugin imports of rae-auto, so that the plugin's own import can be timed."""
    spec = find_spec(home)
    path = Path(str(spec.origin if spec is not None else ""))
    for source in sorted(path.parent.rglob("*.py")) if path.name == "__init__.py" else [path]:
        for name in imports_of_rae_auto(source):
            with suppress(ImportError):
                import_module(name)


def _folder_of(home: str) -> Path | None:
    """Return the folder of a module's package, or the module's file itself."""
    try:
        spec = find_spec(home)
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin)
    return path.parent if path.name == "__init__.py" else path


def _sources_of(module: ModuleType) -> list[Path]:
    path = Path(str(module.__file__))
    return sorted(path.parent.rglob("*.py")) if path.name == "__init__.py" else [path]
