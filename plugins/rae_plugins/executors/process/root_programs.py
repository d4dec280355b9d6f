"""Programs that root runs: a user who can change one of them has all the rights of root.

A daemon of root starts no attempt whose program, script or folder of modules another user could change. The program is
looked up as execvp(3) does. Of a program that is an interpreter, the first argument without a dash is its script; what
a program opens by itself, or a line of a shell after its first command, can't be known.
"""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rae_auto.model.job import Job
from rae_auto.model.primitives.escaping import quote_short
from rae_auto.toolkit.environment import is_root
from rae_auto.toolkit.files import find_other_writer
from rae_auto.toolkit.programs import MAX_PATH_CHARACTERS, find_program

_INTERPRETER = re.compile(r"(?:python|pypy|perl|ruby|node|php|lua|bash|dash|zsh|ksh|fish|sh|Rscript|tclsh|pwsh)[\d.]*")
_ROOT_NAMES = (None, "root")


def find_program_of_others(job: Job, argv: Sequence[str], environment: Mapping[str, str], directory: str) -> str | None:
    """Return why root must not start a job, with the remedy; None if it may, or if this isn't root.

    `argv` is the command as it is started, `directory` the working directory. Reads the disk.
    """
    if not is_root() or job.user not in _ROOT_NAMES:
        return None
    for path in dict.fromkeys(_find_files(job, argv, environment, directory)):
        try:
            risk = find_other_writer(path)
        except OSError:
            continue  # A missing program is reported when it is started.
        if risk is not None:
            name = quote_short(str(path), MAX_PATH_CHARACTERS)
            what = f"{name} {risk}" if risk.startswith("is ") else f"{name}: {risk}"
            return f"root runs nothing that others can change: {what}, or let another user run the job"
    return None


def _find_files(job: Job, argv: Sequence[str], environment: Mapping[str, str], directory: str) -> Iterator[Path]:
    yield from _find_program_and_script(argv, environment, directory)
    if job.script is not None:
        from rae_plugins.executors.process.script_job import resolve_script  # lazy: memory

        yield resolve_script(job)
    if job.python is not None and job.directory is not None:
        yield Path(job.directory)
    if job.shell:
        yield from _find_program_and_script(_split(job.shell), environment, directory)


def _find_program_and_script(words: Sequence[str], environment: Mapping[str, str], directory: str) -> Iterator[Path]:
    program = find_program(words[0], environment, directory) if words else None
    if program is None:
        return
    yield program
    if _INTERPRETER.fullmatch(program.name):
        script = next((word for word in words[1:] if not word.startswith("-")), None)
        if script is not None and (path := Path(directory, script)).is_file():
            yield path


def _split(line: str) -> list[str]:
    try:
        return shlex.split(line, comments=True)
    except ValueError:
        return []
