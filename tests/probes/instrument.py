"""Source code with a probe before each statement and in each branch.

A probe is the statement `__probes__[number] = 1`. It has the line of the statement that it stands before, so that
tracebacks stay true; docstrings stay first. `__probes__` is a built-in name for a file that all processes of a run
share (see `loader.py`).

Branches are measured at `if`, `for`, `while` and `match`. One without an `else` gets one that holds a probe alone, so
that "never left by this way" can be told from "never reached".
"""

import ast
from collections.abc import Iterator
from typing import TypeVar

from attrs import Factory, frozen

NAME = "__probes__"

Node = TypeVar("Node", ast.stmt, ast.match_case)
Loop = ast.For | ast.AsyncFor | ast.While
"""Statements that go into their body again and again."""


@frozen
class Branch:
    """A line with two ways on: into its body, which the first probe proves, or elsewhere, which any other proves."""

    line: int
    body_line: int
    into_body: int
    elsewhere: tuple[int, ...]


@frozen
class ProbeMap:
    """The lines that each probe of a module proves, and its branches."""

    lines: dict[int, list[int]] = Factory(dict)
    branches: list[Branch] = Factory(list)

    def executed_lines(self, hits: bytes) -> set[int]:
        """Return the lines whose probes were hit."""
        return {line for probe, proven in self.lines.items() if hits[probe] for line in proven}


def instrument(source: str, numbers: Iterator[int]) -> tuple[ast.Module, ProbeMap]:
    """Return the parsed source with probes, which take their numbers from `numbers`, and the meaning of these."""
    tree = ast.parse(source)
    probes = _Probes(numbers)
    probes.put_into(tree)
    return tree, probes.map


class _Probes:
    def __init__(self, numbers: Iterator[int]) -> None:
        self._numbers = numbers
        self.map = ProbeMap()

    def put_into(self, node: ast.AST) -> None:
        """Put probes into everything that a statement holds."""
        match node:
            case ast.If() | ast.For() | ast.AsyncFor() | ast.While():
                self._put_into_branch(node)
            case ast.Match():
                self._put_into_match(node)
            case ast.Try() | ast.TryStar():
                self._put_into_try(node)
            case ast.Module() | ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                node.body = self._body(node.body)
            case ast.With() | ast.AsyncWith():
                node.body = self._body(node.body)

    def _put_into_branch(self, node: ast.If | Loop) -> None:
        start = node.lineno if isinstance(node, Loop) and not isinstance(node, ast.While) else node.test.lineno
        into_body, elsewhere = self._number(), self._number()
        self.map.branches.append(Branch(start, _first_line(node.body), into_body, (elsewhere,)))
        node.body = [_probe(into_body, node.lineno), *self._body(node.body)]
        node.orelse = [_probe(elsewhere, node.lineno), *self._body(node.orelse)]

    def _put_into_match(self, node: ast.Match) -> None:
        """Cases are tried one after another: the probe of one proves that those before it were tried in vain."""
        lines = [case.pattern.lineno for case in node.cases]
        body_lines = [_first_line(case.body) for case in node.cases]
        if node.cases[-1].guard is not None or not _matches_all(node.cases[-1].pattern):
            node.cases.append(_place(ast.match_case(ast.MatchAs(), None, []), lines[-1]))
        numbers = [self._number() for _ in node.cases]
        for index, (case, number) in enumerate(zip(node.cases, numbers, strict=True)):
            self.map.lines[number] = lines[: index + 1]
            case.body = [_probe(number, case.pattern.lineno), *self._body(case.body)]
        for index, (line, body_line) in enumerate(zip(lines, body_lines, strict=True)):
            self.map.branches.append(Branch(line, body_line, numbers[index], tuple(numbers[index + 1 :])))

    def _put_into_try(self, node: ast.Try | ast.TryStar) -> None:
        node.body = self._body(node.body)
        tried: list[int] = []
        for handler in node.handlers:
            tried.append(handler.lineno)
            number = self._number()
            self.map.lines[number] = list(tried)
            handler.body = [_probe(number, handler.lineno), *self._body(handler.body)]
        node.orelse = self._body(node.orelse)
        node.finalbody = self._body(node.finalbody)

    def _body(self, body: list[ast.stmt]) -> list[ast.stmt]:
        result: list[ast.stmt] = []
        passed: list[int] = []
        for index, statement in enumerate(body):
            if _must_stay_first(statement, index):
                passed.append(statement.lineno)  # the first probe proves them
            else:
                number = self._number()
                self.map.lines[number] = [*passed, _first_line([statement]), statement.lineno]
                result.append(_probe(number, statement.lineno))
                passed = []
            self.put_into(statement)
            result.append(statement)
        return result

    def _number(self) -> int:
        return next(self._numbers)


def _must_stay_first(statement: ast.stmt, index: int) -> bool:
    match statement:
        case ast.Expr(value=ast.Constant()):
            return index == 0
        case ast.ImportFrom(module="__future__"):
            return True
    return False


def _matches_all(pattern: ast.pattern) -> bool:
    match pattern:
        case ast.MatchAs(pattern=inner):
            return inner is None or _matches_all(inner)
        case ast.MatchOr(patterns=patterns):
            return any(_matches_all(one) for one in patterns)
    return False


def _first_line(body: list[ast.stmt]) -> int:
    """Return where a body begins; a definition begins with its decorators."""
    decorators: list[ast.expr] = getattr(body[0], "decorator_list", [])
    return min([body[0].lineno, *(one.lineno for one in decorators)])


def _probe(number: int, line: int) -> ast.stmt:
    target = ast.Subscript(ast.Name(NAME, ast.Load()), ast.Constant(number), ast.Store())
    return _place(ast.Assign([target], ast.Constant(1)), line)


def _place(node: Node, line: int) -> Node:
    for inner in ast.walk(node):
        if isinstance(inner, ast.stmt | ast.expr | ast.pattern):
            inner.lineno = inner.end_lineno = line
            inner.col_offset = inner.end_col_offset = 0
    return node
