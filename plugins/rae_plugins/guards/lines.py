"""Texts from elsewhere, as parts of a line for people."""

LONGEST = 80


def shown(text: str, longest: int = LONGEST) -> str:
    """The text without anything that a terminal or a log would act upon, and not much longer than `longest`."""
    short = text if len(text) <= longest else text[: longest - 1] + "…"
    return "".join(mark if mark.isprintable() else mark.encode("unicode_escape").decode("ascii") for mark in short)
