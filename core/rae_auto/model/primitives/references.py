"""References to secrets, `${KIND:TARGET}`, as texts of a configuration have them. Nothing is read here."""

import re
import shlex
from collections.abc import Collection, Iterator, Mapping

from attrs import frozen

from rae_auto.model.primitives.formatting import join_words
from rae_auto.model.primitives.names import find_nearest_name
from rae_auto.model.primitives.problems import Problem

KINDS = ("env", "file", "credential", "keyring", "cmd")

_PATTERN = re.compile(rf"\$\{{({'|'.join(KINDS)}):([^}}]+)\}}")

_ALIKE_PATTERN = re.compile(r"\$\{\s*([A-Za-z]\w*)\s*:([^}]*)\}")

_EXPANSION_PATTERN = re.compile(r"[-=?+0-9 ]")
"""The beginning of what a shell expands, such as `${NAME:-default}` and `${NAME:0:3}`."""

_SYNONYMS = {
    "environ": "env",
    "environment": "env",
    "var": "env",
    "path": "file",
    "command": "cmd",
    "exec": "cmd",
    "keychain": "keyring",
    "cred": "credential",
    "creds": "credential",
}

_SHELL_PATTERN = re.compile(
    r"\$\{(?:(?:env|credential):[A-Za-z_][\w.-]*|file:[^}]*[/.~][^}]*|keyring:[^}]*/[^}]*"
    r"|cmd:[^}]*[A-Za-z/][^}]* [^}]*)\}"
)
"""References in a shell line. Shells have expansions of the same form, such as `${file:0:3}`, which are none."""

_TARGETS = {
    "env": "NAME",
    "file": "PATH",
    "credential": "NAME",
    "keyring": "SERVICE/USER",
    "cmd": "PROGRAM ARGUMENT",
}

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


def find_mistaken_reference(text: str) -> str | None:
    """Return why a text has something like a reference that is none, such as `${fil:token}`; None if it has nothing.

    It is passed as it is, which may be intended, because other programs have variables of this form: an unknown kind
    that is like none of ours counts only as the whole text. The target is never repeated.
    """
    for match in _ALIKE_PATTERN.finditer(text):
        kind, target = match[1], match[2]
        if _PATTERN.fullmatch(match[0]) or (_EXPANSION_PATTERN.match(target) and kind not in KINDS):
            continue
        shown = f"has ${{{kind}:…}}, which"
        if kind in KINDS:
            what = "has blanks beside its kind" if target.strip() else "names nothing"
            return f"{shown} {what}, and is passed as text; write ${{{kind}:{_TARGETS[kind]}}}"
        if near := _find_kind(kind.lower()):
            return f"{shown} is not a reference, and is passed as text; did you mean ${{{near}:…}}?"
        if match[0] == text.strip():
            listed = join_words([f"${{{one}:…}}" for one in KINDS], "or")
            return f"{shown} is not a reference, and is passed as text; write {listed}"
    return None


def _find_kind(word: str) -> str | None:
    if word in KINDS:
        return word
    return _SYNONYMS.get(word) or find_nearest_name(word, KINDS)


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
