"""Secrets masked in texts: those that are given, and all that this process has read."""

from collections.abc import Iterable

MASK = "***"

MIN_MASKED_CHARACTERS = 4
"""The shortest secret that is masked: a shorter one would black out half of every text."""

_known: set[str] = set()
_known_sorted: tuple[str, ...] = ()


def sort_secrets(secrets: Iterable[str]) -> list[str]:
    """Return the secrets that can be masked, longest first, so that no end of one remains visible."""
    return sorted({value for value in secrets if len(value) >= MIN_MASKED_CHARACTERS}, key=len, reverse=True)


def mask_secrets(text: str, secrets: Iterable[str]) -> str:
    """Return the text with secrets masked; these come in the order of `sort_secrets`."""
    for value in secrets:
        text = text.replace(value, MASK)
    return text


def remember_secrets(values: Iterable[str]) -> None:
    """Mask these values in every text of `mask_known_secrets` from now on, also as Python quotes them."""
    global _known_sorted
    found = {form for value in sort_secrets(values) for form in (value, repr(value)[1:-1])}
    if not found <= _known:
        _known.update(found)
        _known_sorted = tuple(sort_secrets(_known))


def mask_known_secrets(text: str) -> str:
    """Return the text without any secret that this process has read: for a log, a report, or what a store keeps."""
    return mask_secrets(text, _known_sorted)


def list_known_secrets() -> list[str]:
    """Return all secrets that this process has read, longest first, for another process that has to mask them."""
    return list(_known_sorted)


def forget_secrets() -> None:
    """Forget all secrets, because nothing is written any more."""
    global _known_sorted
    _known.clear()
    _known_sorted = ()
