"""Completion in bash of words with a colon or an equals sign, such as `interval:every=`.

Readline breaks words at these signs (COMP_WORDBREAKS), so the program gets `interval`, `:`, `every`, `=` and has to put
them together again; and of what it offers only the part behind the last sign takes the place of what was typed.
"""

import os
from collections.abc import Sequence
from typing import Any

from click.shell_completion import BashComplete, CompletionItem, add_completion_class, split_arg_string

_SIGNS = frozenset(":=")
_ADD = "COMPREPLY+=($value)"


class BashWords(BashComplete):
    """The completion for bash, once it has been added."""

    source_template = BashComplete.source_template.replace(
        _ADD, f"{_ADD}\n            [[ $value == *[:=] ]] && compopt -o nospace 2>/dev/null"
    )
    _broken_off = ""
    """Text before the last sign at which readline broke the word."""

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words before the one that is completed, and what has been typed of that."""
        words = split_arg_string(os.environ["COMP_WORDS"])
        current = int(os.environ["COMP_CWORD"])
        incomplete = words[current] if current < len(words) else ""
        *before, word = _join([*words[1:current], incomplete])
        self._broken_off = word if _is_sign(incomplete) else word.removesuffix(incomplete)
        if word.startswith("--"):
            self._broken_off = self._broken_off.partition("=")[2]
        return before, word

    def format_completion(self, item: CompletionItem[Any]) -> str:  # type: ignore[type-arg,unused-ignore]
        """Return an item for the script."""
        return f"{item.type},{str(item.value).removeprefix(self._broken_off)}"


def add_bash_words() -> None:
    """Let click complete words in bash in this way."""
    add_completion_class(BashWords)


def _join(words: Sequence[str]) -> list[str]:
    """Return the words as they were typed: a sign belongs to the words around it."""
    joined: list[str] = []
    is_open = False
    for word in words:
        if joined and (is_open or _is_sign(word)):
            joined[-1] += word
        else:
            joined.append(word)
        is_open = _is_sign(word)
    return joined


def _is_sign(word: str) -> bool:
    return bool(word) and set(word) <= _SIGNS
