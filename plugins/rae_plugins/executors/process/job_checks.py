"""Checks of a job before it runs: its working directory, and its program."""

import os
import re
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from rae_auto.api import JobContext
from rae_auto.model.job import Job
from rae_auto.toolkit.programs import find_directory_problem, find_program_problem
from rae_plugins.executors.process.job_user import find_user_problem
from rae_plugins.executors.process.root_programs import find_program_of_others

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_./+-]+")

# POSIX.1-2024, Shell & Utilities 2.4, 2.9, 2.15, with the built-ins that bash, dash and zsh add.
_SHELL_WORDS = {
    ".", "[", "alias", "bg", "bind", "break", "builtin", "caller", "case", "cd", "command", "compgen", "complete",
    "continue", "coproc", "declare", "dirs", "disown", "do", "done", "echo", "elif", "else", "enable", "esac",
    "eval", "exec", "exit", "export", "false", "fc", "fg", "fi", "for", "function", "getopts", "hash", "help",
    "history", "if", "in", "jobs", "kill", "let", "local", "logout", "mapfile", "popd", "printf", "pushd", "pwd",
    "read", "readarray", "readonly", "return", "select", "set", "shift", "shopt", "source", "suspend", "test",
    "then", "time", "times", "trap", "true", "type", "typeset", "ulimit", "umask", "unalias", "unset", "until",
    "wait", "while",
}  # fmt: skip


def find_job_warnings(job: Job, context: JobContext, directory: str) -> Mapping[str, str]:
    """Return why the command of a job can't be started now, by key; `directory` is its working directory."""
    warnings = {}
    key = next((key for key in ("python", "script", "shell", "command") if getattr(job, key)), None)
    if key is not None and (problem := find_program_of_others(job, job.argv, context.environment, directory)):
        warnings[key] = problem
    if job.user is not None and (problem := find_user_problem(job.user)) is not None:
        warnings["user"] = problem
    if job.cwd is not None and (problem := find_directory_problem(job.cwd)) is not None:
        warnings["cwd"] = problem
    if job.python is not None:
        from rae_auto.toolkit.python_functions import find_function_problem  # lazy: memory

        if problem := find_function_problem(job.python, [context.directory]):
            warnings["python"] = problem
        return warnings
    if job.script is not None:
        from rae_plugins.executors.process.script_job import find_script_problem  # lazy: memory

        if problem := find_script_problem(job, context.environment):
            warnings["script"] = problem
        return warnings
    if os.name == "nt":
        key = "shell" if job.shell else "command"
        problem = None if "cwd" in warnings else find_windows_problem(job, context.environment, directory)
        return warnings if problem is None else {**warnings, key: problem}
    shell = job.shell_program if job.shell else None
    if shell and (problem := find_program_problem(shell, context.environment, directory)):
        warnings["shell_program"] = problem
    if not job.shell and not job.command:
        return warnings
    key, program = ("shell", _first_program(job.shell)) if job.shell else ("command", job.command[0])
    if program is not None:
        problem = find_program_problem(program, context.environment, directory)
        # What a relative path leads to is unknown while its directory is missing.
        if problem is not None and ("/" not in program or Path(program).is_absolute() or "cwd" not in warnings):
            warnings[key] = problem
    return warnings


def find_windows_problem(job: Job, environment: Mapping[str, str], directory: str) -> str | None:
    """Return why the command of a job can't be started on Windows, with the remedy, or None."""
    if not job.shell and not job.command:
        return None
    # lazy: only on Windows
    from rae_plugins.executors.process.keeper.spawn import SpawnError
    from rae_plugins.executors.process.keeper.windows.create_process import find_command
    from rae_plugins.executors.process.keeper.windows.environment import complete_environment

    request = {
        "argv": job.command,
        "shell": job.shell or None,
        "shell_program": job.shell_program,
        "env": complete_environment(environment, os.environ),
        "cwd": directory,
        "python": sys.executable,
    }
    try:
        find_command(request)
    except (SpawnError, ValueError) as error:
        return str(error)
    return None


def _first_program(line: str) -> str | None:
    """Return the program that a command line begins with, or None where a shell alone can know it."""
    try:
        word = shlex.split(line, comments=True)[0]
    except (ValueError, IndexError):
        return None
    is_plain = line.lstrip().startswith(word) and _PLAIN_NAME.fullmatch(word) is not None
    return word if is_plain and word not in _SHELL_WORDS else None
