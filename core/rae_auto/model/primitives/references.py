"""References to secrets, `${KIND:TARGET}`, as texts of a configuration have them. Nothing is read here."""

import re
import shlex
from collections.abc import Collection, Iterator, Mapping

from attrs import frozen

from rae_auto.model.primitives.problems import Problem

_PATTERN = re.compile(r"\$\{(env|file|credential|keyring|cmd):([^}]+)\}")

_SHELL_PATTERN = re.compile(
    r"\$\{(?:(?:env|credential):[A-Za-z_][\w.-]*|file:[^}]*[/.~][^}]*|keyring:[^}]*/[^}]*"
    r"|cmd:[^}]*[A-Za-z/][^}]* [^}]*)\}"
)
"""References in a shell line. Shells have expansions of the same form, such as `${file:0:3}`, which are none."""

_HINT = "pass it in env, stdin or secret_files"

_BLOCKING_KINDS = frozenset({"file", "credential", "keyring", "cmd"})


@frozen
class Reference:
    """A reference and its place in the text. `kind` is the word before the colon, `target` what follows it."""

    kind: str
    target: str
    start: int
    end: int

    @property
    def text(self) -> str:
        """The reference as it was written."""
        return f"${{{self.kind}:{self.target}}}"

    @property
    def may_block(self) -> bool:
        """True if reading it can take long, because it is more than a look into the environment."""
        return self.kind in _BLOCKING_KINDS

    @property
    def program(self) -> str:
        """The program that a `cmd` reference runs; "" for other kinds, or if its words can't be split."""
        words = split_command(self.target) if self.kind == "cmd" else []
        return words[0] if words else ""


def find_references(text: str) -> Iterator[Reference]:
    """Yield the references of a text, from left to right."""
    for match in _PATTERN.finditer(text):
        yield Reference(match[1], match[2], match.start(), match.end())


def split_command(text: str) -> list[str]:
    """Return the words of a command, split as a shell does; none if a quote isn't closed."""
    try:
        return shlex.split(text)
    except ValueError:
        return []


def find_argument_problems(arguments: Mapping[str, Collection[object]], shell: str | None) -> Iterator[Problem]:
    """Yield a problem for each key whose arguments refer to a secret: every user of a machine can read arguments.

    `arguments` are lists of words by their keys; `shell` is a line for a shell.
    """
    for key, words in arguments.items():
        if not words:
            continue
        texts = [word for word in words if isinstance(word, str) and "${" in word]
        if (found := next((one.text for text in texts for one in find_references(text)), None)) is not None:
            yield Problem((key,), f"{key} refers to {found}, but other users can read arguments; {_HINT}")
    if shell is not None and (match := _SHELL_PATTERN.search(shell)) is not None:
        hint = "set env = { NAME = … } with it, and write $NAME in the line"
        yield Problem(("shell",), f"shell refers to {match[0]}, but other users can read the line; {hint}")
