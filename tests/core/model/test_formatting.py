"""Durations, sizes, counts and names as people read them."""

import os
import re
import ssl
from datetime import timedelta

import pytest

from rae_auto.model.primitives.formatting import (
    describe_error,
    format_bytes,
    format_count,
    format_elapsed,
    join_words,
    quote,
)
from rae_auto.model.primitives.units import parse_duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0 s"),
        (0, "0 s"),
        (0.0001, "less than 1 ms"),
        (0.004, "4 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1 s"),
        (1.24, "1.2 s"),
        (9.96, "10 s"),
        (59.6, "1 min"),
        (185, "3 min 5 s"),
        (3600, "1 h"),
        (7500, "2 h 5 min"),
        (86400, "1 day"),
        (180000, "2 days 2 h"),
    ],
)
def test_format_elapsed(seconds, text):
    assert format_elapsed(seconds) == format_elapsed(timedelta(seconds=seconds)) == text


@pytest.mark.parametrize(("seconds", "text"), [(185, "3 min"), (129600, "36 h"), (180000, "2 days")])
def test_format_elapsed_in_one_unit(seconds, text):
    assert format_elapsed(seconds, parts=1) == text


@pytest.mark.parametrize(
    ("words", "text"), [("", ""), ("a", "a"), ("ab", "a or b"), ("abc", "a, b or c"), ("abcd", "a, b, c or d")]
)
def test_words_are_joined_as_people_write_them(words, text):
    assert join_words(words, "or") == text


@pytest.mark.parametrize(("size", "text"), [(0, "0 bytes"), (1, "1 byte"), (1536, "1.5 KB"), (3 << 20, "3 MB")])
def test_format_bytes(size, text):
    assert format_bytes(size) == text


def test_format_count():
    assert [format_count(n, "run") for n in (0, 1, 2000)] == ["0 runs", "1 run", "2,000 runs"]
    assert format_count(2, "entry", "entries") == "2 entries"


@pytest.mark.requirement("S18")
def test_quote_escapes_what_is_not_printable():
    assert quote('a"b\x1b\n') == '"a\\"b\\x1b\\n"'


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (RuntimeError('program "x" not\nfound'), 'program "x" not found'),
        (FileNotFoundError(2, "No such file or directory", "x"), 'No such file or directory: "x"'),
        (OSError(28, "No space left on device"), "No space left on device"),
        (OSError("odd"), "OSError: odd"),
        (ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 1)"), os.strerror(111)),
        (
            ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed (_ssl.c:1006)"),
            "certificate verify failed",
        ),
        (TimeoutError(), "it took too long"),
        (KeyError("x"), "KeyError: 'x'"),
        (RuntimeError(), "RuntimeError"),
        (SystemExit(3), "SystemExit: 3"),
    ],
)
def test_describe_error_is_not_in_the_notation_of_python(error, text):
    assert describe_error(error) == text


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("90 days", 'write "90d"'),
        ("1 h 30 min", 'write "1h30m"'),
        ("5 ms", 'write "5ms"'),
        ("2.5 minutes", 'write "2.5m"'),
        ("90 parsecs", 'use a number and a unit, as in "90s" or "1h30m"'),
    ],
)
def test_parse_duration_writes_out_what_may_be_meant(text, hint):
    with pytest.raises(ValueError, match=f'^invalid duration "{text}"; {re.escape(hint)}$'):
        parse_duration(text)
