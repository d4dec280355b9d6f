"""Rules over the source of a module: what it imports, and what its methods must not do."""

import ast
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from attrs import frozen

from rae_auto.registry.inspection.emission_rules import emission_findings
from rae_auto.registry.inspection.finding import Mistake, Severity

PUBLIC_ROOMS = ("api", "model", "toolkit", "errors", "hookspecs", "testing", "screens", "charts")

PURE_METHODS = frozenset({"next_after", "event_at", "evaluate", "changes_after", "step", "begin"})

_CLOCKS = frozenset(
    {"now", "utcnow", "today", "time", "time_ns", "monotonic", "random", "randint", "choice", "uniform"}
)
_CLOCK_OWNERS = frozenset({"datetime", "date", "time", "random"})
_DISK = frozenset({"open", "read_text", "read_bytes", "exists", "stat", "iterdir"})

BLOCKING = {
    "time.sleep": "await asyncio.sleep(…), or context.timer.sleep(…) in a source",
    "requests.get": "await asyncio.to_thread(requests.get, …)",
    "requests.post": "await asyncio.to_thread(requests.post, …)",
    "urllib.request.urlopen": "await asyncio.to_thread(urllib.request.urlopen, …)",
    "urlopen": "await asyncio.to_thread(urlopen, …)",
    "subprocess.run": "await asyncio.create_subprocess_exec(…)",
    "subprocess.check_output": "await asyncio.create_subprocess_exec(…)",
    "subprocess.check_call": "await asyncio.create_subprocess_exec(…)",
    "socket.create_connection": "await asyncio.open_connection(…)",
    "threading.Event().wait": "await asyncio.Event().wait()",
    "os.system": "await asyncio.create_subprocess_shell(…)",
}
"""Calls that block, each with what to write in a coroutine."""

COROUTINES = frozenset({"emit", "withdraw", "sleep", "sleep_until", "save", "load", "record"})
"""Methods of what plugins get that must be awaited."""


@frozen
class SourceTree:
    """A parsed source file, and all its nodes: several rules look through them, for several plugins of a package."""

    module: ast.Module
    nodes: Sequence[ast.AST]


def parse_source(path: Path) -> SourceTree:
    """Return a source file as a tree, an empty one for a file that can't be parsed."""
    try:
        found = path.stat()
    except OSError:
        return SourceTree(ast.Module(body=[], type_ignores=[]), ())
    return _parse_version(path, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=2048)
def _parse_version(path: Path, _modified: int, _size: int) -> SourceTree:
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return SourceTree(ast.Module(body=[], type_ignores=[]), ())
    return SourceTree(tree, tuple(ast.walk(tree)))


def source_findings(path: Path, own_package: str = "") -> list[Mistake]:
    """Return what is wrong in a source file of a package; nothing for one that can't be parsed."""
    nodes = parse_source(path).nodes
    found = [*_private_imports(nodes, own_package), *_methods(nodes), *emission_findings(nodes)]
    return [Mistake(rule, text, f"{path}:{line}", Severity.WARNING) for rule, text, line in found]


def imports_of_rae_auto(path: Path) -> list[str]:
    """Return the modules of rae-auto that a source file imports when it is imported itself."""
    body = parse_source(path).module.body
    names = [node.module for node in body if isinstance(node, ast.ImportFrom) and node.module and not node.level]
    return [name for name in names if name.partition(".")[0] == "rae_auto"]


def _private_imports(nodes: Sequence[ast.AST], own_package: str) -> Iterator[tuple[str, str, int]]:
    for node in nodes:
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif node.level == 0:
            # 'from rae_auto import engine' names a module, 'from rae_auto import Job' what is public.
            names = [node.module or ""]
            if node.module == "rae_auto":
                names = [f"rae_auto.{name}" for name in (alias.name for alias in node.names) if _is_module(name)]
        for name in names:
            first, _, rest = name.partition(".")
            is_private = first == "rae_auto" and rest and rest.partition(".")[0] not in PUBLIC_ROOMS
            if first != own_package and (is_private or first == "rae_plugins"):
                rooms = ", ".join(PUBLIC_ROOMS)
                yield "private-import", f"{name} may change at any time; import from rae_auto.{{{rooms}}}", node.lineno


def _is_module(name: str) -> bool:
    """Return whether a name in the package is that of a module: classes have capitals, `__version__` is public."""
    return name.islower() and not name.startswith("__")


def _methods(nodes: Sequence[ast.AST]) -> Iterator[tuple[str, str, int]]:
    for node in nodes:
        if isinstance(node, ast.AsyncFunctionDef):
            yield from _coroutine(node)
        elif isinstance(node, ast.FunctionDef) and node.name in PURE_METHODS:
            yield from _pure(node)


def _own_nodes(function: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a function but not those of functions within it, which may run in a thread."""
    pending = list(ast.iter_child_nodes(function))
    while pending:
        node = pending.pop(0)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        yield node
        pending[:0] = list(ast.iter_child_nodes(node))


def _coroutine(function: ast.AsyncFunctionDef) -> Iterator[tuple[str, str, int]]:
    for node in _own_nodes(function):
        if isinstance(node, ast.Call) and (advice := BLOCKING.get(ast.unparse(node.func))):
            name = ast.unparse(node.func)
            yield "blocking", f"{name} in {function.name} holds up the whole daemon; write {advice}", node.lineno
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            called = node.value.func
            if isinstance(called, ast.Attribute) and called.attr in COROUTINES and _is_given(called.value):
                text = f"{ast.unparse(called)}(…) does nothing without await; write 'await {ast.unparse(called)}(…)'"
                yield "forgotten-await", text, node.lineno
        if isinstance(node, ast.ExceptHandler) and _swallows(node):
            what = ast.unparse(node.type) if node.type else "everything"
            text = f"{function.name} catches {what} and so ignores its cancellation; catch Exception, or raise it again"
            yield "cancellation", text, node.lineno
        if isinstance(node, ast.With) and _suppresses(node):
            text = f"{function.name} suppresses its cancellation; let CancelledError through"
            yield "cancellation", text, node.lineno


def _is_given(owner: ast.expr) -> bool:
    """Return True for what a source gets: `context`, `context.timer`; and for asyncio."""
    return ast.unparse(owner).split(".")[0] in ("context", "asyncio")


def _swallows(handler: ast.ExceptHandler) -> bool:
    names = "" if handler.type is None else ast.unparse(handler.type)
    catches = handler.type is None or "BaseException" in names or "CancelledError" in names
    leaves = any(isinstance(node, ast.Raise | ast.Return | ast.Break) for node in ast.walk(handler))
    return catches and not leaves


def _suppresses(node: ast.With) -> bool:
    words = [ast.unparse(item.context_expr) for item in node.items]
    return any(word.startswith(("suppress", "contextlib.suppress")) and "Cancelled" in word for word in words)


def _pure(function: ast.FunctionDef) -> Iterator[tuple[str, str, int]]:
    for node in ast.walk(function):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        owner, _, method = name.rpartition(".")
        reads_clock = method in _CLOCKS and owner.rpartition(".")[2] in _CLOCK_OWNERS
        if name == "print":
            text = f"{function.name} prints, also into the output of commands; remove that, or log it"
            yield "prints", text, node.lineno
        if reads_clock or name == "open" or (method in _DISK and owner.startswith("self.")):
            text = f"{name} in {function.name}, which must depend on its arguments alone; use the instant that it gets"
            yield "impure", text, node.lineno
