"""The process that searches files, one after the other: a question on standard input, answers as JSON lines.

A regular expression can take for ever on a single line, and holds the interpreter's lock meanwhile, so that neither a
thread nor a time limit of the same process helps. This one can be killed. It is run by its path, with the standard
library alone, so that it takes some 35 ms of a processor to be there.

It answers with `{"offset": …, "text": …}` for each line that matches, now and then with `{"to": …}`, the byte up to
which it has searched, and at the end of a file with `{"end": …}`; each has the number of its "file". The last answer is
`{"over": true}`, or `{"error": …}` where a file can't be read.
"""

import json
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic

MAX_LINE_BYTES = 16 << 10
"""A longer line is cut into several."""

PROGRESS_SECONDS = 0.05


def decode_line(line: bytes) -> str:
    """Return the text of a line without its end."""
    return line.rstrip(b"\n").removesuffix(b"\r").decode(errors="backslashreplace")


def iterate_lines(path: Path, start: int) -> Iterator[bytes]:
    """Yield the lines of a file from a byte on, with their ends; none if it doesn't exist."""
    try:
        with path.open("rb") as file:
            file.seek(start)
            while line := file.readline(MAX_LINE_BYTES):
                yield line
    except FileNotFoundError:
        return


def search_files(
    files: Sequence[tuple[str, int]], expression: re.Pattern[str], most: int
) -> Iterator[dict[str, object]]:
    """Yield the lines of files that match, at most some number of them, and how far the search is in which file."""
    for number, (path, start) in enumerate(files):
        for answer in search_file(Path(path), expression, start, most):
            yield {"file": number, **answer}
            most -= "text" in answer
        if not most:
            break


def search_file(path: Path, expression: re.Pattern[str], start: int, most: int) -> Iterator[dict[str, object]]:
    """Yield the lines that match, at most some number of them, and how far the search is."""
    found, offset, last = 0, start, monotonic()
    for line in iterate_lines(path, start):
        if monotonic() - last >= PROGRESS_SECONDS:
            yield {"to": offset}
            last = monotonic()
        text = decode_line(line)
        if expression.search(text):
            yield {"offset": offset, "text": text}
            found += 1
        offset += len(line)
        if found == most:
            break
    yield {"end": offset}


def _answer(answer: dict[str, object], *, is_urgent: bool) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    if is_urgent:
        sys.stdout.flush()


def main() -> int:
    """Answer the question on standard input."""
    question = json.loads(sys.stdin.buffer.readline())
    # If the process that asks is killed, nothing else ends this one. Windows has no limits of this kind.
    with suppress(ImportError):
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (question["seconds"], question["seconds"]))
    expression = re.compile(question["pattern"], re.IGNORECASE)
    try:
        for answer in search_files(question["files"], expression, question["most"]):
            # Lines that match come with the progress after them, fewer writes for many lines.
            _answer(answer, is_urgent="text" not in answer)
        _answer({"over": True}, is_urgent=True)
    except OSError as error:
        _answer({"error": str(error)}, is_urgent=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
