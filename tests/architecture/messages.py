"""Every message that a user can meet, read from the sources into one snapshot file.

A message is a string literal with at least two words that is not a docstring: errors, refusals, log lines, reasons,
findings, help of options. Help texts of commands, which are docstrings, come too. Values that are put in stand as
`{…}`. `python tests/architecture/messages.py` writes tests/snapshots/messages.txt again.
"""

import ast
import re
from collections.abc import Iterator

from tests.architecture.names import ROOT, modules

SNAPSHOT = ROOT / "tests" / "snapshots" / "messages.txt"

_WORDS = re.compile(r"[a-zA-Z…}'\"][,;:]? [a-z{'\"(\d]")
_SQL = re.compile(r"^\s*(SELECT|INSERT|DELETE|UPDATE|CREATE|PRAGMA|WITH|DROP|ALTER|BEGIN|FROM|WHERE|ORDER|AND)\b")


def messages() -> dict[str, list[str]]:
    """Return the messages of each module, in the order in which they stand there."""
    found = {}
    for path, tree in modules():
        texts = list(dict.fromkeys(" ".join(text.split()) for text in _texts(tree) if _is_message(text)))
        if texts:
            found[str(path)] = texts
    return found


def render(found: dict[str, list[str]]) -> str:
    """Return the snapshot: a heading for each module, a line for each message."""
    text = "\n".join(f"## {path}\n\n" + "\n".join(texts) + "\n" for path, texts in found.items())
    return text.encode("utf-8", errors="backslashreplace").decode("utf-8")


def _texts(tree: ast.Module) -> Iterator[str]:
    silent = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    inner: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _is_command(node):
            yield ast.get_docstring(node) or ""
        if isinstance(node, ast.JoinedStr):
            inner.update(id(part) for part in node.values)
        if id(node) in silent or id(node) in inner:
            continue
        if isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "{…}" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _is_command(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(re.search(r"click\.(command|group)|\.command", ast.unparse(one)) for one in node.decorator_list)


def _is_message(text: str) -> bool:
    return bool(_WORDS.search(text)) and not _SQL.search(text)


if __name__ == "__main__":
    SNAPSHOT.parent.mkdir(exist_ok=True)
    SNAPSHOT.write_text(render(messages()), encoding="utf-8")
