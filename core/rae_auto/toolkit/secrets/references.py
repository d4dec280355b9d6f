"""References to secrets in texts of a configuration, `${KIND:TARGET}`: read late, and shown nowhere.

`env` is a variable, `file` a file that only its owner can read, `credential` a file that systemd hands over, `keyring`
a password of the user's keyring, and `cmd` what a command prints that the configuration allows.
"""

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

from rae_auto.model.primitives.references import Reference, find_mistaken_reference, find_references
from rae_auto.platforms.file_rights import file_rights
from rae_auto.toolkit.files import open_for_reading
from rae_auto.toolkit.secrets.programs import (
    find_command_problem,
    find_keyring_problem,
    read_from_command,
    read_from_keyring,
)

# "KEY" and the short words count as a word alone, so that MONKEY, COMPASS and AUTHOR are no secrets.
_SECRET_NAME = re.compile(
    r"token|secret|passw|passphrase|credential|apikey|private_?key|"
    r"(?:^|[_\W])(?:\w*(?:access|api|secret)key|keys?|pass|pin|auth|dsn|cookie|jwt|pat|webhook)(?:$|[_\W])",
    re.IGNORECASE,
)

_PLACE_NAME = re.compile(r"_(?:sock|socket|file|path|dir|directory|folder|home)$", re.IGNORECASE)

_CREDENTIALS = "CREDENTIALS_DIRECTORY"
"""The variable with the folder of a service's credentials, set by systemd. See systemd.exec(5)."""

_URL_PASSWORD = re.compile(r"://[^/\s:@]*:[^/\s]+@")


def resolve_references(
    text: str,
    environment: Mapping[str, str],
    owner: str,
    directory: str | None = None,
    *,
    run_programs: bool = True,
    strip: bool = True,
) -> tuple[str, set[str]]:
    """Return the text with its references replaced, and the secrets among the values. Reads files, so it may block.

    `environment` is that of the daemon, `owner` what the text belongs to, for messages: "env", "password". Relative
    paths start from `directory`. Without `run_programs` the references that need one stay as they are, as do those to
    credentials outside of a service that has any. Blanks around what a file has are dropped, unless the text is a
    single reference and `strip` is False.

    Raises ValueError for a reference that leads nowhere, or to a file that others may read; it doesn't repeat the
    value. A variable is a secret only if `looks_secret` says so, or if it is a URL with a password; all else is one.
    """
    secrets: set[str] = set()
    parts, position = [], 0
    for reference in find_references(text):
        if not run_programs and not _is_readable(reference, environment):
            continue
        value = _read(reference, environment, owner, directory)
        if reference.kind != "env" and (strip or reference.text != text):
            value = value.strip()
        if reference.kind != "env" or looks_secret(reference.target) or _URL_PASSWORD.search(value):
            secrets.add(value.strip())
        parts += [text[position : reference.start], value]
        position = reference.end
    return "".join([*parts, text[position:]]), secrets


def find_reference_problem(
    text: str, environment: Mapping[str, str], owner: str, directory: str | None = None
) -> str | None:
    """Return why a text has no readable references now, in a line that begins with `owner`, or None.

    Reads files, and runs no program: of a keyring and of a command it finds that they are not installed. The other
    arguments are those of `resolve_references`.
    """
    try:
        resolve_references(text, environment, owner, directory, run_programs=False)
    except ValueError as error:
        return str(error)
    if (mistake := find_mistaken_reference(text)) is not None:
        return f"{owner} {mistake}"
    for reference in find_references(text):
        problem = None
        if reference.kind == "keyring":
            problem = find_keyring_problem(reference.target)
        elif reference.kind == "cmd":
            problem = find_command_problem(reference.target, environment, directory)
        if problem is not None:
            return f"{owner} refers to {reference.text}, {problem}"
    return None


def _is_readable(reference: Reference, environment: Mapping[str, str]) -> bool:
    """Return whether a reference can be read without running anything, and by this process."""
    if reference.kind == "credential":
        return _CREDENTIALS in environment
    return reference.kind in ("env", "file")


def _read(reference: Reference, environment: Mapping[str, str], owner: str, directory: str | None) -> str:
    try:
        match reference.kind:
            case "env":
                return _from_environment(reference.target, environment)
            case "file":
                path = Path(directory or "", Path(reference.target).expanduser())
                return _read_file(path, "", checks_mode=True)
            case "credential":
                return _from_credential(reference.target, environment)
            case "keyring":
                return read_from_keyring(reference.target, environment)
            case _:
                return read_from_command(reference.target, environment, directory)
    except ValueError as error:
        place = str(path) if reference.kind == "file" else reference.text
        raise ValueError(f"{owner} refers to {place}, {error}") from None


def is_secret(name: str, value: str) -> bool:
    """Return whether the value of a variable is a secret, by its name, or because it is a URL with a password."""
    return looks_secret(name) or _URL_PASSWORD.search(value) is not None


def looks_secret(name: str) -> bool:
    """Return whether the name of a variable is one that secrets have, such as "API_TOKEN", and unlike "HOME".

    Where a secret is, or who can be asked for it, is none: "SSH_AUTH_SOCK", "TOKEN_FILE".
    """
    return _SECRET_NAME.search(name) is not None and _PLACE_NAME.search(name) is None


def refers_to_slow_source(text: str) -> bool:
    """Return whether `resolve_references` reads a file or runs a program for this text, which may block."""
    return any(reference.may_block for reference in find_references(text))


def _from_environment(name: str, environment: Mapping[str, str]) -> str:
    if name not in environment:
        raise ValueError("which is not set in the daemon's environment")
    return environment[name]


def _from_credential(name: str, environment: Mapping[str, str]) -> str:
    if not environment.get(_CREDENTIALS):
        raise ValueError(f"but the daemon has no credentials; add LoadCredential={name}:PATH to its systemd unit")
    if name in (".", "..") or "/" in name:
        raise ValueError("which is not the name of a credential; write the name that LoadCredential= gives it")
    # systemd manages its rights: an access list for the service's user shows as rights of the group.
    hint = f"add LoadCredential={name}:PATH to the systemd unit"
    return _read_file(Path(environment[_CREDENTIALS], name), f"; {hint}", checks_mode=False)


def _read_file(path: Path, hint: str, *, checks_mode: bool) -> str:
    try:
        descriptor = open_for_reading(path)
        with os.fdopen(descriptor, encoding="utf-8", newline="") as file:
            status = os.fstat(descriptor)
            if checks_mode and (risk := file_rights().find_other_reader(path, status)):
                raise ValueError(f"which {risk}")
            if not stat.S_ISREG(status.st_mode):
                raise ValueError("which is not a regular file; write the secret to one")
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ValueError(f"which can't be read: {why}{hint}") from None
