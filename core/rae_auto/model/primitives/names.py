"""Names of jobs, triggers, runs and events: their syntax, suggestions for misspelled ones, digests of long ones.

Digests are by BLAKE2b, from Python's own code. The module hashlib loads the library of OpenSSL beside it, for things
that nothing here needs: 3 MB of a daemon. The standard library's `random` avoids it in the same way.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NewType

from rae_auto.model.primitives.formatting import join_words, quote

try:
    from _blake2 import blake2b
except ImportError:  # an interpreter that has it elsewhere
    from hashlib import blake2b

JobId = NewType("JobId", str)
RunId = NewType("RunId", str)

NO_RUN = RunId("")
"""Stands for the absence of a run."""

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def check_name(what: str, name: object) -> str:
    """Return `name` if it is valid; `what` says in the message what it names. Raises ValueError.

    Names become file names and log fields, so they are plain.
    """
    if problem := find_name_problem(what, name):
        raise ValueError(problem)
    return str(name)


def find_name_problem(what: str, name: object) -> str | None:
    """Return what is wrong with a name, or None; `what` says in the message what it names."""
    if isinstance(name, str) and NAME.fullmatch(name):
        return None
    return f'invalid {what} {_shortened(name)}; use 1 to 64 letters, digits, "-" or "_"'


EVENT_NAME = re.compile(r"(?=.{1,128}$)[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")

_RESERVED_EVENT_PREFIX = "run."
_RESERVED_EVENT = "gap"


def check_event_name(name: object) -> str:
    """Return the name of an event to record if it is valid and not reserved. Raises ValueError."""
    if not isinstance(name, str) or not EVENT_NAME.fullmatch(name):
        raise ValueError(
            f'invalid event name {_shortened(name)}; use words of letters, digits, "-" and "_", separated by dots, '
            "with at most 128 characters"
        )
    if name.startswith(_RESERVED_EVENT_PREFIX) or name == _RESERVED_EVENT:
        raise ValueError(f"event name {_shortened(name)} is reserved; choose another")
    return name


SEE_JOBS = "; 'rae-auto list' shows all jobs"
"""The hint for an unknown job, if none has a similar name."""

Synonyms = Mapping[str, Sequence[str]]
"""Our names for what other tools call differently, by those tools' names."""

_TRANSPOSITION_COST = 0.5
_MAX_DISTANCE_PER_CHARACTER = 0.28
_MIN_PREFIX_CHARACTERS = 3


def did_you_mean(word: str, known: Iterable[str], synonyms: Synonyms | None = None) -> str:
    """Return a suggestion that ends an error message, or "": `; did you mean "backup"?`."""
    candidates = list(known)
    same = [name for name in (synonyms or {}).get(_plain(word), ()) if name in candidates]
    near = same or _find_nearest(word, candidates)
    return f"; did you mean {join_words(map(quote, near), 'or')}?" if near else ""


def find_nearest_name(word: str, known: Iterable[str]) -> str | None:
    """Return the name that is nearest to a misspelled word, or None if none is near."""
    return next(iter(_find_nearest(word, [name for name in known if name != word])), None)


def _find_nearest(word: str, known: Sequence[str]) -> list[str]:
    """Return the name that is nearest to a misspelled word, or the only one that it is a part of."""
    plain = _plain(word)
    letters, limit = set(plain), min(max(len(plain) * _MAX_DISTANCE_PER_CHARACTER, 1.0), len(plain) - 1)
    best = limit
    nearest: list[str] = []
    for name in known:
        candidate = _plain(name)
        # A change concerns two letters at most; there may be thousands of names.
        if abs(len(candidate) - len(plain)) <= best and len(letters.symmetric_difference(candidate)) <= 2 * limit:
            distance = _measure_distance(plain, candidate)
            if distance < best or (distance == best and not nearest):
                best, nearest = distance, [name]
    if not nearest and len(plain) >= _MIN_PREFIX_CHARACTERS:
        wholes = [name for name in known if _plain(name).startswith(plain) or _plain(name).endswith(f"/{plain}")]
        nearest = wholes if len(wholes) == 1 else []
    return nearest


def _plain(word: str) -> str:
    return word.lower().replace("-", "_")


def _measure_distance(one: str, other: str) -> float:
    """Return the number of changed, missing, added and exchanged letters; exchanged ones are the likeliest mistake."""
    before: list[float] = []
    row = [float(number) for number in range(len(other) + 1)]
    for n, letter in enumerate(one, 1):
        above, row = row, [float(n)]
        for m, counterpart in enumerate(other, 1):
            cost = min(above[m] + 1, row[m - 1] + 1, above[m - 1] + (letter != counterpart))
            if n > 1 and m > 1 and letter == other[m - 2] and one[n - 2] == counterpart:
                cost = min(cost, before[m - 2] + _TRANSPOSITION_COST)
            row.append(cost)
        before = above
    return row[-1]


def _shortened(name: object) -> str:
    text = str(name)
    return quote(text if len(text) <= 70 else text[:70] + "…")


def digest(text: str, size: int) -> bytes:
    """Return the digest of a text in so many bytes; lone surrogates, as in names of files, are part of it."""
    return blake2b(text.encode(errors="surrogatepass"), digest_size=size).digest()
