"""Hints on mistakes of TOML syntax: what was probably meant, from the line at which the parser stopped.

tomllib says where it stopped, not what is wrong: "Expected newline" for a text without quotes, "Invalid hex value" for
a Windows path. So the line is matched against the mistakes of people who come from YAML, INI files or shells.
"""

import re
from collections.abc import Callable, Sequence

from rae_auto.config.toml.unclosed import find_unpaired
from rae_auto.model.primitives.escaping import quote_short, shorten_line

_BARE_KEY = r"[A-Za-z0-9_.-]+"
_TYPOGRAPHIC_QUOTES = "\u201c\u201d\u201e\u2018\u2019\u201a\u00ab\u00bb"
_CAPITALS = {"True": "true", "False": "false", "TRUE": "true", "FALSE": "false"}
_BOOLEANS = {"yes": "true", "on": "true", "no": "false", "off": "false"}
_QUOTED = r"\"(?:\\.|[^\"\\])*\"|'[^']*'"
_ABSENT = ("none", "null", "nil", "~")


def explain_syntax_error(message: str, text: str, line: int) -> tuple[int, str]:
    """Return the line (from 1) with the mistake, and what is wrong there, with the remedy.

    The parser stopped at `line`; its `message` is returned if nothing better is known.
    """
    lines = text.split("\n")
    content = lines[min(line, len(lines)) - 1].rstrip("\r")
    for find in _FINDERS:
        if (hint := find(message, content, lines[: line - 1])) is not None:
            return line, hint
    if (unpaired := find_unpaired(text, line)) is not None:
        return unpaired.line, unpaired.problem
    return line, shorten_line(message, 200)


def _find_typographic_quotes(_: str, content: str, __: Sequence[str]) -> str | None:
    plain = re.sub(r"\"[^\"]*\"|'[^']*'|#.*", "", content)
    quotes = [letter for letter in plain if letter in _TYPOGRAPHIC_QUOTES]
    return f'{quotes[0]} is a typographic quotation mark; write "' if quotes else None


def _find_escape(message: str, content: str, _: Sequence[str]) -> str | None:
    if not re.search(r"escape|hex value|Unescaped", message) or "\\" not in content:
        return None
    path = re.search(r'"([^"\n]*\\[^"\n]*)"?', content)
    example = f"'{shorten_line(path[1], 40)}'" if path and "'" not in path[1] else "'C:\\Users'"
    return f"a backslash begins an escape in double quotes; write {example} in single quotes, or double each backslash"


def _find_leading_zero(_: str, content: str, __: Sequence[str]) -> str | None:
    """Return a hint on a number with zeros at its begin, such as a file mode."""
    number = re.match(rf"\s*{_BARE_KEY}\s*=\s*(0\d+)\s*(?:#.*)?$", content)
    if number is None:
        return None
    plain = number[1].lstrip("0") or "0"
    return f'a number can\'t begin with a zero; write "{number[1]}" as text, or {plain} as a number'


def _find_second(message: str, content: str, before: Sequence[str]) -> str | None:
    """Return a hint on a table or a key that stands twice."""
    if not re.search(r"twice|Cannot overwrite|Cannot mutate|Can't overwrite", message):
        return None
    header = re.match(rf"\s*\[+\s*({_BARE_KEY})\s*\]+", content)
    key = re.match(rf"\s*({_BARE_KEY})\s*=", content)
    if header is not None:
        what, pattern = f"table [{header[1]}]", rf"\s*\[+\s*{re.escape(header[1])}\s*\]"
    elif key is not None:
        what, pattern = f"key {quote_short(key[1])}", rf"\s*{re.escape(key[1])}\s*="
    else:
        return None
    first = [number for number, line in enumerate(before, 1) if re.match(pattern, line)]
    if not first:
        return f"{what} is defined twice; merge the two, or rename one"
    number = first[0] if header is not None else first[-1]
    return f"{what} is defined twice, first in line {number}; merge the two, or rename one"


def _find_header(_: str, content: str, __: Sequence[str]) -> str | None:
    stripped = content.strip()
    if not re.match(r"\[+\s*[A-Za-z0-9_\"'.-]+", stripped) or re.match(r"\[.*\]\s*(#.*)?$", stripped) is None:
        if match := re.match(r"(\[[^\]#=]+\])\s*([^#\s].*)", stripped):
            return f"{match[1]} must stand alone; begin a new line after it"
        if re.fullmatch(r"\[+[^\]#=,\"']+", stripped):
            return f"{quote_short(stripped, 40)} is not closed; write {shorten_line(stripped, 40)}]"
        return None
    if re.fullmatch(r"\[\[[^\[\]]+\]|\[[^\[\]]+\]\]", stripped):
        return f"{quote_short(stripped, 40)} has more brackets at one end; write [{stripped.strip('[]')}]"
    if re.match(r"\[[^\]\"']*[^\]\"'.]\s+[^\]\"'.\s][^\]]*\]", stripped):
        return f"a name in {shorten_line(stripped, 40)} has a blank; use letters, digits, - and _"
    return None


def _find_comment(_: str, content: str, __: Sequence[str]) -> str | None:
    if match := re.match(r"\s*(//|;|--|/\*)", content):
        return f"{quote_short(match[1])} begins no comment in TOML; write #"
    return None


def _find_yaml(_: str, content: str, __: Sequence[str]) -> str | None:
    if match := re.match(rf"\s*({_BARE_KEY})\s*:(?:\s+(.*)|$)", content):
        value = match[2] or ""
        if not value:
            return (
                f"{quote_short(content.strip(), 40)} is YAML; a table is written in brackets in TOML, as in [jobs.NAME]"
            )
        return f"a key is followed by = in TOML, not by a colon; write {match[1]} = …"
    if re.match(r"\s*- ", content):
        return 'a list is written in brackets in TOML, as in ["one", "two"]'
    return None


def _find_value(message: str, content: str, before: Sequence[str]) -> str | None:
    """Return a hint on a value without quotes, or with quotes inside quotes."""
    match = re.match(rf"\s*({_BARE_KEY})\s*=\s*(.*)$", content)
    if match is None:
        return None
    key, value = match[1], re.sub(r"\s+#.*$", "", match[2]).strip()
    if not value:
        return f"the value of {quote_short(key)} is missing; write it on the same line"
    if value in _CAPITALS or value.lower() in _BOOLEANS:
        return f"write {key} = {_CAPITALS.get(value) or _BOOLEANS[value.lower()]}, in lower case and without quotes"
    if value.lower() in _ABSENT:
        return f"TOML has no {value}; leave {quote_short(key)} out"
    if re.match(r"[A-Za-z_~/.$%@*]|[\d.]+\s*[A-Za-z:/]|\d+\s+[\d*?]", value) and not re.match(
        r"(?:true|false|inf|nan)\b", value
    ):
        text = value.rstrip(",;").replace('"', "'")
        return f'a text must be in quotes; write {key} = "{shorten_line(text, 60)}"'
    if items := _find_bare_items(value):
        return f"the texts of a list must be in quotes; write {key} = {shorten_line(items, 60)}"
    if item := _find_bare_item(value):
        return f'the texts of a list must be in quotes; write "{shorten_line(item, 40)}"'
    if value.startswith("(") and message == "Invalid value":
        return f"a list is written in square brackets; write {key} = [{shorten_line(value.strip('()'), 40)}]"
    if re.search(r",\s*,", re.sub(_QUOTED, '""', value)):
        return "there are two commas without a value between them; remove one"
    if "{" in value and value.count("{") > value.count("}"):
        headers = [found[1] for line in before if (found := re.match(r"\s*\[([^\[\]]+)\]", line))]
        table = f"[{headers[-1]}.{key}]" if headers else f"[{key}]"
        return f"a table in braces must end on its line; write it on one line, or as {table} with one key on a line"
    if re.search(r",\s*\}", value):
        return "the last comma before } isn't allowed in TOML 1.0; remove it"
    return _find_nested_quotes(value)


def _find_bare_items(value: str) -> str | None:
    """Return a list without quotes as it would be with them, or None if it is another value."""
    match = re.fullmatch(r"\[([^\[\]{}\"']*[A-Za-z~/$][^\[\]{}\"']*)\]", value)
    if match is None:
        return None
    return f"[{', '.join(quote_short(item.strip()) for item in match[1].split(',') if item.strip())}]"


def _find_bare_item(value: str) -> str | None:
    """Return the first item without quotes of a list of texts that have them, but for brackets inside of it."""
    plain = re.sub(_QUOTED, "", value)
    if not value.startswith("[") or re.search(r"[{\"']", plain):
        return None
    for item in plain.strip("[]").split(","):
        bare = item.strip()
        if re.match(r"[A-Za-z~/$.-]", bare) and not re.fullmatch(r"true|false|[+-]?(?:inf|nan|[\d._]+)", bare):
            return bare
    return None


def _find_nested_quotes(value: str) -> str | None:
    if value.startswith('"') and not value.startswith('"""'):
        closed = re.match(r'"(?:\\.|[^"\\])*"', value)
        if closed is None:
            return None
        rest = value[closed.end() :].strip()
        if rest and '"' in rest and not rest.startswith("+"):
            inner = value[1:].removesuffix('"')
            hint = f", or '{shorten_line(inner, 60)}'" if "'" not in inner else ""
            return f'a quotation mark ends the text; write \\" inside it{hint}'
        if rest.startswith(("+", "|", ";", ",")):
            return f"there is {quote_short(rest, 20)} after the text; remove it"
    if value.startswith("'") and not value.startswith("'''") and value.count("'") > 2:
        return f'a quotation mark ends the text; write the text in double quotes: "{shorten_line(value[1:-1], 60)}"'
    if re.search(r"[\"']\s+[\"']", value) and value.startswith("["):
        return 'a comma is missing between two items of the list, as in ["one", "two"]'
    return None


def _find_missing_sign(_: str, content: str, before: Sequence[str]) -> str | None:
    stripped = content.strip()
    if "=" in stripped or stripped.startswith(("[", '"', "'", "#", "{", "]", "}")):
        return None
    if match := re.fullmatch(rf"({_BARE_KEY})\s+(\S.*)", stripped):
        return f"an = is missing after {quote_short(match[1])}; write {match[1]} = {shorten_line(match[2], 40)}"
    if re.fullmatch(_BARE_KEY, stripped) and not _is_inside_brackets(before):
        return (
            f"{quote_short(stripped)} is neither a key with a value nor a table; write {stripped} = … or [{stripped}]"
        )
    return None


def _is_inside_brackets(before: Sequence[str]) -> bool:
    plain = re.sub(r"\"[^\"\n]*\"|'[^'\n]*'|#[^\n]*", "", "\n".join(before))
    return plain.count("[") > plain.count("]")


_FINDERS: Sequence[Callable[[str, str, Sequence[str]], str | None]] = (
    _find_leading_zero,
    _find_second,
    _find_typographic_quotes,
    _find_escape,
    _find_header,
    _find_comment,
    _find_yaml,
    _find_value,
    _find_missing_sign,
)
"""The mistakes in the order in which they are looked for: the surest first."""
