"""No task ends in silence: what it raises reaches what waits for it, a handler, or a duty that starts again.

A task that a function makes and waits for isn't checked here. One that outlives its function, kept in an attribute or
not kept at all, is: an exception would stop its work, and only the garbage collector would report it.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(
    path
    for place in ("core/rae_auto", "plugins/rae_plugins", "contrib")
    for path in (ROOT / place).rglob("*.py")
    if not {"tests", "testing"} & {*path.relative_to(ROOT).parts}
)

MAKERS = {"create_task", "ensure_future"}
HANDLING = ("except Exception", "except BaseException", "suppress(Exception)", "suppress(BaseException)")

JUDGED = {
    "BackgroundTasks.start": "what it starts is judged where that is done",
    "Daemon._handle_signal": "a stop, which the next signal asks for again",
    "Daemon._look_around": "repairs, which the next look around tries again",
    "Daemon._open": "pings systemd, which ends a daemon that is silent, and answers clients",
    "Elsewhere.cancel": "a request, which a person sees to have no effect",
    "Executions._find": "ends with the report of the end, whatever an executor does",
    "Executions.cancel": "a request; the timeout of a cancel stands behind it",
    "GuardReader.read": "answers with the failure of each guard",
    "Helper._start": "its callback ends the helper with the error",
    "Helper.run": "raises what the first part that ends has raised",
    "Notifications.deliver": "reports what kept a notice from being delivered",
    "Preparations.start": "the run that waits for it has the error",
    "Reloader._reload": "warnings, which the next reload computes again",
    "Reloader._set_watch": "a reload, whose errors are logged",
    "Reloader.reload_soon": "a reload, whose errors are logged",
    "Reloader.warn_soon": "warnings, which the next reload computes again",
    "SourceSupervisor.rename": "what is watched next waits for it",
    "SourceSupervisor.set": "the supervision, which starts a source again",
    "Relay._spawn": "each round of the lease handles its errors",
    "WebhookServer._accept": "serves one client, whose connection is closed with it",
    "PluginTrial.in_background": "its callback takes the error, and the work shows how it ended",
    "TrialSession._in_background": "what a person has asked for, and sees",
    "_run": "the loop runs until it is over, and raises what it raises",
    "OpenExecutors._open": "reports on an executor until that is open",
    "Runtime.close": "asks for a stop, whose end is waited for by itself",
    "WhatIfProcess.ask": "settles the answer in any case",
}
"""Functions whose tasks a person has judged, with the reason; everything else is judged by this test."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def find_tasks(tree: ast.Module) -> Iterator[tuple[str, Function, ast.Call]]:
    """Yield each call that makes a task, with its function."""
    for outer in ast.walk(tree):
        if isinstance(outer, ast.ClassDef | ast.Module):
            for function in outer.body:
                if isinstance(function, Function):
                    name = f"{outer.name}.{function.name}" if isinstance(outer, ast.ClassDef) else function.name
                    for node in ast.walk(function):
                        # A maker may be handed on, as to map.
                        if isinstance(node, ast.Call) and any(map(is_maker, (node.func, *node.args))):
                            yield name, function, node


def is_maker(function: ast.expr) -> bool:
    """Return whether a function makes a task, by itself or among others."""
    if not isinstance(function, ast.Attribute):
        return False
    return function.attr in MAKERS or (function.attr == "start" and ast.unparse(function.value).endswith("tasks"))


def names_of(function: Function, call: ast.Call) -> list[str]:
    """Return the names by which a function keeps a task, without subscripts."""
    names: list[ast.expr] = []
    for node in ast.walk(function):
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr) and call in ast.walk(node):
            names += node.targets if isinstance(node, ast.Assign) else [node.target]
        elif isinstance(node, ast.Call) and call in node.args and isinstance(node.func, ast.Attribute):
            # Of a list to which it is added.
            names.append(node.func.value)
    names = [part for name in names for part in (name.elts if isinstance(name, ast.Tuple) else [name])]
    return [ast.unparse(name.value if isinstance(name, ast.Subscript) else name) for name in names]


def is_handled(tree: ast.Module, function: Function, call: ast.Call) -> bool:
    """Return whether what a task raises is waited for, or handled in what it does."""
    work = ast.unparse(call.args[0]) if call.args else ""
    if work.startswith("keep_going(") or "TaskGroup()" in ast.unparse(function):
        return True
    for name in names_of(function, call):
        scope = ast.unparse(tree if "." in name else function)
        one = re.escape(name)
        if re.search(rf"(await|wait|shield|gather|as_completed)\b.*{one}\b|{one}\b.*\.(result|exception)\(", scope):
            return True
    coroutine = re.match(r"(?:self\.)?(\w+)\(", work)
    bodies = [
        ast.unparse(node)
        for node in ast.walk(tree)
        if coroutine is not None and isinstance(node, ast.AsyncFunctionDef) and node.name == coroutine.group(1)
    ]
    return any(mark in body for body in bodies for mark in HANDLING)


def test_no_task_ends_in_silence() -> None:
    silent, judged = [], set()
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        if any(maker in text for maker in (*MAKERS, "tasks.start(")):
            tree = ast.parse(text)
            for name, function, call in find_tasks(tree):
                if not is_handled(tree, function, call):
                    judged.add(name)
                    silent += [] if name in JUDGED else [f"{path.relative_to(ROOT)}:{call.lineno}: {name}"]
    assert silent == [], "use keep_going of the toolkit, handle each Exception, or wait for the task"
    assert judged == {*JUDGED}


@pytest.mark.parametrize(
    ("code", "is_silent"),
    [
        ("self._task = create_task(self._read())", True),
        ("create_task(self._read())", True),
        ("self._tasks.add(asyncio.create_task(self._read()))", True),
        ("self._task = asyncio.create_task(keep_going('read', self._read))", False),
        ("self._task = asyncio.create_task(self._read()); await self._task", False),
        ("self._tasks = tuple(map(asyncio.create_task, (self._read(), self._write())))", True),
        ("tasks = [asyncio.create_task(self._read())]; await asyncio.wait(tasks)", False),
        ("self._task = asyncio.create_task(self._careful())", False),
    ],
)
def test_task_that_would_end_in_silence_is_found(code: str, is_silent: bool) -> None:
    careful = "async def _careful(self):\n        try: pass\n        except Exception: pass"
    text = (
        f"class A:\n    {careful}\n    async def start(self):\n        {code.replace('= create', '= asyncio.create')}\n"
    )
    tree = ast.parse(text.replace("        create_task", "        asyncio.create_task"))
    ((_, function, call),) = find_tasks(tree)
    assert is_handled(tree, function, call) is not is_silent
