"""Unbalanced brackets and quotation marks: tomllib names the line where it gave up, often far below."""

from attrs import frozen

_PAIRS = {"[": "]", "{": "}"}
_WHAT = {"[": "list", "{": "table"}
_LONG_QUOTES = ('"""', "'''")


@frozen
class Unpaired:
    """An unbalanced mark, its line (from 1), and the problem with the remedy."""

    mark: str
    line: int
    problem: str


def find_unpaired(text: str, last_line: int) -> Unpaired | None:
    """Return the first mark up to a line that is not closed, or that closes nothing; None if all are balanced."""
    opened: list[tuple[str, int]] = []
    line, position = 1, 0
    while position < len(text) and line <= last_line:
        char = text[position]
        if char == "\n":
            line += 1
        elif char == "#":
            position = _end_of_line(text, position)
            continue
        elif char in "\"'":
            mark = text[position : position + 3] if text.startswith(_LONG_QUOTES, position) else char
            end = _find_end_of_text(text, position + len(mark), mark)
            if end is None:
                return Unpaired(mark, line, _describe_text(text, position, mark))
            line += text.count("\n", position, end)
            position = end
            continue
        elif char in _PAIRS:
            opened.append((char, line))
        elif char in "]}":
            if not opened or _PAIRS[opened[-1][0]] != char:
                return _describe_closing(char, line, opened)
            opened.pop()
        position += 1
    if not opened:
        return None
    mark, line = opened[-1]
    return Unpaired(mark, line, f'the {_WHAT[mark]} that begins here is not closed; end it with "{_PAIRS[mark]}"')


def _end_of_line(text: str, position: int) -> int:
    end = text.find("\n", position)
    return len(text) if end < 0 else end


def _find_end_of_text(text: str, position: int, mark: str) -> int | None:
    """Return the position after the mark that ends a text; None if there is none where it may be."""
    limit = len(text) if mark in _LONG_QUOTES else _end_of_line(text, position)
    while position < limit:
        if text[position] == "\\" and mark[0] == '"':
            position += 2
        elif text.startswith(mark, position):
            return position + len(mark)
        else:
            position += 1
    return None


def _describe_text(text: str, position: int, mark: str) -> str:
    if mark in _LONG_QUOTES:
        return f"the text that begins here with {mark} is not closed; end it with {mark}"
    rest = text[position + 1 : _end_of_line(text, position)].split("#")[0].rstrip(" \r,]}")
    other = "'" if mark == '"' else '"'
    if rest.endswith(other) and rest.count(other) == 1:
        return f"a text begins with {mark} and ends with {other}; use the same mark at both ends"
    return f"a text isn't closed on its line; end it with {mark}, or write several lines between {mark * 3} marks"


def _describe_closing(char: str, line: int, opened: list[tuple[str, int]]) -> Unpaired:
    if opened and opened[-1][1] == line:
        mark = opened[-1][0]
        problem = f'the {_WHAT[mark]} on this line is closed by "{char}"; end it with "{_PAIRS[mark]}" first'
        return Unpaired(mark, line, problem)
    start = next(mark for mark, end in _PAIRS.items() if end == char)
    return Unpaired(char, line, f'there is a "{char}" without its "{start}"; remove it, or write the other one')
