"""Command lines of Windows: a process gets one string there, and each program splits it by its own rules.

Most programs follow those of the C library, for which `subprocess.list2cmdline` quotes. Batch files don't: cmd.exe
reads the line before they do, and by other rules, so that an argument such as `"&calc` would be run as a command
("BatBadBut", CVE-2024-24576 and CVE-2024-3566). CreateProcess starts cmd.exe for a batch file by itself, whatever the
caller meant; so batch files are recognized here, and what can't be passed to one safely is refused. The quoting is that
of Rust's standard library (library/std/src/sys/args/windows.rs).

Nothing is looked up in the working directory unless the command names it (as in `.\\tool.exe`), and a name without a
suffix gets those of PATHEXT, which CreateProcess knows nothing of.
"""

import ntpath
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

DEFAULT_SUFFIXES = ".COM;.EXE;.BAT;.CMD"
MAX_LINE_CHARACTERS = 32_766
MAX_BATCH_LINE_CHARACTERS = 8_191

BATCH_SUFFIXES = (".bat", ".cmd")
PROGRAM_SUFFIXES = (".exe", ".com")
PYTHON_SUFFIXES = (".py", ".pyw")

_PLAIN_IN_BATCH = re.compile(r"[A-Za-z0-9#$*+\-./:?@\\_\u00a0-\U0010ffff]+")
"""Characters that cmd.exe gives no meaning; anything else is quoted."""

_NOT_IN_BATCH = {'"': "a double quote", "\r": "a line break", "\n": "a line break"}
"""Characters that don't reach a batch file as they are."""

_PERCENT = "%%cd:~,%"
"""A percent sign, and behind it an empty part of a variable that always exists: so no `%NAME%` is left to expand."""

IsFile = Callable[[str], bool]


class CommandRefused(ValueError):
    """A command that can't be started on Windows, with the problem and the remedy in one line."""


class CommandLine(NamedTuple):
    """A program, and the line that it is started with."""

    program: str
    line: str


def build_command(
    argv: Sequence[str],
    environment: Mapping[str, str],
    directory: str,
    python: str | None = None,
    is_file: IsFile = os.path.isfile,
) -> CommandLine:
    """Return how to start an argv: a program, a batch file, or a Python script.

    `python` runs a script where the `py` launcher isn't installed. Raises FileNotFoundError if there is no such
    program, CommandRefused if it can't be started.
    """
    name, *arguments = argv
    path = find_program(name, environment, directory, is_file)
    suffix = ntpath.splitext(path)[1].lower()
    if suffix in BATCH_SUFFIXES:
        return _build_batch_command(path, arguments, environment)
    if suffix in PYTHON_SUFFIXES:
        interpreter = _find_launcher(environment, is_file) or python
        if interpreter is None:
            raise CommandRefused(f'{_quote(path)} needs Python; install it, or begin the command with "py"')
        return _check_length(interpreter, subprocess.list2cmdline([interpreter, path, *arguments]))
    if suffix not in PROGRAM_SUFFIXES:
        raise CommandRefused(
            f"{_quote(path)} is not a program of Windows; begin the command with what runs it, as in "
            'command = ["powershell", "-File", "job.ps1"]'
        )
    return _check_length(path, subprocess.list2cmdline([path, *arguments]))


def build_shell_command(
    text: str, shell: str | None, environment: Mapping[str, str], directory: str, is_file: IsFile = os.path.isfile
) -> CommandLine:
    """Return how to have a shell run a line: cmd.exe unless another one is named.

    Raises as `build_command`.
    """
    path = find_program(shell, environment, directory, is_file) if shell else _command_processor(environment)
    kind = ntpath.splitext(ntpath.basename(path))[0].lower()
    if kind == "cmd":
        if "\n" in text.strip():
            raise CommandRefused(
                "shell has several lines, of which cmd.exe runs the first only; join them with &&, or set "
                'shell_program = "powershell"'
            )
        # With /s it removes the first and the last quote, and reads what is between them as it is.
        return _check_length(path, f'"{path}" /d /s /c "{text.strip()}"', MAX_BATCH_LINE_CHARACTERS)
    options = ["-NoProfile", "-NonInteractive", "-Command"] if kind in ("powershell", "pwsh") else ["-c"]
    return _check_length(path, subprocess.list2cmdline([path, *options, text]))


def find_batch_problem(argv: Sequence[str]) -> str | None:
    """Return why arguments can't be passed to a batch file, with the remedy, or None."""
    for argument in argv[1:]:
        for character, what in _NOT_IN_BATCH.items():
            if character in argument:
                return (
                    f"argument {_quote(argument)} has {what}, which can't be passed to the batch file "
                    f"{_quote(argv[0])} safely; set it in env, or start the program that the batch file runs"
                )
    return None


def find_program(name: str, environment: Mapping[str, str], directory: str, is_file: IsFile = os.path.isfile) -> str:
    """Return the full path of a program. Raises FileNotFoundError if there is none."""
    for path in _candidates(name, environment, directory):
        if is_file(path):
            return path
    raise FileNotFoundError(2, "not found", name)


def _candidates(name: str, environment: Mapping[str, str], directory: str) -> Iterator[str]:
    suffixes = [suffix for suffix in _look_up(environment, "PATHEXT", DEFAULT_SUFFIXES).split(";") if suffix]
    names = [name] if ntpath.splitext(name)[1] else []
    names += [name + suffix.lower() for suffix in suffixes]
    has_folder = "\\" in name or "/" in name or bool(ntpath.splitdrive(name)[0])
    folders = [""] if has_folder else [part.strip('"') for part in _look_up(environment, "PATH", "").split(";")]
    for folder in folders:
        if folder or has_folder:
            yield from (ntpath.normpath(ntpath.join(directory, folder, one)) for one in names)


def _look_up(environment: Mapping[str, str], name: str, default: str) -> str:
    """Return a variable, whose name is the same in capitals and small letters."""
    return next((value for key, value in environment.items() if key.upper() == name), default)


def _command_processor(environment: Mapping[str, str]) -> str:
    """Return cmd.exe: never looked up on the PATH, where anyone's program may have that name."""
    root = _look_up(environment, "SYSTEMROOT", "C:\\Windows")
    return _look_up(environment, "COMSPEC", ntpath.join(root, "System32", "cmd.exe"))


def _find_launcher(environment: Mapping[str, str], is_file: IsFile) -> str | None:
    path = ntpath.join(_look_up(environment, "SYSTEMROOT", "C:\\Windows"), "py.exe")
    if is_file(path):
        return path
    try:
        return find_program("py.exe", environment, "C:\\", is_file)
    except FileNotFoundError:
        return None


def _build_batch_command(path: str, arguments: Sequence[str], environment: Mapping[str, str]) -> CommandLine:
    if problem := find_batch_problem([path, *arguments]):
        raise CommandRefused(problem)
    words = " ".join([f'"{path}"', *(_quote_for_batch(argument) for argument in arguments)])
    shell = _command_processor(environment)
    # Extensions on, for _PERCENT; delayed expansion off, so that "!" has no meaning; no AutoRun of the registry.
    return _check_length(shell, f'"{shell}" /e:ON /v:OFF /d /c "{words}"', MAX_BATCH_LINE_CHARACTERS)


def _quote_for_batch(argument: str) -> str:
    if _PLAIN_IN_BATCH.fullmatch(argument) and not argument.endswith("\\"):
        return argument
    hidden = argument.replace("%", _PERCENT)
    # What reads the argument in the end takes a backslash before the closing quote for an escape.
    doubled = "\\" * (len(argument) - len(argument.rstrip("\\")))
    return f'"{hidden}{doubled}"'


def _check_length(program: str, line: str, limit: int = MAX_LINE_CHARACTERS) -> CommandLine:
    if "\0" in line:
        raise ValueError("embedded null character")
    if len(line) > limit:
        raise CommandRefused(
            f"its command line has {len(line)} characters, and Windows passes at most {limit}; pass the rest by "
            "stdin or a file"
        )
    return CommandLine(program, line)


def _quote(text: str) -> str:
    return f'"{text}"' if text.isprintable() else f'"{repr(text)[1:-1]}"'
