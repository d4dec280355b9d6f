"""Text from elsewhere (output, names, paths), made fit for one line of an explanation."""

MAX_CHARACTERS = 80


def to_printable(text: str, max_characters: int = MAX_CHARACTERS) -> str:
    """Return the text shortened, with everything escaped that a terminal or a log would act upon."""
    short = text if len(text) <= max_characters else text[: max_characters - 1] + "…"
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in short)


def quote_short(text: str, max_characters: int = MAX_CHARACTERS) -> str:
    """Return the text as `to_printable` does, in double quotes."""
    return f'"{to_printable(text, max_characters)}"'
