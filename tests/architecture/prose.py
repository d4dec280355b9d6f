"""Rules on the prose of the README files, CONTRIBUTING, CHANGELOG and all pages of docs/, help texts included.

`python -m tests.architecture.prose` prints each finding with its place. Three checkers read the same text, in which
code is blanked out: proselint (style), codespell (spelling), and the rules of this module (voice).

Others that were considered:

- vale: its package on PyPI holds no program; it downloads one from a code host when it runs first. The checks must
  run on a machine that has the package index alone.
- language-tool-python: needs Java and downloads 250 MB when it runs first.
- harper-py: self-contained, but an alpha; of 500 findings on these pages nearly all were false alarms (title case in
  headings, cells of tables that open in lower case, "firing" as a mass noun).
- pymarkdownlnt, mdformat, typos: they check the markup or the spelling, not the style.
- textlint, write-good, alex: need Node.
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path

from proselint.checks import __register__
from proselint.config import DEFAULT
from proselint.registry import CheckRegistry
from proselint.tools import LintFile
from tests.architecture.names import ROOT, Place, refused_phrases

MAX_LINE_CHARACTERS = 100
MAX_SENTENCE_WORDS = 35

VOCABULARY_PAGES = ("docs/design/vocabulary.md", "docs/design/renaming.md")
"""Pages that list the refused words, and are therefore read for the length of their lines only."""

HELP_PAGE = "docs/reference/commands.md"
"""The page whose blocks of text are prose: it is generated from the help texts."""

_OFF = {
    "typography": False,  # straight quotes, three dots, "resume" without accents
    "misc.composition": False,  # "did not succeed" is not "failed": a run may be cancelled
    "dates_times.dates.dash_and_from": False,  # --from 2026-10-25
}
_CHECKS = _OFF | DEFAULT["checks"] | _OFF  # proselint obeys the first key that fits, so the narrow ones come first

RULES = {
    r"(?<!there) (is|are|was|were) no (?!longer\b)\w+": "say what it is, or what it does not do",
    r"\bsince (it|he|she|they|nobody|nothing|what|who|this|that|there|these|its|a|an|no)\b": "because",
    r"\b(is|are|was|were) (running|waiting|queued|active|open) since\b|\bwaits? since\b": "has been … since",
    r"\w\(s\)": "choose the right plural",
}
"""A pattern that no page may hold, and what to write instead."""


CheckRegistry().register_many(__register__)


def pages(root: Path = ROOT) -> dict[str, str]:
    """Return the text of each page by its path."""
    paths = [
        root / "README.md",
        root / "CONTRIBUTING.md",
        root / "CHANGELOG.md",
        *sorted((root / "docs").rglob("*.md")),
        *sorted(root.glob("contrib/*/README.md")),
    ]
    return {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for path in paths}


def check(texts: Mapping[str, str]) -> list[Place]:
    """Return every finding on these pages, given by path, in the order of paths and lines."""
    readable = {path: blank_code(text, keep_blocks=path == HELP_PAGE) for path, text in texts.items()}
    worded = {path: text for path, text in readable.items() if path not in VOCABULARY_PAGES}
    found = [place for path, text in texts.items() for place in long_lines(path, text)]
    found += [place for path, text in worded.items() for place in long_sentences(path, text)]
    found += [place for path, text in worded.items() for place in refused_words(path, text)]
    found += [place for path, text in worded.items() for place in style(path, text)]
    found += misspellings(worded)
    return sorted(found, key=lambda place: (place.path, place.line, place.text))


def blank_code(text: str, keep_blocks: bool = False) -> str:
    """Return the page with as many lines, without code blocks, comments and addresses.

    Code within a line becomes a word of its own, so that its sentence stays whole. `keep_blocks` keeps the blocks
    that are written in text.
    """
    numbers = count()
    text = re.sub(r"<!--.*?-->", _empty_lines, text, flags=re.DOTALL)
    text = re.sub(r"^ *```(\w*)\n(.*?)^ *```$", lambda b: _block(b, keep_blocks), text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"(`+)(?!`).+?(?<!`)\1(?!`)", lambda _: f"Code{_letters(next(numbers))}", text, flags=re.DOTALL)
    text = re.sub(r"\]\([^)\s]*\)", "]", text)
    text = re.sub(r"https?://\S+", "", text)
    return re.sub(r"^(#+ .*\w)$", r"\1.", text, flags=re.MULTILINE)


def long_lines(path: str, text: str) -> Iterator[Place]:
    """Yield the lines that are too long, outside code blocks, tables and addresses."""
    text = re.sub(r"^ *```.*?^ *```$", _empty_lines, text, flags=re.MULTILINE | re.DOTALL)
    for number, line in enumerate(text.splitlines(), start=1):
        if len(line) > MAX_LINE_CHARACTERS and not line.lstrip().startswith("|"):
            yield Place(path, number, f"{len(line)} characters; wrap at {MAX_LINE_CHARACTERS}")


def long_sentences(path: str, text: str) -> Iterator[Place]:
    """Yield the sentences with too many words; headings, items of lists and cells of tables are sentences."""
    for line, block in _blocks(text):
        for sentence in re.split(r"(?<=[.!?])[\"')*_]*\s+", block):
            if (words := len(re.findall(r"\b(?!Code[a-z]{1,4}\b)\w[\w'-]*", sentence))) > MAX_SENTENCE_WORDS:
                start = " ".join(sentence.split()[:6])
                yield Place(
                    path, line, f"{words} words; split the sentence at most every {MAX_SENTENCE_WORDS}: {start} …"
                )


def refused_words(path: str, text: str) -> Iterator[Place]:
    """Yield the words of the private dialect, and what breaks one of the rules."""
    phrases = "|".join(map(re.escape, sorted(refused_phrases("In prose"), key=len, reverse=True)))
    dialect = rf"(?<!can't\s)(?<!cannot\s)\b({phrases})\b".replace(r"\ ", " ")
    for pattern, advice in {dialect: "use a word of docs/design/vocabulary.md", **RULES}.items():
        for found in re.finditer(pattern.replace(" ", r"\s+"), text, re.IGNORECASE):
            words = " ".join(found[0].split())
            yield Place(path, text.count("\n", 0, found.start()) + 1, f'"{words}": {advice}')


def style(path: str, text: str) -> Iterator[Place]:
    """Yield what proselint finds."""
    if not text.strip():
        return
    for result in LintFile(path, text).lint({"max_errors": 1000, "checks": _CHECKS}):
        message = result.check_result
        yield Place(path, result.pos[0], f"{message.check_path}: {message.message}")


def misspellings(texts: Mapping[str, str]) -> Iterator[Place]:
    """Yield what codespell finds. It runs in a folder of its own, where it finds no configuration."""
    with tempfile.TemporaryDirectory() as folder:
        names = {f"{number}.md": path for number, path in enumerate(texts)}
        for name, path in names.items():
            (Path(folder) / name).write_text(texts[path], encoding="utf-8")
        command = [sys.executable, "-m", "codespell_lib", *names]
        ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        found = re.findall(r"^(?:\./)?(\d+\.md):(\d+): (.+)$", ran.stdout, re.MULTILINE)
        if ran.returncode and not found:
            raise RuntimeError(f"codespell failed: {ran.stderr}{ran.stdout}")
        yield from (Place(names[name], int(line), message) for name, line, message in found)


def _block(found: re.Match[str], keep: bool) -> str:
    """Return an empty block, or that of a help text: the columns of its lists are sentences."""
    if keep and found[1] == "text":
        return "\n" + re.sub(r"(?<=\S) {2,}(?=\S)", ". ", found[2])
    return _empty_lines(found)


def _empty_lines(found: re.Match[str]) -> str:
    return "\n" * found[0].count("\n")


def _letters(number: int) -> str:
    return "".join(chr(ord("a") + int(digit)) for digit in str(number))


def _blocks(text: str) -> Iterator[tuple[int, str]]:
    """Yield line and text of each paragraph, item of a list, heading and cell of a table."""
    start, lines = 1, list[str]()
    for number, line in enumerate([*text.splitlines(), ""], start=1):
        is_row = line.lstrip().startswith("|")
        if lines and (is_row or not line.strip() or re.match(r"\s*([-*#]|\d+\.)\s", line)):
            yield start, " ".join(lines)
            lines = []
        if is_row:
            yield from ((number, cell) for cell in re.split(r"(?<!\\)\|", line))
        elif line.strip():
            start = start if lines else number
            lines.append(line.strip())


def main() -> None:
    """Print the findings; the exit code is 1 if there are any."""
    found = check(pages())
    print("\n".join(map(str, found)) or "no findings")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
