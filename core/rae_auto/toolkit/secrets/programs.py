"""Programs that print secrets: the keyring, read by a short-lived child, and commands that the configuration allows.

Nothing of what they answer is kept: each attempt of a job asks again, so that a secret that was changed is used at
once. What they write to standard error is not repeated, because it may be the secret.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rae_auto.model.primitives.formatting import quote
from rae_auto.model.primitives.references import split_command
from rae_auto.platforms.process_groups import kill_with_children
from rae_auto.toolkit.extras import install_command

PROGRAM_SECONDS = 10.0
"""Time that a program may take to print a secret."""

MAX_SECRET_BYTES = 1 << 20

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
        raise ValueError("which is not a command; name a program, as in ${cmd:pass show db}")
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


def read_from_keyring(target: str, environment: Mapping[str, str]) -> str:
    """Return a password of the user's keyring. `target` is SERVICE/USER. Blocks.

    Raises ValueError with a clause that follows the name of the reference.
    """
    service, _, user = target.rpartition("/")
    if not service or not user:
        raise ValueError("which is not SERVICE/USER; write ${keyring:SERVICE/USER}")
    child = Path(__file__).with_name("keyring_child.py")
    try:
        # -P: no module in the working directory may take the place of keyring.
        argv = [sys.executable, "-P", str(child)]
        status, output = _run(argv, json.dumps({"service": service, "user": user}), environment, None)
        answer = json.loads(output) if not status else {"problem": f"its reader failed with exit code {status}"}
    except TimeoutError:
        raise ValueError(f"but the keyring did not answer within {PROGRAM_SECONDS:g} s; unlock it") from None
    except (OSError, ValueError) as error:
        raise ValueError(f"but the keyring can't be read: {error}") from None
    if problem := answer.get("problem"):
        hint = f"; run '{install_command(answer['extra'])}'" if "extra" in answer else ""
        raise ValueError(f"but the keyring can't be read: {problem}{hint}")
    if answer["value"] is None:
        hint = f"run 'keyring set {service} {user}'"
        raise ValueError(f"but the keyring has no password of {quote(user)} for {quote(service)}; {hint}")
    return str(answer["value"])


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
