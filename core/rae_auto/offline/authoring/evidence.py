"""Evidence for the grade of a plugin, from its sources, its tests and its page."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import attrs
from attrs import frozen

from rae_auto.api.plugin import Plugin
from rae_auto.offline.authoring.examples import try_examples
from rae_auto.offline.authoring.suite_runs import TestRun
from rae_auto.registry.describe import describe
from rae_auto.registry.inspection import Inspection
from rae_auto.registry.inspection.grades import SUITES, Evidence
from rae_auto.registry.inspection.module_rules import parse_source
from rae_auto.registry.inspection.option_rules import names_secret

SYSTEMS: Mapping[str, str] = {"Linux": "linux", "macOS": "darwin", "Windows": "win32"}

_READS = frozenset({"open", "read_text", "read_bytes", "urlopen", "create_connection", "connect", "check_output"})
_WRITING_MODE = re.compile(r"[rwaxbt+]*[wax+][rwaxbt+]*")
_WRITES = frozenset({"write_text", "write_bytes", "mkdir", "touch"})


@frozen
class _TestFile:
    """A file of tests: the names of its tests, and its classes with their bases and, for heirs, their text."""

    path: Path
    names: tuple[str, ...]
    classes: tuple[tuple[str, tuple[str, ...], str], ...]


def gather_evidence(inspection: Inspection, tested: TestRun | None = None) -> Evidence:
    """Return the evidence for an inspected plugin; without its project's folder it is incomplete."""
    home = inspection.info.module.partition(":")[0]
    sources, cls = sources_of(home), inspection.plugin_class
    project = find_project(home)
    contract = next((base for base in SUITES if cls is not None and issubclass(cls, base)), None)
    tests = {} if project is None else _texts_of_tests(project / "tests")
    own = [_read_test(path) for path, text in tests.items() if _is_about(text, home, cls)]
    page = None if project is None else _find_page(project, inspection)
    evidence = Evidence(
        inspection,
        contract,
        import_calls=[call for path in sources for call in _calls(path, _READS | _WRITES, at_import=True)],
        written_files=[call for path in sources for call in (*_calls(path, _WRITES), *_openings_to_write(path))],
        untyped=[place for path in sources for place in _untyped(path)],
        has_type_marker=_has_type_marker(sources),
        has_tests=bool(tests),
        suites=[] if contract is None else list(_find_suites(own, SUITES[contract], cls)),
        test_names=[name for one in own for name in one.names],
        are_tests_green=None if tested is None else tested.is_green,
        branches=None if tested is None else tested.count_branches(sources),
        traces=[call for path in sources for call in _calls(path, frozenset({"trace"}))],
        are_branches_required=project is not None and _demands_branches(project),
        page=None if page is None or project is None else page.relative_to(project).as_posix(),
    )
    if cls is None:
        return evidence
    shown, problems = try_examples(inspection, page, project)
    return attrs.evolve(
        evidence,
        unavailable=_ask_on_systems(cls),
        options=[option.name for option in describe(cls).options],
        bare_secrets=list(_bare_secrets(cls)),
        shown_options=shown,
        example_problems=problems,
    )


def find_tests(project: Path, home: str, cls: type[Plugin]) -> list[Path]:
    """Return the files of tests that are about a plugin."""
    return [path for path, text in _texts_of_tests(project / "tests").items() if _is_about(text, home, cls)]


def find_project(home: str) -> Path | None:
    """Return the folder with the pyproject.toml of a module, or None if it was installed without its project."""
    file = _origin(home)
    if file is None or "site-packages" in file.parts:
        return None
    return next((folder for folder in file.parents if (folder / "pyproject.toml").is_file()), None)


def _origin(home: str) -> Path | None:
    try:
        spec = find_spec(home)
    except (ImportError, ValueError):
        return None
    return None if spec is None or spec.origin is None else Path(spec.origin).resolve()


def sources_of(home: str) -> list[Path]:
    """Return the files of a module's package, or the module's own."""
    file = _origin(home)
    if file is None:
        return []
    return sorted(file.parent.rglob("*.py")) if file.name == "__init__.py" else [file]


def _calls(path: Path, names: frozenset[str], *, at_import: bool = False) -> Iterator[str]:
    tree = parse_source(path)
    for node in _run_at_import(tree.module) if at_import else tree.nodes:
        if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in names:
            yield f"{path}:{node.lineno}: {ast.unparse(node.func)}"


def _openings_to_write(path: Path) -> Iterator[str]:
    """Yield calls of `open` with a mode that writes, each as FILE:LINE: NAME."""
    for node in parse_source(path).nodes:
        if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) == "open":
            values = [*node.args, *(keyword.value for keyword in node.keywords if keyword.arg == "mode")]
            modes = [one.value for one in values if isinstance(one, ast.Constant) and isinstance(one.value, str)]
            if any(_WRITING_MODE.fullmatch(mode) for mode in modes):
                yield f"{path}:{node.lineno}: {ast.unparse(node.func)}"


def _run_at_import(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield node
            yield from _run_at_import(node)


def _untyped(path: Path) -> Iterator[str]:
    for node in parse_source(path).nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            a = node.args
            given = [*a.posonlyargs, *a.args, *a.kwonlyargs, *(one for one in (a.vararg, a.kwarg) if one)]
            bare = [one.arg for one in given if one.annotation is None and one.arg not in ("self", "cls")]
            if bare or node.returns is None:
                yield f"{path}:{node.lineno}: {node.name}"


def _has_type_marker(sources: Sequence[Path]) -> bool:
    folders = {folder for path in sources for folder in path.parents[:4] if (folder / "__init__.py").exists()}
    return any((folder / "py.typed").exists() for folder in folders | {path.parent for path in sources})


@lru_cache(maxsize=8)
def _texts_of_tests(folder: Path) -> Mapping[Path, str]:
    paths = sorted(folder.rglob("test_*.py")) if folder.is_dir() else []
    return {path: path.read_text(encoding="utf-8", errors="replace") for path in paths}


@lru_cache(maxsize=512)
def _read_test(path: Path) -> _TestFile:
    nodes = parse_source(path).nodes
    names = tuple(n.name for n in nodes if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))
    classes = tuple(
        (n.name, tuple(ast.unparse(base).rpartition(".")[2] for base in n.bases), ast.unparse(n) if n.bases else "")
        for n in nodes
        if isinstance(n, ast.ClassDef)
    )
    return _TestFile(path, tuple(n for n in names if n.startswith("test_")), classes)


def _is_about(text: str, home: str, cls: type[Plugin] | None) -> bool:
    """Return whether a test imports the plugin's module, or names its class."""
    words = [home] if cls is None else [home, cls.__name__]
    return any(word in text and re.search(rf"\b{re.escape(word)}\b", text) is not None for word in words)


def _find_suites(tests: Sequence[_TestFile], suite: str, cls: type[Plugin] | None) -> Iterator[str]:
    """Yield test classes that inherit a suite; first those that name the plugin's class themselves."""
    found: list[tuple[bool, str]] = []
    for one in tests:
        heirs = {suite}
        for name, bases, text in one.classes:
            if heirs & set(bases):
                heirs.add(name)
                names_it = cls is not None and re.search(rf"\b{cls.__name__}\b", text) is not None
                found.append((not names_it, f"{one.path.name}: {name}"))
    yield from (text for _, text in sorted(found))


def _demands_branches(project: Path) -> bool:
    try:
        tool = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8")).get("tool", {})
    except (OSError, ValueError):
        return False
    coverage = tool.get("coverage", {})
    return bool(coverage.get("run", {}).get("branch")) and coverage.get("report", {}).get("fail_under") == 100


def _ask_on_systems(cls: type[Plugin]) -> dict[str, str]:
    wrong = {}
    for system, platform in SYSTEMS.items():
        try:
            with _named_platform(platform):
                answer: Any = cls.available()
        except (Exception, SystemExit) as error:
            wrong[system] = f"raised {error!r}"
            continue
        if answer is not None and (not isinstance(answer, str) or not answer or "\n" in answer):
            wrong[system] = f"returned {answer!r}"
    return wrong


@contextmanager
def _named_platform(platform: str) -> Iterator[None]:
    """Tell plugins another platform, but not the standard library: its functions would miss parts of that system."""
    real = SimpleNamespace(**vars(sys))
    own = [module for name, module in list(sys.modules.items()) if name.partition(".")[0] in sys.stdlib_module_names]
    with ExitStack() as patches:
        for module in own:
            # A program may have set a name to None, so that its import fails, or to any other object.
            if getattr(module, "__dict__", {}).get("sys") is sys:
                patches.enter_context(patch.object(module, "sys", real))
        patches.enter_context(patch.object(sys, "platform", platform))
        yield


def _bare_secrets(cls: type[Plugin]) -> Iterator[str]:
    variants = cls.variants()
    for one in [cls] if variants is None else variants.classes.values():
        for field in attrs.fields(one):  # type: ignore[arg-type]
            text = str(field.metadata.get("help", ""))
            if field.init and names_secret(field.name) and field.repr and "${" not in text:
                yield field.name.rstrip("_")


def _find_page(project: Path, inspection: Inspection) -> Path | None:
    """Return a page of its own in the project's reference, or the README of a project that names it."""
    info = inspection.info
    own = project / "docs" / "reference" / "plugins" / f"{info.kind}s" / f"{info.name}.md"
    if own.is_file():
        return own
    readme = project / "README.md"
    return readme if readme.is_file() and info.name in readme.read_text(encoding="utf-8") else None
