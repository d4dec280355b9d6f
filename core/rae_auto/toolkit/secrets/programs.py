"""Programs that print secrets: the keyring, read by a short-lived child, and commands that the configuration allows.

Nothing of what they answer is kept: each attempt of a job asks again, so that a secret that was changed is used at
once. What they write to standard error is not repeated, because it may be the secret.
"""

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from rae_auto.model.primitives.formatting import quote
from rae_auto.model.primitives.references import split_command
from rae_auto.platforms.process_groups import kill_with_children
from rae_auto.toolkit.extras import install_command

PROGRAM_SECONDS = 10.0
"""Time that a program may take to print a secret."""

MAX_SECRET_BYTES = 1 << 20

_NO_COMMAND = "which is not a command; name a program, as in ${cmd:pass show db}"
_NO_TARGET = "which is not SERVICE/USER; write ${keyring:SERVICE/USER}"

_BACKEND_HINT = "log in to a desktop, install a backend such as keyrings.alt, or use ${file:PATH}"

_allowed_programs: frozenset[str] = frozenset()


def allow_programs(names: Iterable[str]) -> None:
    """Let `${cmd:…}` run these programs and no others, each named as its references name it.

    This holds for the whole process, because plugins resolve the references of their options too.
    """
    global _allowed_programs
    _allowed_programs = frozenset(names)


def read_from_command(command: str, environment: Mapping[str, str], directory: str | None) -> str:
    """Return what a command prints, without blanks around it. No shell is involved. Blocks.

    `environment` is all that it gets, and `directory` where it runs. Raises ValueError with a clause that follows the
    name of the reference.
    """
    argv = split_command(command)
    if not argv:
        raise ValueError(_NO_COMMAND)
    program = quote(argv[0])
    if argv[0] not in _allowed_programs:
        raise ValueError(
            f"which runs {program}, but the configuration does not allow it; set secret_commands = [{program}]"
        )
    try:
        status, output = _run(argv, "", environment, directory)
    except TimeoutError:
        raise ValueError(
            f"but {program} did not end within {PROGRAM_SECONDS:g} s; it must answer without asking for anything"
        ) from None
    except ValueError as error:
        raise ValueError(f"but {program} prints no secret: {error}") from None
    except OSError as error:
        raise ValueError(f"but {program} can't be started: {error.strerror}; install it, or give its path") from None
    if status:
        raise ValueError(f"but {program} failed with exit code {status}; run the command by hand to see why")
    return output.strip()


def find_command_problem(command: str, environment: Mapping[str, str], directory: str | None) -> str | None:
    """Return why a command can't print a secret, as a clause that follows its reference, or None. Runs nothing."""
    argv = split_command(command)
    if not argv:
        return _NO_COMMAND
    path = str(Path(directory or "", argv[0])) if "/" in argv[0] else argv[0]
    if shutil.which(path, path=environment.get("PATH")) is None:
        return f"but the program {quote(argv[0])} is not found; install it, or give its path"
    return None


def find_keyring_problem(target: str) -> str | None:
    """Return why no keyring can be read, as a clause that follows the name of the reference, or None. Opens none."""
    if _split_target(target) is None:
        return _NO_TARGET
    if find_spec("keyring") is None:
        return f"but keyring is not installed; run '{install_command('keyring')}'"
    return None


def _split_target(target: str) -> tuple[str, str] | None:
    service, _, user = target.rpartition("/")
    return (service, user) if service and user else None


def read_from_keyring(target: str, environment: Mapping[str, str]) -> str:
    """Return a password of the user's keyring. `target` is SERVICE/USER. Blocks.

    Raises ValueError with a clause that follows the name of the reference.
    """
    parts = _split_target(target)
    if parts is None:
        raise ValueError(_NO_TARGET)
    service, user = parts
    answer = _ask_child({"service": service, "user": user}, environment)
    if answer["value"] is None:
        hint = f"run 'keyring set {service} {user}'"
        raise ValueError(f"but the keyring has no password of {quote(user)} for {quote(service)}; {hint}")
    return str(answer["value"])


def find_backend_problem(environment: Mapping[str, str]) -> str | None:
    """Return why keyring can't keep passwords in this session, as a clause that follows a reference, or None.

    Blocks: a process looks for the backend, and opens no keyring.
    """
    try:
        _ask_child({}, environment)
    except ValueError as error:
        return str(error)
    return None


def _ask_child(question: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str | None]:
    """Return the answer of the process that reads the keyring. Raises ValueError with a clause and its remedy."""
    child = Path(__file__).with_name("keyring_child.py")
    try:
        # -P: no module in the working directory may take the place of keyring.
        status, output = _run([sys.executable, "-P", str(child)], json.dumps(question), environment, None)
        answer: dict[str, str | None] = (
            json.loads(output) if not status else {"problem": f"its reader failed with exit code {status}"}
        )
    except TimeoutError:
        raise ValueError(f"but the keyring did not answer within {PROGRAM_SECONDS:g} s; unlock it") from None
    except (OSError, ValueError) as error:
        raise ValueError(f"but the keyring can't be read: {error}") from None
    if problem := answer.get("problem"):
        extra = answer.get("extra")
        hint = f"run '{install_command(extra)}'" if extra else _BACKEND_HINT
        raise ValueError(f"but the keyring can't be read: {problem}; {hint}")
    return answer


def _run(argv: Sequence[str], given: str, environment: Mapping[str, str], directory: str | None) -> tuple[int, str]:
    """Return exit code and output of a program. Raises OSError, TimeoutError, or ValueError for too much output.

    Its whole process group is ended if it takes too long, so that nothing that it started holds the pipe.
    """
    with subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=dict(environment),
        cwd=directory,
        start_new_session=True,
    ) as process:
        has_timed_out = threading.Event()

        def give_up() -> None:
            has_timed_out.set()
            kill_with_children(process.pid)

        timer = threading.Timer(PROGRAM_SECONDS, give_up)
        timer.daemon = True
        timer.start()
        try:
            assert process.stdin is not None and process.stdout is not None
            _write(process, given)
            output = process.stdout.read(MAX_SECRET_BYTES + 1)
            if len(output) > MAX_SECRET_BYTES:
                kill_with_children(process.pid)
                raise ValueError("it prints more than 1 MB")
            status = process.wait()
        finally:
            timer.cancel()
        if has_timed_out.is_set():
            raise TimeoutError
    try:
        return status, output.decode()
    except UnicodeDecodeError:
        raise ValueError("what it prints is not UTF-8 text") from None


def _write(process: "subprocess.Popen[bytes]", text: str) -> None:
    assert process.stdin is not None
    try:
        process.stdin.write(text.encode())
        process.stdin.close()
    except BrokenPipeError:
        pass  # it has ended, and its exit code has the reason
