"""Values of texts that are alike: made once, and copied for all others.

Theory
======

Of thousands of stored documents most differ from others in a name alone, that of their job. A document is kept as its
JSON, so they are found without being read: each text, with a mark for each quoted name, is compared with those before.
A copy with the other name is then what reading would have made:

- a mark is a byte that no JSON has, so equal texts differ in the name and nowhere else;
- a name is plain, so its quotes begin and end a text of JSON, or stand in a longer one;
- a text becomes a template only if its marks are as many as the fields that hold the name, so none is elsewhere;
- no letter of a template is written as its number, as in "\\u0061", or a field could hold the name without a mark.

A value that something else may change, such as a list that a function gets, must not be shared by copies: `can_share`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from rae_auto.model.primitives.evolving.sharing import MAX_SHARED_VALUES
from rae_auto.model.primitives.evolving.slots import copying_tools
from rae_auto.model.primitives.names import NAME

T = TypeVar("T")

_MARK = b"\0"
_NUMBERED_LETTER = re.compile(rb"\\u00[2-7]")


class Templates(Generic[T]):
    """Makes the values of one class of documents, each of which is kept under a name that some of its fields hold."""

    def __init__(self, cls: type[T], names: Sequence[str], can_share: Callable[[T], bool] = lambda _: True) -> None:
        """`names` are the fields, of `cls` and its documents, that may hold the name."""
        self._names, self._can_share = names, can_share
        made_for: Any = cls
        self._copy, self._setters = copying_tools(made_for)
        self._known: dict[bytes, Callable[[str], T]] = {}

    def find(self, name: str, text: bytes) -> T | None:
        """Return the value of a document if it is known from one that is alike."""
        if not NAME.fullmatch(name) or _MARK in text:
            return None
        known = self._known.get(text.replace(b'"%b"' % name.encode(), _MARK))
        return None if known is None else known(name)

    def learn(self, name: str, text: bytes, document: Mapping[str, Any], value: T) -> None:
        """Know a value, which was made of a document, for those that are alike."""
        if not NAME.fullmatch(name) or _MARK in text or not self._can_share(value):
            return
        marked = text.replace(b'"%b"' % name.encode(), _MARK)
        marks = sum(document.get(field) == name for field in self._names)
        is_clear = marks and marks == marked.count(_MARK) and not _NUMBERED_LETTER.search(text)
        if is_clear:
            if len(self._known) >= MAX_SHARED_VALUES:
                self._known.clear()
            self._known[marked] = self._make_copier(value, name)

    def _make_copier(self, value: T, name: str) -> Callable[[str], T]:
        """Return a function that copies a value with another name, in each field that has this one."""
        copy = self._copy
        setters = [self._setters[field] for field in self._names if getattr(value, field) == name]

        def copy_for(other: str) -> T:
            made: T = copy(value)
            for set_name in setters:
                set_name(made, other)
            return made

        return copy_for
