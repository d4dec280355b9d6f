"""Rules over the source of triggers and executors: keys that identify nothing, and what outlives its end."""

import ast
from collections.abc import Iterable, Iterator

Found = tuple[str, str, int]
"""A rule, a text with the remedy, and a line."""

_CLOCKS = ("datetime.now", "datetime.utcnow", "time.time", "time.time_ns", "time.monotonic", "date.today")
_CHANCE = ("uuid4", "uuid1", "random", "token_hex", "randint")


def emission_findings(nodes: Iterable[ast.AST]) -> Iterator[Found]:
    """Yield what is wrong with the occurrences of sources and with the ends of attempts, in the nodes of a module."""
    for node in nodes:
        if isinstance(node, ast.AsyncFunctionDef):
            yield from _keys(node)
            yield from _late(node)
            if node.name == "watch" and not all(_is_text(one) for one in node.body):
                yield from _threads(node)
                yield from _end(node)
            if node.name == "cancel" and _is_empty(node.body):
                yield "cancel", "cancel does nothing; end the attempt, and let wait return its result", node.lineno


def _emissions(node: ast.AST) -> Iterator[ast.Call]:
    for one in ast.walk(node):
        if isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute) and one.func.attr == "emit" and one.args:
            yield one


def _keys(function: ast.AsyncFunctionDef) -> Iterator[Found]:
    loops = [node for node in ast.walk(function) if isinstance(node, ast.While | ast.For | ast.AsyncFor)]
    repeated = {call for loop in loops for call in _emissions(loop)}
    for call in _emissions(function):
        key = call.args[0]
        if isinstance(key, ast.Constant) and isinstance(key.value, str) and call in repeated:
            text = f"each occurrence has the key {key.value!r}, so only the first starts a run; name what has happened"
            yield "key", text, call.lineno
        called = [ast.unparse(node.func) for node in ast.walk(key) if isinstance(node, ast.Call)]
        if clock := next((name for name in called if name.endswith(_CLOCKS)), None):
            text = f"the key is what {clock} reads, so that a restart repeats what happened; name what has happened"
            yield "key", text, call.lineno
        if chance := next((name for name in called if name.rpartition(".")[2] in _CHANCE), None):
            text = f"the key is a matter of {chance}, so that a restart repeats what happened; name what has happened"
            yield "key", text, call.lineno


def _late(function: ast.AsyncFunctionDef) -> Iterator[Found]:
    for node in ast.walk(function):
        after: list[ast.stmt] = node.finalbody if isinstance(node, ast.Try) else []
        if isinstance(node, ast.ExceptHandler) and node.type is not None and "Cancelled" in ast.unparse(node.type):
            after = node.body
        for call in (call for statement in after for call in _emissions(statement)):
            text = f"{function.name} emits after its cancellation, when nothing is taken any more; emit before it"
            yield "late-emission", text, call.lineno


def _threads(function: ast.AsyncFunctionDef) -> Iterator[Found]:
    for node in ast.walk(function):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        if name.endswith("to_thread") and len(node.args) == 1 and ast.unparse(node.args[0]).endswith((".wait", ".get")):
            text = (
                f"{ast.unparse(node.args[0])} has no time limit, so its thread never ends; pass a timeout, and repeat"
            )
            yield "thread", text, node.lineno
        if name.endswith(".start") and "Thread(" in name:
            text = f"the thread outlives {function.name}, because nothing can join it; keep it, and join it in finally"
            yield "thread", text, node.lineno


def _end(function: ast.AsyncFunctionDef) -> Iterator[Found]:
    waits = (ast.Await, ast.AsyncFor, ast.AsyncWith, ast.Raise, ast.While)
    if not any(isinstance(node, waits) for node in ast.walk(function)):
        text = "watch returns at once; let it go on until it is cancelled, as 'await asyncio.Event().wait()' does"
        yield "watch-ends", text, function.lineno


def _is_empty(body: list[ast.stmt]) -> bool:
    return all(map(_does_nothing, body)) and not all(map(_is_text, body))


def _does_nothing(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Pass) or _is_text(statement)


def _is_text(statement: ast.stmt) -> bool:
    """Return whether a statement is a docstring or an ellipsis, as in a protocol."""
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
