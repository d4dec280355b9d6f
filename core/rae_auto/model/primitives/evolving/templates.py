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
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from rae_auto.model.primitives.evolving.sharing import MAX_SHARED_VALUES
from rae_auto.model.primitives.evolving.slots import renamer_of
from rae_auto.model.primitives.names import NAME

T = TypeVar("T")

_MARK = b"\0"
_NUMBERED_LETTER = re.compile(rb"\\u00[2-7]")


class Templates(Generic[T]):
    """Makes the values of one class of documents, each of which is kept under a name that some of its fields hold."""

    def __init__(
        self, cls: type[T], names: Sequence[str], can_share: Callable[[T], bool] = lambda _: True, unlike: bytes = _MARK
    ) -> None:
        """`names` are the fields, of `cls` and its documents, that may hold the name.

        What contains `unlike` is like no other, so it is not looked for.
        """
        self._cls: Any = cls
        self._names, self._can_share, self._unlike = names, can_share, unlike
        self._known: dict[bytes, tuple[Callable[[T, str], T], T]] = {}

    def find_all(self, documents: Iterable[tuple[str, object]]) -> list[T | None]:
        """Return the value of each document that is known from one that is alike; they come as JSON by their names."""
        # Of all at once, and without a function for each: many thousands are looked for at a start.
        is_plain, unlike, find, values = NAME.fullmatch, self._unlike, self._known.get, list[T | None]()
        for name, text in documents:
            value = None
            if type(text) is bytes and unlike not in text and _MARK not in text and is_plain(name):
                known = find(text.replace(b'"%b"' % name.encode(), _MARK))
                if known is not None:
                    copy_for, alike = known
                    value = copy_for(alike, name)
            values.append(value)
        return values

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
            named = [field for field in self._names if getattr(value, field) == name]
            self._known[marked] = renamer_of(self._cls, *named), value
